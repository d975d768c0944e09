import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/node.ts'],
  format: 'esm',
  target: 'es2022',
  dts: true,
  clean: true,
  sourcemap: true,
  splitting: true,
})
