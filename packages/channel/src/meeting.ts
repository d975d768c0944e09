/** Sends and receives of a channel that keeps nothing, as park drives them: each with a slot of its own (rendezvous.ts). */
import { get, set } from '@heddle/atomics/ops'
import { type Agent, deliver, KIND_THREAD, lockQueue, Operation, unlockQueue, W_KEY, W_KIND } from '@heddle/park/internal'
import { ClosedError } from './errors.js'
import { BUSY } from './flavor.js'
import { partlySent, pollAfter, put, rethrowIfStopped } from './operations.js'
import type { Rendezvous } from './rendezvous.js'
import { CLOSED, EMPTY } from './symbols.js'

/** Values of W_KEY. */
export const SENDS = 1
export const RECEIVES = 2

/** Nobody of the other kind waits. */
export const NOBODY = 0

/** What both kinds have in common: a slot, and the walk through waiting. */
abstract class Meeting<T, R> extends Operation<R> {
  protected slot = 0
  constructor(
    agent: Agent,
    protected readonly flavor: Rendezvous<T>,
    private readonly key: number,
  ) {
    super(agent)
  }
  /** Meets the first of the other kind. Under the lock. */
  protected abstract meet(): number
  /** The meeting took place. */
  protected abstract finish(): void
  /** What was to be sent. */
  protected abstract back(): T | undefined

  resume(): boolean {
    const { agent, flavor, record, slot } = this
    let main = NOBODY
    let waits = false
    const met = flavor.wasMet(agent, record, slot, this.key === SENDS, () => {
      main = this.meet()
      waits = main === NOBODY && this.wait(true)
    })
    return met ? this.end() : this.ended(main, waits)
  }

  override abandon(): void {
    this.flavor.leave(this.agent, this.record, this.key === SENDS, this.slot)
    this.forget()
  }

  override undo(): boolean {
    return false
  }

  protected match(): boolean {
    const { agent, flavor } = this
    lockQueue(agent, flavor.sendQueue)
    const main = this.meet()
    const waits = main === NOBODY && this.wait(false)
    unlockQueue(agent, flavor.sendQueue)
    return this.ended(main, waits)
  }

  /** Enqueues the record, unless the channel is closed. Under the lock. */
  private wait(again: boolean): boolean {
    const { agent, flavor } = this
    if (flavor.isClosed) return false
    flavor.enter(agent, this.record, this.key, this.slot, again)
    return true
  }

  private ended(main: number, waits: boolean): boolean {
    if (waits) return false
    if (main !== NOBODY) {
      deliver(this.agent, main)
      return this.end()
    }
    this.forget()
    const error = this.flavor.closed(this.back())
    this.flavor.giveUp(this.slot, this.key === SENDS)
    throw error
  }

  private end(): true {
    this.forget()
    this.finish()
    return true
  }

  /** Others give the keys of records other meanings. */
  private forget(): void {
    set(this.agent.words, this.record + W_KEY, 0)
  }
}

/** Sends one message, hand to hand. */
export class HandOver<T> extends Meeting<T, void> {
  constructor(
    agent: Agent,
    flavor: Rendezvous<T>,
    private readonly value: T,
  ) {
    super(agent, flavor, SENDS)
  }
  begin(): boolean {
    if (this.flavor.isClosed) throw this.flavor.closed(this.value)
    const { agent, flavor, record } = this
    this.slot = flavor.write(agent, this.value)
    if (!flavor.giveInLane(agent, this.slot, get(agent.words, record + W_KIND) === KIND_THREAD)) return this.match()
    flavor.giveUp(this.slot, true)
    return true
  }
  protected meet(): number {
    return this.flavor.give(this.agent, this.slot)
  }
  protected finish(): void {
    this.flavor.release(this.slot)
  }
  protected back(): T {
    return this.value
  }
}

/** Receives one message, hand to hand. */
export class Collect<T> extends Meeting<T, T> {
  constructor(agent: Agent, flavor: Rendezvous<T>) {
    super(agent, flavor, RECEIVES)
  }
  begin(): boolean {
    if (this.flavor.pay(this)) return true
    this.slot = this.flavor.acquire(this.agent)
    return this.match()
  }
  protected meet(): number {
    return this.flavor.fetch(this.agent, this.slot)
  }
  protected finish(): void {
    this.result = this.flavor.read(this.slot)
  }
  protected back(): undefined {
    return undefined
  }
}

/** Sends a list, one after the other. */
export class HandOverMany<T> extends Operation<number> {
  override result = 0
  private current: HandOver<T> | undefined
  constructor(
    agent: Agent,
    private readonly flavor: Rendezvous<T>,
    private readonly values: ArrayLike<T>,
  ) {
    super(agent)
  }
  begin(): boolean {
    while (this.result < this.values.length) {
      this.current = new HandOver(this.agent, this.flavor, this.values[this.result]!)
      this.current.record = this.record
      if (!this.ended(() => this.current!.begin())) return false
      if (this.current === undefined) return true
      this.result++
    }
    return true
  }
  resume(): boolean {
    if (!this.ended(() => this.current!.resume())) return false
    if (this.current === undefined) return true
    this.result++
    return this.begin()
  }
  override abandon(): void {
    this.current?.abandon()
  }
  override undo(): boolean {
    return false
  }
  override timedOut(): boolean {
    return this.result > 0
  }
  /** Whether the step is over; one that found the channel closed ends the whole, unless it was the first. */
  private ended(step: () => boolean): boolean {
    try {
      return step()
    } catch (error) {
      if (this.result === 0) throw error instanceof ClosedError ? new ClosedError(this.values, error.reason) : error
      if (!(error instanceof ClosedError)) throw partlySent(this.flavor, this.result, error)
      this.current = undefined
      return true
    }
  }
}

/** Receives one, and those that wait behind it. */
export class CollectMany<T> extends Operation<number> {
  private readonly first: Collect<T>
  constructor(
    agent: Agent,
    private readonly flavor: Rendezvous<T>,
    private readonly into: { [index: number]: T },
    private readonly max: number,
  ) {
    super(agent)
    this.first = new Collect(agent, flavor)
  }
  begin(): boolean {
    this.first.record = this.record
    return this.first.begin() && this.rest()
  }
  resume(): boolean {
    return this.first.resume() && this.rest()
  }
  override abandon(): void {
    this.first.abandon()
  }
  override undo(): boolean {
    return false
  }
  private rest(): true {
    const { flavor, into } = this
    put(flavor, this.first.result, into, 0)
    this.result = 1
    try {
      while (this.result < this.max) {
        const found = pollAfter(flavor, this.result)
        if (found === EMPTY || found === CLOSED || found === BUSY) break
        put(flavor, found, into, this.result)
        this.result++
      }
    } catch (error) {
      // What was received before counts; the next call meets the rest.
      rethrowIfStopped(flavor, error)
    }
    return true
  }
}
