import { notify, sleepAsync, tasks } from '../../../heddle/dist/browser.js'

export const work = tasks(import.meta.url, {
  add: (a, b) => a + b,
  wasmAdd({ module, memory, at, times }) {
    new WebAssembly.Instance(module, { env: { memory } }).exports.add(at, times)
  },
  async wakeLater(cell, ms) {
    await sleepAsync(ms)
    cell.store(1)
    notify(cell)
  },
})
