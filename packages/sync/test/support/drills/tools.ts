/** What every drill of the stress has at hand in a worker: choices by a seed, three modes, limits of every kind, and what an operation may end with. */
import { getEventListeners } from 'node:events'
import { AtomicInt32, DisposedError, type Handle, type Region } from '@heddle/atomics'
import { CancelledError, TimeoutError, type WaitOptions } from '@heddle/park'
import { CancelSource, CancelToken } from '../../../../cancel/src/index.js'
import { Fibers } from '../../../../park/test/support/fibers.js'
import { BrokenBarrierError, DeadlockError, PoisonedError } from '../../../src/index.js'

export type Mode = 'thread' | 'promise' | 'fiber'

/** What the main thread made for a drill, by name. */
export type Handles = Record<string, Handle>

/** How waits ended, counted in shared memory. */
export const OUTCOMES = ['done', 'timeout', 'abort', 'cancel', 'deadline', 'poisoned', 'deadlock', 'broken'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What `call` gives: the value, or nothing when a limit ended the wait. */
export type Ended<T> = { readonly value: T } | undefined

/** A section failed the check: the stress has found a bug. */
export class Violation extends Error {
  override name = 'Violation'
}

interface Limit {
  readonly options: WaitOptions
  /** To be called when the wait is over. */
  readonly end: () => void
  readonly kind: string
}

export class Tools {
  readonly fibers = new Fibers()
  readonly counts: AtomicInt32[]
  readonly stop: AtomicInt32
  private state: number
  private source: CancelSource
  private users = 0
  private readonly tokens: AtomicInt32[]

  constructor(
    readonly region: Region,
    readonly handles: Handles,
    seed: number,
    readonly index: number,
    /** Whether workers are terminated while they work. */
    readonly kills: boolean,
  ) {
    this.state = seed | 1
    this.stop = this.cell('stop')
    this.counts = OUTCOMES.map((name) => this.cell(name))
    this.tokens = [0, 1, 2].map((i) => this.cell(`token${i}`))
    this.source = this.newSource()
  }

  cell(name: string): AtomicInt32 {
    return AtomicInt32.fromHandle(this.handles[name]!)
  }

  /** xorshift32: the same choices for the same seed. */
  random(below: number): number {
    this.state ^= this.state << 13
    this.state ^= this.state >>> 17
    this.state ^= this.state << 5
    return (this.state >>> 0) % below
  }

  chance(of: number): boolean {
    return this.random(of) === 0
  }

  mode(): Mode {
    return (['thread', 'promise', 'fiber'] as const)[this.random(3)]!
  }

  fail(what: string): never {
    throw new Violation(what)
  }

  expect(holds: boolean, what: string): void {
    if (!holds) this.fail(what)
  }

  count(outcome: Outcome): void {
    this.counts[OUTCOMES.indexOf(outcome)]!.add(1)
  }

  /** Some time inside a section, without giving up the thread. */
  spend(): void {
    for (let i = this.random(200); i > 0; i--) this.stop.load()
  }

  /** A turn of the event loop, or none. */
  async turn(mode: Mode): Promise<void> {
    if (mode !== 'thread' && this.chance(4)) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /**
   * Calls a verb in a mode, with some limit. A thread always has one: while it is blocked the promises of its agent keep what they hold.
   * @param unlimited whether the operation ends by itself sooner or later
   * @param poisoned what to do with a guard that a PoisonedError has: the result, or nothing
   */
  async call<T>(
    mode: Mode,
    object: object,
    verb: string,
    args: readonly unknown[],
    unlimited: boolean,
    poisoned?: (guard: never) => T,
  ): Promise<Ended<T>> {
    const controller = mode !== 'thread' && this.chance(5) ? new AbortController() : undefined
    const { options, end, kind } = controller === undefined ? this.limit(mode, unlimited) : this.abortable(controller, unlimited)
    try {
      const value = await this.start<T>(mode, object, verb, [...args, options])
      this.count('done')
      return { value }
    } catch (error) {
      return this.judge(error, kind, poisoned)
    } finally {
      end()
      if (controller !== undefined) this.expect(getEventListeners(controller.signal, 'abort').length === 0, `${verb} left a listener on its signal`)
    }
  }

  /** What an error means; throws what none of the limits explains. */
  judge<T>(error: unknown, kind: string, poisoned?: (guard: never) => T): Ended<T> {
    if (error instanceof PoisonedError) {
      this.expect(this.kills, 'poisoned, and nobody has died')
      this.count('poisoned')
      if (poisoned === undefined) throw error
      return { value: poisoned(error.guard as never) }
    }
    if (error instanceof TimeoutError) this.count(kind === 'deadline' ? 'deadline' : 'timeout')
    else if (error instanceof CancelledError || error === 'why') this.count('cancel')
    else if (error instanceof DOMException) this.count('abort')
    else if (error instanceof DeadlockError) this.count('deadlock')
    else if (error instanceof BrokenBarrierError) this.count('broken')
    else throw error
    return undefined
  }

  /** Anybody may cancel anybody's token. */
  storm(): void {
    try {
      CancelSource.at(this.region, this.tokens[this.random(3)]!.load()).cancel(this.chance(2) ? 'why' : undefined)
    } catch (error) {
      // It was disposed of meanwhile, or its worker is gone.
      if (!(error instanceof DisposedError) && !(error instanceof Error && 'code' in error)) throw error
    }
  }

  close(): void {
    this.tokens[this.index]!.store(0)
    this.source.dispose()
  }

  private start<T>(mode: Mode, object: object, verb: string, args: readonly unknown[]): T | Promise<T> {
    const methods = object as Record<string, (...args: readonly unknown[]) => unknown>
    if (mode === 'thread') return methods[verb]!(...args) as T
    if (mode === 'promise') return methods[`${verb}Async`]!(...args) as Promise<T>
    return this.fibers.run(() => methods[`${verb}Fiber`]!(...args) as { [Symbol.iterator](): Iterator<unknown, T, unknown> })
  }

  /** Limits for one wait. */
  limit(mode: Mode, unlimited: boolean): Limit {
    const nothing = (): void => undefined
    const kind = this.random(unlimited && mode !== 'thread' ? 4 : 3)
    const timeout = mode === 'thread' ? this.random(5) : this.random(8)
    if (kind === 0) return { options: { timeout }, end: nothing, kind: 'timeout' }
    if (kind === 1) {
      const deadline = CancelToken.timeout(this.random(4), { region: this.region })
      return { options: { timeout: 5, signal: deadline }, end: () => deadline.dispose(), kind: 'deadline' }
    }
    if (kind === 2) {
      const source = this.useSource()
      return { options: { timeout: timeout + 1, signal: source.token }, end: () => void this.users--, kind: 'token' }
    }
    return { options: {}, end: nothing, kind: 'none' }
  }

  /** Aborted before, during, or never. */
  private abortable(controller: AbortController, unlimited: boolean): Limit {
    const when = this.random(4)
    if (when === 0) controller.abort()
    else if (when === 1) queueMicrotask(() => controller.abort())
    else if (when === 2) setImmediate(() => controller.abort())
    const { signal } = controller
    return { options: unlimited ? { signal } : { signal, timeout: this.random(8) }, end: () => undefined, kind: 'abort' }
  }

  private newSource(): CancelSource {
    const source = new CancelSource({ region: this.region })
    this.tokens[this.index]!.store(source.at)
    return source
  }

  /** This worker's token that others cancel; a new one when they have and nobody waits with the former. */
  private useSource(): CancelSource {
    if (this.users === 0 && this.source.token.isCancelled) {
      const former = this.source
      this.source = this.newSource()
      former.dispose()
    }
    this.users++
    return this.source
  }
}
