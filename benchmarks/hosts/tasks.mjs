import { tasks } from 'heddle'

/** What is called: nothing that takes time of its own. */
export const work = tasks(import.meta.url, {
  add: (a, b) => a + b,
  async addLater(a, b) {
    return a + b
  },
  size: (bytes) => bytes.length,
  /** Receives until the channel is closed; gives the sum. */
  sum(receiver) {
    let sum = 0
    for (const value of receiver) sum += value
    return sum
  },
})
