/** The calls of one agent that wait for a slot: their arguments are encoded already, in private memory. */
import type { Region } from '@heddle/atomics'
import type { Call, Waiting } from './call.js'
import { prepareArguments } from './payload.js'
import { dropPrepared } from './payload-counted.js'

/** First in, first out. */
export class Overflow {
  private waiting: Waiting[] = []

  constructor(private readonly region: Region) {}

  /** How many wait. */
  get length(): number {
    return this.waiting.length
  }

  /** @throws NotShareableError */
  add(call: Call, task: number, args: readonly unknown[]): void {
    this.waiting.push({ call, task, args: prepareArguments(this.region, args) })
  }

  /** The one that has waited longest, for a slot. */
  next(): Waiting | undefined {
    return this.waiting.length > 0 ? this.waiting.shift() : undefined
  }

  /** Takes a call back; whether it waited here. */
  withdraw(call: Call): boolean {
    const i = this.waiting.findIndex((waiting) => waiting.call === call)
    if (i === -1) return false
    for (const { args } of this.waiting.splice(i, 1)) dropPrepared(this.region, args)
    return true
  }

  /** Takes all of them back. */
  withdrawAll(): Call[] {
    const { waiting } = this
    this.waiting = []
    for (const { args } of waiting) dropPrepared(this.region, args)
    return waiting.map(({ call }) => call)
  }
}
