/** Waiting to read, to write, or to read with a right to write; rw-lock.ts has the invariants. */
import { and, get, load, or, store } from '@heddle/atomics/ops'
import {
  type Agent,
  CASE_RECHECK,
  claim,
  deliver,
  enqueue,
  enqueueAgain,
  FLAGS_MASK,
  GRANTED,
  type Hold,
  KIND_THREAD,
  lockQueue,
  NOTIFIED,
  phaseOf,
  POISONED_BIT,
  settle,
  takeTicket,
  unlink,
  unlockQueue,
  W_KEY,
  W_KIND,
  W_LOCK,
} from '@heddle/park/internal'
import { refuseCycle } from './diagnostics.js'
import { DeadlockError } from './errors.js'
import { LockOperation, release } from './lock-operation.js'
import type { RwLock } from './rw-lock.js'
import type { ReadGuard, UpgradableGuard, WriteGuard } from './rw-guard.js'
import { holdOf, isClear, isClosed, passOn, READER_KEY, tryEnter, UPGRADABLE_BIT, WRITING_BIT } from './rw-state.js'

/** Waits for a right to read. */
export class ReadOperation extends LockOperation<ReadGuard> {
  private readonly hold: Hold
  private came = false

  constructor(
    agent: Agent,
    private readonly rw: RwLock,
  ) {
    super(agent, rw.state, 0, WRITING_BIT)
    this.hold = holdOf(agent, rw)
  }

  override begin(): boolean {
    const { agent, record } = this
    store(agent.words, record + W_KEY, READER_KEY)
    return this.come() || super.begin()
  }

  override resume(state: number): boolean {
    if (phaseOf(state) === GRANTED) return super.resume(state)
    try {
      if (!this.come()) return super.resume(state)
    } finally {
      // The notify was for whoever is next on the word: it goes on to the others, also when this one is told of poison.
      if (this.came) passOn(this.agent, this.rw, false, this.record)
    }
    return true
  }

  override undo(): boolean {
    this.result.release()
    return true
  }

  /** It has the exclusive word: it becomes a reader and gives the word back. */
  protected acquired(flags: number): boolean {
    const { agent, rw, hold } = this
    if (hold.count++ === 0) or(agent.words, hold.word, hold.mask)
    passOn(agent, rw, true, this.record)
    this.result = rw.entered(agent, hold, flags, this)
    return true
  }

  protected override enter(again: boolean): boolean {
    if (super.enter(again)) return true
    const { agent, rw, record } = this
    // The owner became an upgradable reader before this was in the queue.
    if (!isClosed(load(agent.words, rw.state)) && claim(agent.words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
    return false
  }

  private come(): boolean {
    const { agent, rw, hold, record } = this
    const word = tryEnter(agent, rw, hold, get(agent.words, record + W_KIND) === KIND_THREAD)
    if (word === -1) return false
    this.came = true
    this.result = rw.entered(agent, hold, word, this)
    return true
  }
}

/** Waits for the right to read and to upgrade: the exclusive word, with readers let in. */
export class UpgradableOperation extends LockOperation<UpgradableGuard> {
  constructor(
    agent: Agent,
    private readonly rw: RwLock,
  ) {
    super(agent, rw.state, UPGRADABLE_BIT, WRITING_BIT)
  }

  override begin(): boolean {
    store(this.agent.words, this.record + W_KEY, 0)
    return super.begin()
  }

  override undo(): boolean {
    this.result.release()
    return true
  }

  protected acquired(flags: number): boolean {
    // While it came by the word, readers may have been kept out.
    passOn(this.agent, this.rw, false, this.record)
    this.result = this.rw.upgradable(this.agent, flags, this)
    return true
  }
}

/** Waits for the exclusive word, then for the readers to leave. */
export class WriteOperation extends LockOperation<WriteGuard> {
  /** The word is had: it waits for readers. */
  private draining = false
  private flags = 0

  constructor(
    agent: Agent,
    private readonly rw: RwLock,
    /** Whether the agent has the word already, as an upgradable reader, and has it again if it gives up. */
    private readonly upgrade = false,
  ) {
    super(agent, rw.state, 0, WRITING_BIT)
  }

  /** For the metrics: an upgrade goes on with a hold. */
  get continues(): boolean {
    return this.upgrade
  }

  override begin(): boolean {
    const { words } = this.agent
    store(words, this.record + W_KEY, 0)
    if (!this.upgrade) return super.begin()
    and(words, this.lock, ~UPGRADABLE_BIT)
    return this.acquired(load(words, this.lock) & FLAGS_MASK)
  }

  override resume(state: number): boolean {
    if (!this.draining) return super.resume(state)
    const { agent, record } = this
    const { drain } = this.rw
    lockQueue(agent, drain)
    const clear = isClear(this.rw)
    if (clear) unlink(agent.words, drain, record)
    else enqueueAgain(agent.words, drain, record)
    unlockQueue(agent, drain)
    this.lookAgain(clear)
    return clear && this.won()
  }

  override abandon(): void {
    if (!this.draining) {
      super.abandon()
      return
    }
    settle(this.agent, this.record)
    this.giveUp()
  }

  override undo(): boolean {
    if (this.upgrade) this.result.downgradeToUpgradable()
    else this.result.release()
    return true
  }

  override yieldClaim(): boolean {
    return !this.draining && super.yieldClaim()
  }

  protected acquired(flags: number): boolean {
    const { agent, rw, record } = this
    const { words } = agent
    // An upgradable reader was told already.
    this.flags = this.upgrade ? flags & ~POISONED_BIT : flags
    this.draining = true
    if (isClear(rw)) return this.won()
    if (get(words, record + W_KIND) === KIND_THREAD) {
      if (holdOf(agent, rw).count > 0) {
        this.giveUp()
        throw new DeadlockError('this agent reads under the lock, and would wait for itself: release the read first, or use upgradableRead()')
      }
      if (agent.spin.until(() => isClear(rw))) return this.won()
    }
    // From the lock's queue to that of who drains.
    settle(agent, record)
    store(words, record + W_LOCK, 0)
    // For diagnostics.ts: whose drain queue it is.
    store(words, record + W_KEY, rw.header)
    lockQueue(agent, rw.drain)
    const clear = isClear(rw)
    if (!clear) enqueue(words, rw.drain, record, takeTicket(words, rw.drain))
    unlockQueue(agent, rw.drain)
    this.lookAgain(clear)
    if (!clear && agent.region.diagnostics) refuseCycle(agent, record, () => this.abandon())
    return clear && this.won()
  }

  /** A reaper clears the bits of the dead without the queue's lock, and tells those who wait by then. */
  private lookAgain(done: boolean): void {
    const { agent, record, rw } = this
    if (!done && isClear(rw) && claim(agent.words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
  }

  private won(): true {
    or(this.agent.words, this.lock, WRITING_BIT)
    this.result = this.rw.writing(this.agent, this.flags, this)
    return true
  }

  private giveUp(): void {
    const { agent, rw } = this
    if (this.upgrade) {
      or(agent.words, rw.state, UPGRADABLE_BIT)
      passOn(agent, rw, false, this.record)
    } else release(agent, rw.state, agent.tag)
  }
}
