/**
 * The pool's task table: each task that was ever called, by number, so that a slot names a task by one word.
 *
 * Invariants I1 An entry is written once, by compare-exchange from 0, and stays until the pool is disposed of; the name block is
 *               written before. So a number, once known, can be kept.
 */
import { InvalidArgumentError } from '@heddle/atomics'
import { decodeValue, encodeValue } from '@heddle/atomics/internal'
import { compareExchange, copy, get, load, set } from '@heddle/atomics/ops'
import { MAX_TASKS, P_TASK_TABLE } from './layout.js'
import type { Pool } from './pool.js'
import type { TaskName, TaskRef } from './tasks.js'

export type { TaskName }

/** One agent's view of the table. */
export class TaskTable {
  private readonly numbers = new Map<object, number>()
  private readonly names: (TaskName | undefined)[] = []

  constructor(private readonly pool: Pool) {}

  /** The task's number; enters it when it has none. @throws InvalidArgumentError when the table is full */
  numberOf(task: TaskRef<never[]>): number {
    const known = this.numbers.get(task)
    if (known !== undefined) return known
    const number = this.enter(task)
    this.numbers.set(task, number)
    return number
  }

  /** The task of a number. */
  nameOf(number: number): TaskName {
    return (this.names[number] ??= this.read(load(this.pool.words, this.pool.base + P_TASK_TABLE + number)))
  }

  private enter(task: TaskName): number {
    const { words, base, region } = this.pool
    let block = 0
    for (let number = 0; number < MAX_TASKS; number++) {
      const index = base + P_TASK_TABLE + number
      if (load(words, index) === 0) {
        if (block === 0) block = this.write(task)
        if (compareExchange(words, index, 0, block) === 0) return number
      }
      const other = this.nameOf(number)
      if (other.module !== task.module || other.name !== task.name || other.family !== task.family) continue
      if (block !== 0) region.free(block)
      return number
    }
    if (block !== 0) region.free(block)
    throw new InvalidArgumentError(`an executor runs at most ${MAX_TASKS} different tasks`)
  }

  private write(task: TaskName): number {
    const { region } = this.pool
    const { words, length } = encodeValue([task.module, task.name, task.family])
    const count = (length + 3) >> 2
    const block = region.alloc(4 + count * 4)
    set(region.words, block >> 2, count)
    copy<Int32Array>(region.words, (block >> 2) + 1, words, 0, count)
    return block
  }

  private read(block: number): TaskName {
    const { words } = this.pool
    // Plain: published by the table's entry (I1).
    const count = get(words, block >> 2)
    const own = new Int32Array(count)
    copy<Int32Array>(own, 0, words, (block >> 2) + 1, count)
    const [module, name, family] = decodeValue(new Uint8Array(own.buffer)) as [string, string, number]
    return { module, name, family }
  }
}
