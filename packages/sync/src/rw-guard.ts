/** What holds a reader-writer lock. */
import { type AsyncOptions, type BlockingOptions, type FiberOperation, type WaitOptions } from '@heddle/park'
import type { Agent, Hold } from '@heddle/park/internal'
import { NotOwnerError } from './errors.js'
import type { Guard } from './guard.js'
import type { RwLock } from './rw-lock.js'

/** One holding of a RwLock. */
abstract class RwGuard implements Guard {
  /** Whether it still holds. */
  held = true
  constructor(
    protected readonly lock: RwLock,
    protected readonly agent: Agent,
  ) {}

  /** Gives the lock back. Never blocks. @throws NotOwnerError when it was given back, upgraded or downgraded already */
  release(): void {
    this.end()
    this.giveBack()
  }

  [Symbol.dispose](): void {
    if (this.held) this.release()
  }

  protected abstract giveBack(): void

  protected end(): void {
    if (!this.held) throw new NotOwnerError('this guard holds nothing any more: it was released, upgraded or downgraded')
    this.held = false
  }
}

/** A right to read. */
export class ReadGuard extends RwGuard {
  constructor(
    lock: RwLock,
    agent: Agent,
    private readonly hold: Hold,
    /** When it began, in a region with metrics. */
    private readonly since: number,
  ) {
    super(lock, agent)
  }

  protected giveBack(): void {
    this.lock.endRead(this.agent, this.hold, this.since)
  }
}

/** The right to write. */
export class WriteGuard extends RwGuard {
  /** Becomes a right to read, without a moment in which others could write. Readers may come in. @throws NotOwnerError, RegionFullError */
  downgrade(): ReadGuard {
    const guard = this.lock.toRead(this.agent, this)
    return guard
  }

  /** Becomes a right to read and upgrade again. @throws NotOwnerError */
  downgradeToUpgradable(): UpgradableGuard {
    this.end()
    return this.lock.toUpgradable(this.agent)
  }

  /**
   * Ends this guard, as a part of a change of holds.
   * @internal
   */
  consume(): void {
    this.end()
  }

  protected giveBack(): void {
    this.lock.endWrite(this.agent)
  }
}

/** A right to read, and to become the writer before any other: one at a time. */
export class UpgradableGuard extends RwGuard {
  /**
   * Becomes the right to write, once the other readers have left: blocks the thread. Nobody writes in between.
   * @throws TimeoutError, the token's reason, DeadlockError when this agent has other reads, BlockingNotAllowedError, RegionFullError: this
   * guard then still holds. NotOwnerError
   */
  upgrade(options?: BlockingOptions): WriteGuard {
    this.assertHeld()
    return this.ended(this.lock.upgradeNow(this.agent, options))
  }

  /** As `upgrade`, as a promise. */
  async upgradeAsync(options?: AsyncOptions): Promise<WriteGuard> {
    this.assertHeld()
    return this.ended(await this.lock.upgradeLater(this.agent, options))
  }

  /** As `upgrade`, in a fiber: `const writing = yield* guard.upgradeFiber()`. */
  upgradeFiber(options?: WaitOptions): FiberOperation<WriteGuard> {
    this.assertHeld()
    return this.upgradeIn(this.lock.upgradeInFiber(this.agent, options)) as FiberOperation<WriteGuard>
  }

  /** Becomes a plain right to read. @throws NotOwnerError, RegionFullError */
  downgrade(): ReadGuard {
    return this.lock.toRead(this.agent, this)
  }

  /**
   * Ends this guard, as a part of a change of holds.
   * @internal
   */
  consume(): void {
    this.end()
  }

  protected giveBack(): void {
    this.lock.endUpgradable(this.agent)
  }

  private *upgradeIn(wait: FiberOperation<WriteGuard>): Generator<unknown, WriteGuard, unknown> {
    return this.ended(yield* wait)
  }

  private ended(guard: WriteGuard): WriteGuard {
    this.held = false
    return guard
  }

  private assertHeld(): void {
    if (!this.held) throw new NotOwnerError('this guard holds nothing any more: it was released, upgraded or downgraded')
  }
}
