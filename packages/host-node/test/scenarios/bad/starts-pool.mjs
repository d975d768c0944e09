import { Executor, tasks } from '@heddle/executor'

export const all = tasks(import.meta.url, { work: () => 1 })
await Executor.start()
