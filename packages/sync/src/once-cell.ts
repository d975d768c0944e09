/**
 * A value that is made once, by whoever needs it first.
 *
 * Source     Rust's std::sync::OnceLock and Once; Java's initialization-on-demand.
 * Layout     +0 header · +4 state (lock-operation.ts: whoever initialises holds it), +8 its queue · +24 done · +28 bytes from the object to its
 *            codec's kind · +32 slot · kind
 * Invariants N1 The slot is written by the holder of the state, before `done` is stored; after that it never changes: plain reads.
 *            N2 Whoever gets the state looks at `done` again. So one initialiser succeeds, and one that throws or dies lets the next try.
 * Pairs      The store of `done` publishes the slot to every load that sees it.
 * Progress   A get is one load and a read of the slot. Who waits is told when the value is there.
 */
import { type Codec, DisposedError, type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, kindBytes, Place, readKind, writeKind, regionOf, checkCodec } from '@heddle/atomics/internal'
import { get, load, set, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import {
  Agent,
  block,
  claimMany,
  deliver,
  FiberWait,
  firstOf,
  GRANTED,
  LOCKED_BIT,
  lockIfThere,
  phaseOf,
  promise,
  QUEUE_BYTES,
  unlockPinned,
} from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { LockOperation, release, tryAcquire } from './lock-operation.js'

/** Settings of a new cell. */
export interface OnceCellOptions<T> {
  codec: Codec<T>
  /** Default: `Region.default`. */
  region?: Region
}

const DONE = (8 + QUEUE_BYTES) >> 2
const KIND = DONE + 1
const SLOT_AT = (KIND + 1) * 4

/** Waits until the value is there, or this may make it: true. */
class OnceOperation extends LockOperation<boolean> {
  constructor(
    agent: Agent,
    private readonly cell: OnceCell<unknown>,
  ) {
    // A dead initialiser poisons nothing.
    super(agent, (cell.at >> 2) + 1, 0, 0)
  }

  override begin(): boolean {
    return this.isDone() || super.begin()
  }

  override resume(state: number): boolean {
    // A grant is taken first, and given back if it is not needed.
    return (phaseOf(state) !== GRANTED && this.isDone()) || super.resume(state)
  }

  override undo(): boolean {
    if (this.result) release(this.agent, this.lock, this.agent.tag)
    return true
  }

  protected acquired(): boolean {
    this.result = !this.cell.isSet
    if (!this.result) release(this.agent, this.lock, this.agent.tag)
    return true
  }

  private isDone(): boolean {
    if (!this.cell.isSet) return false
    this.result = false
    return true
  }
}

/**
 * A cell that is empty until its value is made, and never changes after.
 *
 * Of many that ask at one time one runs its function, the others wait for the value. A function that throws, or whose agent dies, leaves
 * the cell empty, and the next one tries. @example
 * import { utf8 } from '@heddle/atomics'
 * const config = new OnceCell({ codec: utf8(100) })
 * config.getOrInit(() => 'loaded') // 'loaded'
 * config.getOrInit(() => 'again') // 'loaded'
 * config.get() // 'loaded'
 */
export class OnceCell<T> extends SharedObject {
  static readonly kind: string = 'OnceCell'
  /** Of the fixed part; `OnceCell.bytes(codec)` is the whole. */
  static readonly BYTES = SLOT_AT
  static readonly ALIGN = 8
  readonly codec: Codec<T>

  /** Allocates an empty cell. @throws RegionFullError */
  constructor(options: OnceCellOptions<T> | Place) {
    super(options instanceof Place ? options : Place.allocate(regionOf(options), OnceCell as never, OnceCell.bytes(options.codec)))
    if (options instanceof Place) this.codec = readKind(this.region, this.at + get(this.region.words, this.word(KIND))) as Codec<T>
    else {
      this.codec = options.codec
      format(this.region, this.at, options.codec)
    }
  }

  /** Bytes that a cell of this codec takes, without what its value has outside its slot. */
  static bytes(codec: Codec<unknown>): number {
    return SLOT_AT + ((checkCodec(codec).bytes + 3) & ~3) + kindBytes(codec)
  }

  /** Makes one in `OnceCell.bytes(codec)` zeroed bytes that the caller owns, aligned to 8. */
  static init<T>(region: Region, at: number, codec: Codec<T>): OnceCell<T> {
    const place = Place.format(region, at, OnceCell as never, OnceCell.bytes(codec))
    format(region, at, codec)
    return new OnceCell<T>(place)
  }

  /** Opens the cell at a byte offset. @throws DisposedError when none lives there, NotShareableError when its codec is not known here. */
  static at<T = unknown>(region: Region, at: number): OnceCell<T> {
    return new OnceCell<T>(Place.open(region, at, OnceCell as never))
  }

  /** Opens what a handle names. Throws as `at`. */
  static fromHandle<T = unknown>(handle: Handle): OnceCell<T> {
    return new OnceCell<T>(Place.openHandle(handle, OnceCell as never))
  }

  /** Whether the value is there. */
  get isSet(): boolean {
    return load(this.region.words, this.word(DONE)) === 1
  }

  /** The value, as a copy; undefined while there is none. Never waits. @throws DisposedError */
  get(): T | undefined {
    this.assertLive()
    return this.isSet ? this.read() : undefined
  }

  /**
   * Sets the value, unless there is one or somebody is making it. Never waits.
   * @returns whether it was set
   * @throws what the codec throws for the value; DisposedError
   */
  set(value: T): boolean {
    this.assertLive()
    const agent = Agent.of(this.region)
    if (this.isSet || tryAcquire(agent, this.state, 0, 0) < 0) return false
    if (this.isSet) {
      release(agent, this.state, agent.tag)
      return false
    }
    this.finish(agent, () => value)
    return true
  }

  /**
   * The value; when there is none, the result of `make`, which this call runs or another one is running: then it blocks the thread.
   * @throws what `make` throws; DeadlockError when `make` asks for the cell that it is to fill; BlockingNotAllowedError, TimeoutError, the
   * token's reason, RegionFullError, DisposedError
   */
  getOrInit(make: () => T, options?: BlockingOptions): T {
    this.assertLive()
    if (this.isSet) return this.read()
    const agent = Agent.of(this.region)
    return block(new OnceOperation(agent, this), options, 'getOrInitAsync()') ? this.finish(agent, make) : this.read()
  }

  /** As `getOrInit`, as a promise; `make` may be asynchronous. */
  async getOrInitAsync(make: () => T | PromiseLike<T>, options?: AsyncOptions): Promise<T> {
    this.assertLive()
    if (this.isSet) return this.read()
    const agent = Agent.of(this.region)
    if (!(await promise(() => new OnceOperation(agent, this), options))) return this.read()
    let value: T
    try {
      value = await make()
    } catch (error) {
      release(agent, this.state, agent.tag)
      throw error
    }
    return this.finish(agent, () => value)
  }

  /** As `getOrInit`, in a fiber; `make` is a generator function, or a plain one. */
  *getOrInitFiber(make: () => T | Generator<unknown, T, unknown>, options?: WaitOptions): Generator<unknown, T, unknown> {
    this.assertLive()
    if (this.isSet) return this.read()
    const agent = Agent.of(this.region)
    const wait: FiberOperation<boolean> = new FiberWait(new OnceOperation(agent, this), options, 'getOrInitFiber()')
    if (!(yield* wait)) return this.read()
    let made = false
    try {
      const result = make()
      const value = isGenerator(result) ? yield* result : result
      made = true
      return this.finish(agent, () => value)
    } finally {
      // It threw, or the fiber was ended.
      if (!made) release(agent, this.state, agent.tag)
    }
  }

  /** Refuses while somebody makes the value or waits for it. */
  protected override onDispose(): void {
    const word = load(this.region.words, this.state)
    const message = 'the value is being made: wait for it before disposing of the cell'
    if ((word & LOCKED_BIT) !== 0 && !isOwnerGone(this.region.words, word)) throw new InvalidArgumentError(message)
    refuseWhileWaited(this.region, this.state + 1, message)
    if (this.isSet) this.codec.free?.(this.region, this.at + SLOT_AT)
  }

  private get state(): number {
    return (this.at >> 2) + 1
  }

  private word(offset: number): number {
    return (this.at >> 2) + offset
  }

  private read(): T {
    return this.codec.read(this.region, this.at + SLOT_AT)
  }

  /** This agent holds the state: makes the value, publishes it, and tells everybody. */
  private finish(agent: Agent, make: () => T): T {
    let done = false
    try {
      const value = make()
      if (this.isDisposed) throw new DisposedError('the cell was disposed of while its value was made')
      this.codec.write(this.region, this.at + SLOT_AT, value)
      store(agent.words, this.word(DONE), 1)
      done = true
      return this.read()
    } finally {
      if (!agent.isDead) {
        release(agent, this.state, agent.tag)
        if (done) this.tellAll(agent)
      }
    }
  }

  private tellAll(agent: Agent): void {
    const q = this.state + 1
    const claimed: number[] = []
    // Who finds the value may dispose of the cell before this.
    if (!lockIfThere(agent, q, () => !this.isDisposed && firstOf(agent.words, q) !== 0)) return
    claimMany(agent, q, 0, Infinity, claimed)
    unlockPinned(agent, q)
    for (const main of claimed) deliver(agent, main)
  }
}

function isGenerator<T>(value: T | Generator<unknown, T, unknown>): value is Generator<unknown, T, unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value && typeof (value as { next?: unknown }).next === 'function'
}

/** Names the codec. Before the place is published: plain writes. */
function format(region: Region, at: number, codec: Codec<unknown>): void {
  const kindAt = SLOT_AT + ((codec.bytes + 3) & ~3)
  writeKind(region, at + kindAt, codec)
  set(region.words, (at >> 2) + KIND, kindAt)
}
