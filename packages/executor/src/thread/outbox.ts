/**
 * What one agent sends to one thread: in order, also when the mailbox is full and something has to wait for room.
 *
 * Invariants O1 While anything waits here, whatever is sent later waits behind it: first in, first out.
 *            O2 While anything waits here, R_WANTED was set after the last try that failed, and one more try failed since (layout.ts, Pairs).
 */
import type { Entry } from './entry.js'

interface Pending {
  readonly entry: Entry
  done(): void
  failed(error: unknown): void
}

/** How entries get into the mailbox. */
export interface Road {
  /** False: there is no room. @throws when the thread has ended, or the entry can't travel */
  post(ref: number, entry: Entry): boolean
  wantRoom(ref: number): void
}

/** One agent's way to one thread. */
export class Outbox {
  private readonly waiting: Pending[] = []

  constructor(
    private readonly road: Road,
    private readonly ref: number,
  ) {}

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  /** Sends it if nothing is in the way. @throws as `Road.post` */
  try(entry: Entry): boolean {
    return this.flush() && this.road.post(this.ref, entry)
  }

  /** As `try`; when there is no room, and has been none since, the agent will be rung. @throws as `Road.post` */
  tryOrWant(entry: Entry): boolean {
    if (this.try(entry)) return true
    this.road.wantRoom(this.ref)
    return this.try(entry)
  }

  /** Sends it as soon as there is room; returns how to take it back. */
  enter(entry: Entry, done: () => void, failed: (error: unknown) => void): () => void {
    const pending = { entry, done, failed }
    this.waiting.push(pending)
    this.look()
    return () => {
      const index = this.waiting.indexOf(pending)
      if (index !== -1) this.waiting.splice(index, 1)
    }
  }

  /** Sends what waits, as far as there is room; if not all, the agent will be rung (O2). */
  look(): void {
    if (this.flush()) return
    this.road.wantRoom(this.ref)
    this.flush()
  }

  /** Sends what waits; whether all is sent. */
  private flush(): boolean {
    for (let head = this.waiting[0]; head !== undefined; head = this.waiting[0]) {
      try {
        if (!this.road.post(this.ref, head.entry)) return false
      } catch (error) {
        this.waiting.shift()
        head.failed(error)
        continue
      }
      this.waiting.shift()
      head.done()
    }
    return true
  }
}
