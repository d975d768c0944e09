/**
 * The wait that most primitives are made of: enqueue if a condition holds, under the queue's lock, and sleep until chosen.
 *
 * Source     parking_lot_core's park (validate under the bucket's lock).
 */
import { compareExchange, get, load, peek, set, store } from '@heddle/atomics/ops'
import type { Agent } from './agent.js'
import { CASE_RECHECK, KIND_PASSES, NOTIFIED, TAKEN, W_KEY, W_KIND, W_QUEUE, W_STATE, W_TOKEN, W_WANT } from './layout.js'
import { Operation } from './operation.js'
import { enqueue, enqueueAgain, lockIfThere, lockQueue, takeTicket, unlink, unlockPinned, unlockQueue } from './queue.js'
import { caseOf, inPhase, phaseOf } from './record.js'
import { claimOne, claimRunnable, deliver } from './wake.js'

/** What ended a park. */
export interface ParkResult {
  /**
   * 'unparked': chosen by an unpark. 'invalid': `validate` said that there is nothing to wait for.
   * 'recheck': an agent died, and what is waited for may have changed hands; only without `validate`.
   */
  outcome: 'unparked' | 'invalid' | 'recheck'
  /** What the unpark passed; 0 otherwise. */
  token: number
}

/** Whether the queue in which a record with KIND_PASSES is or was, and whose `home` is its W_WANT, lives. While it is pinned, or a record is linked in it. */
export function isHome(words: Int32Array, q: number, home: number): boolean {
  // A WaitQueue's header is the word before its queue. The first look keeps off memory that has another use by now, whose owner writes to
  // it plainly; only the second is ordered after the pin.
  return home === 0 || (peek(words, q - 1) === home && load(words, q - 1) === home)
}

/** A wait in one queue. */
export class ParkOperation extends Operation<ParkResult> {
  constructor(
    agent: Agent,
    /** The queue that it began in; the record's W_QUEUE says where a requeue has moved it. Once it was chosen: the queue that it was chosen from. */
    private queue: number,
    /** Header of the WaitQueue that `queue` belongs to; 0 for a queue that is never disposed of. */
    private home = 0,
  ) {
    super(agent)
  }

  begin(): boolean {
    const { agent, queue, record } = this
    // Before it is linked: nobody else looks.
    set(agent.words, record + W_KEY, this.keyOf())
    set(agent.words, record + W_WANT, this.home)
    store(agent.words, record + W_KIND, get(agent.words, record + W_KIND) | KIND_PASSES)
    lockQueue(agent, queue)
    const wait = this.isValid(queue)
    if (wait) enqueue(agent.words, queue, record, takeTicket(agent.words, queue))
    unlockQueue(agent, queue)
    if (!wait) this.result = { outcome: 'invalid', token: 0 }
    return !wait
  }

  resume(seen: number): boolean {
    const { agent, record } = this
    const { words } = agent
    for (let state = seen; ; state = load(words, record + W_STATE)) {
      // The waker took its choice back.
      if (phaseOf(state) !== NOTIFIED) return false
      if (caseOf(state) !== CASE_RECHECK) {
        if (compareExchange(words, record + W_STATE, state, inPhase(state, TAKEN)) === state) return this.unparked()
        continue
      }
      const queue = load(words, record + W_QUEUE)
      // Moved by a requeue, or chosen after all; then it is perhaps in the list no more, and the queue may be gone.
      const isHere = (): boolean => load(words, record + W_QUEUE) === queue && load(words, record + W_STATE) === state
      if (!lockIfThere(agent, queue, isHere)) continue
      if (!isHere()) {
        unlockPinned(agent, queue)
        continue
      }
      if (!this.isConditional) {
        unlink(words, queue, record)
        unlockPinned(agent, queue)
        this.result = { outcome: 'recheck', token: 0 }
        return true
      }
      // Moved to another queue, it waits for that one's reasons.
      const wait = queue !== this.queue || this.isValid(queue)
      if (wait) enqueueAgain(words, queue, record)
      else unlink(words, queue, record)
      unlockPinned(agent, queue)
      if (wait) return false
      this.result = { outcome: 'invalid', token: 0 }
      return true
    }
  }

  /** Its caller gave up at the moment when it was chosen: the next waiter gets the notify. */
  override undo(): boolean {
    if (this.result.outcome !== 'unparked') return true
    const { agent, queue, home } = this
    // Disposed of since: then nobody else waited.
    if (!lockIfThere(agent, queue, () => isHome(agent.words, queue, home))) return false
    const next = claimOne(agent, queue, this.result.token, this.matches())
    unlockPinned(agent, queue)
    if (next !== 0) deliver(agent, next)
    return next !== 0
  }

  override yieldClaim(): boolean {
    const { agent, record } = this
    const { words } = agent
    const queue = load(words, record + W_QUEUE)
    const home = get(words, record + W_WANT)
    if (!lockIfThere(agent, queue, () => isHome(words, queue, home))) return false
    let next = 0
    if (this.isNotified() && load(words, record + W_QUEUE) === queue) {
      next = claimRunnable(agent, queue, load(words, record + W_TOKEN), this.matches())
      if (next !== 0) enqueueAgain(words, queue, record)
    }
    unlockPinned(agent, queue)
    if (next !== 0) deliver(agent, next)
    return false
  }

  private unparked(): true {
    const { words } = this.agent
    this.queue = load(words, this.record + W_QUEUE)
    // Changed only by who requeues it while it WAITs, before who chose it.
    this.home = get(words, this.record + W_WANT)
    this.result = { outcome: 'unparked', token: load(words, this.record + W_TOKEN) }
    return true
  }

  private isNotified(): boolean {
    const state = load(this.agent.words, this.record + W_STATE)
    return phaseOf(state) === NOTIFIED && caseOf(state) !== CASE_RECHECK
  }

  /** Who may get in its place what this was given. */
  private matches(): ((r: number) => boolean) | undefined {
    const key = this.keyOf()
    const { words } = this.agent
    return key === 0 ? undefined : (r) => get(words, r + W_KEY) === key
  }

  private isValid(queue: number): boolean {
    try {
      return this.validates()
    } catch (error) {
      // Out of the list before anybody can choose it: nobody would take what it is given.
      unlink(this.agent.words, queue, this.record)
      unlockPinned(this.agent, queue)
      throw error
    }
  }

  protected get isConditional(): boolean {
    return false
  }
  protected validates(): boolean {
    return true
  }
  protected keyOf(): number {
    return 0
  }
}

/** One that may turn out to have nothing to wait for, perhaps for one of the keys of a queue. */
export class ConditionalPark extends ParkOperation {
  constructor(
    agent: Agent,
    queue: number,
    /** Whether to wait at all; called under the queue's lock, so it must be short and may not wait. */
    private readonly validate: () => boolean,
    home = 0,
    private readonly key = 0,
  ) {
    super(agent, queue, home)
  }
  protected override get isConditional(): boolean {
    return true
  }
  protected override validates(): boolean {
    return this.validate()
  }
  protected override keyOf(): number {
    return this.key
  }
}
