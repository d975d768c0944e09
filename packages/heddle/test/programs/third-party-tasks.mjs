import { sleepAsync, tasks } from '../../dist/node.js'

export const work = tasks(import.meta.url, {
  add: (a, b) => a + b,
  async locked(mutex) {
    const guard = await mutex.lockAsync()
    guard.release()
    return 'locked'
  },
  exit: () => process.exit(3),
  later: async (x) => {
    await sleepAsync(5)
    return x
  },
})
