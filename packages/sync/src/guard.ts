/** What locks and their guards have in common. */
import type { BlockingOptions } from '@heddle/park'

/** What holds a lock until it is released. */
export interface Guard {
  /** Whether it still holds. */
  readonly held: boolean
  /** Gives the lock back. @throws NotOwnerError when it was given back already */
  release(): void
  [Symbol.dispose](): void
}

/** Something that one at a time can hold. */
export interface Lockable<G extends Guard = Guard> {
  /** Takes it; blocks the thread until it can. */
  lock(options?: BlockingOptions): G
  /** Takes it if that needs no wait. */
  tryLock(): G | undefined
  /** Runs `section` while it is held. */
  withLock<T>(section: () => T, options?: BlockingOptions): T
}
