import { tasks } from '@heddle/executor'

export const one = tasks(import.meta.url, { work: () => 1 })
export const two = tasks(import.meta.url, { work: () => 2 })
