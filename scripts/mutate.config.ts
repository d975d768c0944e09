import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

const conditions = ['heddle-model', 'heddle-source', 'import', 'default']
const { file, from, to } = JSON.parse(process.env['HEDDLE_MUTATION'] ?? '{}') as { file?: string; from?: string; to?: string }

/** The model tests, with one place of one file changed while it is loaded. */
export default defineConfig({
  root: resolve(import.meta.dirname, '..'),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  plugins: [
    {
      name: 'mutation',
      enforce: 'pre',
      transform(code, id) {
        return file !== undefined && id.split('?')[0] === resolve(import.meta.dirname, '..', file) ? code.replace(from!, () => to!) : undefined
      },
    },
  ],
  test: { include: ['packages/**/*.model.test.ts'], exclude: ['**/node_modules/**', '**/dist/**', '**/.run/**'], testTimeout: 120_000, bail: 1 },
})
