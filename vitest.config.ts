import { defineConfig } from 'vitest/config'

const source = ['heddle-source', 'import', 'default']

export default defineConfig({
  test: {
    globalSetup: ['./scripts/build-fixtures.ts'],
    testTimeout: 60_000,
    projects: [
      {
        extends: true,
        resolve: { conditions: source },
        ssr: { resolve: { conditions: source } },
        test: { name: 'unit', include: ['{packages,litmus,benchmarks,tests,examples}/**/*.test.ts'], exclude: ['**/*.model.test.ts', '**/node_modules/**', '**/dist/**'] },
      },
      {
        extends: true,
        resolve: { conditions: ['heddle-model', ...source] },
        ssr: { resolve: { conditions: ['heddle-model', ...source] } },
        test: { name: 'model', include: ['packages/**/*.model.test.ts'], exclude: ['**/node_modules/**', '**/dist/**'] },
      },
    ],
  },
})
