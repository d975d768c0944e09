// What the scenarios call in workers.
import { tasks } from '@heddle/executor'

export const work = tasks(import.meta.url, {
  nothing() {},
  add: (a, b) => a + b,
  echo: (x) => x,
  async later(x) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    return x
  },
})
