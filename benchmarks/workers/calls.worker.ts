/** What the pools of the executor suite run, in the form that each asks for. */
import { tasks } from '@heddle/executor'

export const calls = tasks(import.meta.url, { echo: <T>(value: T): T => value })

/** Piscina runs a module's default export. */
export default function echo<T>(value: T): T {
  return value
}
