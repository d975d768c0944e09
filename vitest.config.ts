import { defineConfig } from 'vitest/config'

const source = ['heddle-source', 'import', 'default']
const model = ['heddle-model', ...source]
const never = ['**/node_modules/**', '**/dist/**', '**/.run/**']

/** `unit` and `model` run from source; `packed` and `docs` work on what was built: `npm run build` first. */
export default defineConfig({
  test: {
    globalSetup: ['./scripts/build-fixtures.ts'],
    testTimeout: 60_000,
    // Vitest's default on two cores is one file at a time; most files wait more than they compute.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      reportsDirectory: 'coverage/vitest',
      reporter: ['json'],
    },
    projects: [
      {
        extends: true,
        resolve: { conditions: source },
        ssr: { resolve: { conditions: source } },
        test: {
          name: 'unit',
          include: ['{packages,litmus,benchmarks,tests,examples}/**/*.test.ts'],
          exclude: ['**/*.model.test.ts', 'tests/pack/**', 'tests/docs/**', ...never],
        },
      },
      {
        extends: true,
        resolve: { conditions: model },
        ssr: { resolve: { conditions: model } },
        // A model computes all the while: on a slow machine several times as long as on ours.
        test: { name: 'model', include: ['packages/**/*.model.test.ts'], exclude: never, testTimeout: 300_000 },
      },
      {
        extends: true,
        test: { name: 'packed', include: ['tests/pack/**/*.test.ts'], exclude: never, testTimeout: 180_000, hookTimeout: 180_000 },
      },
      {
        extends: true,
        test: { name: 'docs', include: ['tests/docs/**/*.test.ts'], exclude: never, hookTimeout: 180_000 },
      },
    ],
  },
})
