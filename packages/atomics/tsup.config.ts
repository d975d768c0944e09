import { defineConfig } from 'tsup'
import { preset } from '../../scripts/tsup-preset.js'

export default defineConfig(
  preset({
    entry: ['src/index.ts', 'src/internal.ts', 'src/ops.ts', 'src/ops-model.ts'],
    external: ['#ops'],
    plugins: [
      {
        // The bundler turns a module's constants into variables, which V8 can't fold: these are what the cells' speed rests on (src/cells.ts).
        name: 'constants stay constant',
        renderChunk: (code) => ({ code: code.replace(/^var (inline\w+ = \w+;)$/gm, 'const $1') }),
      },
    ],
  }),
)
