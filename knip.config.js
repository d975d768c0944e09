export default {
  ignoreExportsUsedInFile: true,
  // Run by the path of their command, from tests/pack and scripts.
  ignoreDependencies: ['@arethetypeswrong/cli', 'pnpm', 'publint'],
  // Measured against where it is installed.
  ignoreBinaries: ['go'],
  workspaces: {
    '.': {
      entry: ['scripts/*.{mjs,ts}', '*.config.{js,mjs,ts}', 'tests/**/*.test.ts', 'tests/**/fixtures/*.worker.ts'],
      project: ['scripts/**/*.{mjs,ts}', 'tests/**/*.ts', '*.{js,mjs,ts}'],
    },
    'packages/*': {
      entry: [
        'src/{index,internal,ops,ops-model}.ts',
        'test/**/*.{test,test-d}.ts',
        'test/fixtures/*.worker.ts',
        'test/{scenarios,programs,pages}/**/*.mjs',
        'bench/**/*.{ts,mjs}',
      ],
      project: ['{src,test,bench}/**/*.{ts,mjs}'],
    },
    'tests/conformance': {
      // Found by their packages' platform binaries.
      ignoreDependencies: ['bun', 'deno'],
      entry: ['runners/*.mjs', 'liveness/program.mjs', 'suite/*.mjs', '*.mjs', '*.test.ts'],
      project: ['**/*.{ts,mjs}'],
    },
    'tests/bundlers': {
      // `heddle` and `pixels` are put beside the fixtures when they are built.
      entry: ['*.test.ts'],
      project: ['*.ts'],
    },
    litmus: { entry: ['**/*.test.ts', 'fixtures/*.worker.ts'], project: ['**/*.ts'] },
    benchmarks: { entry: ['**/*.{ts,mjs}'], project: ['**/*.{ts,mjs}'] },
    examples: { entry: ['**/*.{ts,mjs}'], project: ['**/*.{ts,mjs}'] },
  },
}
