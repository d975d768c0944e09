import { defineConfig } from 'tsup'
import { preset } from '../../scripts/tsup-preset.js'

export default defineConfig(
  preset({ entry: ['src/browser.ts', 'src/bun.ts', 'src/deno.ts', 'src/node.ts', 'src/worker.ts', 'src/worker-browser.ts'] }),
)
