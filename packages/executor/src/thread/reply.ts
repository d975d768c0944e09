/** The receiver's side of a call that came through a mailbox: reads its arguments and settles it. Steps of a slot: ../slot.ts. */
import { exchange, get, load } from '@heddle/atomics/ops'
import { S_ASLEEP, S_BELL, T_STATE, T_SUBMITTER } from '../layout.js'
import { readArguments, writeResult, writeThrown } from '../payload.js'
import type { Pool } from '../pool.js'
import { finish, startSeen } from '../slot.js'

/** A call that was started here and is to be settled here. */
export class Reply {
  private constructor(
    private readonly pool: Pool,
    private readonly slot: number,
    private readonly at: number,
    private readonly state: number,
  ) {}

  /** Starts the call of a slot for `worker`; undefined when its caller has taken it back, or it was given up. */
  static start(pool: Pool, slot: number, seen: number, worker: number): Reply | undefined {
    const at = pool.slotAt(slot)
    const state = startSeen(pool.words, at + T_STATE, worker, seen)
    return state === 0 ? undefined : new Reply(pool, slot, at, state)
  }

  /** What the caller gave. @throws what the codec throws for a value that can't be opened here */
  arguments(): unknown[] {
    return readArguments(this.pool.region, this.at)
  }

  /** Settles the call. @throws NotShareableError, RegionFullError: then it is not settled */
  resolve(value: unknown): void {
    writeResult(this.pool.region, this.at, value)
    this.finish()
  }

  /** Settles the call with an error. */
  reject(error: unknown): void {
    writeThrown(this.pool.region, this.at, error)
    this.finish()
  }

  private finish(): void {
    const { pool, slot, at } = this
    const { words } = pool
    // Plain: the slot is this agent's until it is finished.
    const submitter = get(words, at + T_SUBMITTER)
    if (!finish(words, at + T_STATE, this.state) || !pool.markDone(slot, submitter)) return
    const record = pool.submitterAt(submitter)
    if (load(words, record + S_ASLEEP) !== 0 && exchange(words, record + S_ASLEEP, 0) !== 0) pool.ring(record + S_BELL)
  }
}
