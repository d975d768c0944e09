/** The same as tasks of heddle's. */
import { tasks } from '@heddle/executor'
import { echo, work } from './plain-calls.worker.js'

export const calls = tasks(import.meta.url, { echo, work, nothing: () => undefined })
