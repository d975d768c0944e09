/**
 * Results that come by message, because they hand over what need not be copied.
 *
 * The worker posts the result, then ends the call in its slot, whose payload says POSTED and names the worker. The two may be seen in either order; the
 * slot is free once its end was seen, the call is settled when both were.
 *   seen          the call is
 *   the message   still in its slot; its value waits in `arrived`
 *   the end       in `awaited`, and in no slot
 * Invariants I1 A call in `awaited` leaves it once: with its message, with the end of the worker that posted it, or when all calls are given up.
 *            I2 What is in `arrived` belongs to a call that is open in its slot, and goes when that ends in any way.
 */
import { get } from '@heddle/atomics/ops'
import type { Call } from './call.js'
import { WorkerCrashedError } from './errors.js'
import { HEARS, T_TASK } from './layout.js'
import { writePosted } from './payload.js'
import type { Pool } from './pool.js'
import { GENERATION_UNIT, generationOf } from './slot.js'
import { checkAttached, notPosted, transferOf, unmark } from './transfer.js'

/** What a worker says: the result of a call. */
export interface PostedResult {
  readonly heddle: 'result'
  readonly slot: number
  /** The call's generation of the slot: see slot.ts. */
  readonly generation: number
  readonly value: unknown
}

/** How a worker posts to the agent that started it. */
export type Post = (result: PostedResult, transfer: readonly object[]) => void

/** In a worker: posts a result that hands something over, if its caller can take it so; whether it did. @throws NotShareableError */
export function postResult(pool: Pool, worker: number, post: Post | undefined, slot: number, state: number, value: unknown): boolean {
  const { region, words } = pool
  const at = pool.slotAt(slot)
  const transfer = transferOf(value)
  // Plain: the slot is this worker's from STARTED to DONE.
  if (transfer === undefined || post === undefined || (get(words, at + T_TASK) & HEARS) === 0) return false
  try {
    checkAttached(transfer)
    post({ heddle: 'result', slot, generation: generationOf(state), value }, transfer)
  } catch (cause) {
    throw notPosted('result', cause)
  }
  unmark(value)
  writePosted(region, at, worker)
  return true
}

/** Those of one submitter. */
export class PostedResults {
  private readonly arrived = new Map<number, unknown>()
  private readonly awaited = new Map<number, { readonly call: Call; readonly worker: number }>()

  /** @param closed counts a call out that is about to be settled */
  constructor(private readonly closed: (call: Call, isFulfilled: boolean) => void) {}

  /** A message has come, for a call that is open in its slot, or for one that is in none any more. */
  hear({ slot, generation, value }: PostedResult, isOpen: boolean): void {
    const key = keyOf(slot, generation)
    const waiting = this.awaited.get(key)
    if (waiting === undefined) {
      if (isOpen) this.arrived.set(key, value)
      return
    }
    this.awaited.delete(key)
    this.settle(waiting.call, value)
  }

  /** A call has ended in its slot, which it is in no more. */
  end(call: Call, slot: number, generation: number, worker: number): void {
    const key = keyOf(slot, generation)
    if (!this.arrived.has(key)) {
      this.awaited.set(key, { call, worker })
      return
    }
    const value = this.arrived.get(key)
    this.arrived.delete(key)
    this.settle(call, value)
  }

  /** A call has ended in its slot, and not by a message. */
  forget(slot: number, generation: number): void {
    if (this.arrived.size > 0) this.arrived.delete(keyOf(slot, generation))
  }

  /** A worker has ended: what it posted and did not get out won't come. */
  lost(worker: number, reason: unknown): void {
    for (const [key, waiting] of this.awaited) {
      if (waiting.worker !== worker) continue
      this.awaited.delete(key)
      this.closed(waiting.call, false)
      waiting.call.reject(new WorkerCrashedError('the worker ended before its result had arrived', { cause: reason }))
    }
  }

  /** All calls that are waited for, which are so no more. */
  giveUp(): Call[] {
    const calls = [...this.awaited.values()].map(({ call }) => call)
    this.awaited.clear()
    return calls
  }

  private settle(call: Call, value: unknown): void {
    this.closed(call, true)
    call.resolve(value as never)
  }
}

function keyOf(slot: number, generation: number): number {
  return slot * 2 ** 20 + (generation >>> 0) / GENERATION_UNIT
}
