export default {
  ignoreExportsUsedInFile: true,
  workspaces: {
    '.': {
      entry: ['scripts/*.{mjs,ts}', '*.config.{js,mjs,ts}', '.dependency-cruiser.mjs', '.size-limit.mjs', 'examples/main-job/main.mjs'],
      project: ['scripts/**/*.{mjs,ts}', '*.{js,mjs,ts}'],
    },
    'packages/*': {
      entry: ['src/{index,internal,ops,ops-model}.ts', 'test/**/*.{test,test-d}.ts', 'test/fixtures/*.worker.ts', 'bench/**/*.ts'],
      project: ['{src,test,bench}/**/*.ts'],
    },
    litmus: { entry: ['**/*.test.ts', 'fixtures/*.worker.ts'], project: ['**/*.ts'] },
    benchmarks: { entry: ['**/*.{ts,mjs}'], project: ['**/*.{ts,mjs}'] },
    examples: { entry: ['**/*.{ts,mjs}'], project: ['**/*.{ts,mjs}'] },
    tests: { entry: ['**/*.test.ts', '**/fixtures/*.worker.ts'], project: ['**/*.ts'] },
  },
}
