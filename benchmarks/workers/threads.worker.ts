/** What the benchmarks of threads run. */
import { currentThread, tasks } from '@heddle/executor'

export const threads = tasks(import.meta.url, {
  result: (x: number) => x,
  echo(): void {
    currentThread()!.onMessage((message) => message.reply(message.payload))
  },
  async sum(): Promise<number> {
    let sum = 0
    for await (const { payload } of currentThread()!) sum += payload as number
    return sum
  },
})
