/**
 * Every access to shared memory, the clock, randomness and the outside world, in one place.
 *
 * The only module that names the global `Atomics` and that indexes a shared view. Everything else imports these functions
 * (inside this package as `#ops`, elsewhere as `@heddle/atomics/ops`), so that the import condition `heddle-model` can put
 * a modelled or fault-injecting implementation under the unmodified source: see ops-model.ts, which has the same surface.
 *
 * Cost       A re-exported `Atomics` function is the same builtin: calling it costs what the global one costs.
 *            `get`, `set` and their kin are one array access and are inlined by the engine.
 * Memory     All `Atomics` are sequentially consistent. `get`/`set`/`copy` are plain: whoever calls them names, at the call,
 *            the invariant that makes the access race-free. `peek` is a plain read that is *allowed* to race: its value is a
 *            hint, checked again by an atomic operation or only used to refuse misuse.
 */

/** A view of 32-bit shared words. */
export type Words = Int32Array
/** A view of 64-bit shared words. */
export type Words64 = BigInt64Array

/** What a wait on a word ended with. */
export type WaitOutcome = 'ok' | 'not-equal' | 'timed-out'
/** What `waitAsync` gives: already decided, or a promise that wakes. */
export type WaitAsyncOutcome = { async: false; value: 'not-equal' | 'timed-out' } | { async: true; value: PromiseLike<'ok' | 'timed-out'> }

interface AtomicsFuture {
  pause?: (hint?: number) => void
  waitAsync?: (words: Int32Array, index: number, expected: number, timeout?: number) => WaitAsyncOutcome
}

/** Atomic 32-bit operations: the engine's own functions, under their own names. Indexes are in words. */
export const {
  load,
  store,
  add,
  sub,
  and,
  or,
  xor,
  exchange,
  compareExchange,
}: {
  load(words: Words, index: number): number
  store(words: Words, index: number, value: number): number
  add(words: Words, index: number, value: number): number
  sub(words: Words, index: number, value: number): number
  and(words: Words, index: number, value: number): number
  or(words: Words, index: number, value: number): number
  xor(words: Words, index: number, value: number): number
  exchange(words: Words, index: number, value: number): number
  compareExchange(words: Words, index: number, expected: number, replacement: number): number
} = Atomics

/** Atomic 64-bit operations, under names of their own so that no call site ever sees both widths. Indexes are in 64-bit words. */
export const {
  load: load64,
  store: store64,
  add: add64,
  sub: sub64,
  and: and64,
  or: or64,
  xor: xor64,
  exchange: exchange64,
  compareExchange: compareExchange64,
}: {
  load(words: Words64, index: number): bigint
  store(words: Words64, index: number, value: bigint): bigint
  add(words: Words64, index: number, value: bigint): bigint
  sub(words: Words64, index: number, value: bigint): bigint
  and(words: Words64, index: number, value: bigint): bigint
  or(words: Words64, index: number, value: bigint): bigint
  xor(words: Words64, index: number, value: bigint): bigint
  exchange(words: Words64, index: number, value: bigint): bigint
  compareExchange(words: Words64, index: number, expected: bigint, replacement: bigint): bigint
} = Atomics

/**
 * Blocks the calling agent while `words[index] === expected`, at most `timeout` ms (`Infinity`: no limit).
 * Throws the engine's `TypeError` where the agent may not block: callers check `capabilities().canBlock` first.
 */
export const wait: (words: Words, index: number, expected: number, timeout?: number) => WaitOutcome = Atomics.wait
/** Wakes at most `count` waiters of the word (default: all); returns how many. */
export const notify: (words: Words, index: number, count?: number) => number = Atomics.notify
/** `Atomics.waitAsync`, or `undefined` where the engine lacks it (feature-tested once). */
export const waitAsync: AtomicsFuture['waitAsync'] = (Atomics as AtomicsFuture).waitAsync?.bind(Atomics)
/** Tells the core that this is a spin loop, where the engine can (`Atomics.pause`); nothing elsewhere. */
export const pause: () => void = (Atomics as AtomicsFuture).pause?.bind(Atomics) ?? (() => undefined)
/** Whether the engine has `Atomics.pause`. */
export const hasPause: boolean = typeof (Atomics as AtomicsFuture).pause === 'function'

/** Plain read of a 32-bit word. The caller names what keeps it from racing. */
export function get(words: Words, index: number): number {
  return words[index]!
}
/** Plain write of a 32-bit word. The caller names what keeps it from racing. */
export function set(words: Words, index: number, value: number): void {
  words[index] = value
}
/** Plain read that may race: a hint. Tear-free (an aligned word), never a basis for ownership. */
export function peek(words: Words, index: number): number {
  return words[index]!
}
/** Plain read of a byte. */
export function getByte(bytes: Uint8Array, index: number): number {
  return bytes[index]!
}
/** Plain write of a byte. */
export function setByte(bytes: Uint8Array, index: number, value: number): void {
  bytes[index] = value
}
/** Plain read of a 64-bit float; `index` in 8-byte units. */
export function getFloat(floats: Float64Array, index: number): number {
  return floats[index]!
}
/** Plain write of a 64-bit float; `index` in 8-byte units. */
export function setFloat(floats: Float64Array, index: number, value: number): void {
  floats[index] = value
}
/** Plain read of a 64-bit integer; `index` in 8-byte units. */
export function getBig(words: Words64, index: number): bigint {
  return words[index]!
}
/** Plain write of a 64-bit integer; `index` in 8-byte units. */
export function setBig(words: Words64, index: number, value: bigint): void {
  words[index] = value
}
/** The typed arrays that bulk operations take. */
export type Elements = Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array
/**
 * Plain bulk copy of `length` elements between views of one element type; either may be shared. The caller names what keeps it
 * from racing.
 */
export function copy<T extends Elements | BigInt64Array | BigUint64Array>(
  target: T,
  targetIndex: number,
  source: T,
  sourceIndex: number,
  length: number,
): void {
  const from = sourceIndex === 0 && length === source.length ? source : source.subarray(sourceIndex, sourceIndex + length)
  ;(target as { set(from: ArrayLike<unknown>, at: number): void }).set(from as ArrayLike<unknown>, targetIndex)
}
/** Plain bulk fill of `length` elements from `index` with `value`. */
export function fill<T extends Elements>(target: T, index: number, length: number, value: number): void {
  target.fill(value, index, index + length)
}

/**
 * A value that belongs to one agent: made on first use, never shared. JS fields of shared primitives are immutable; caches
 * (the current agent, free lists, spin state) live in one of these, which the model makes anew for each replayed thread.
 */
export class AgentLocal<T> {
  private value: T | undefined = undefined
  constructor(private readonly init: () => T) {}
  /** This agent's value. `init` runs again for as long as the value is undefined or null: a flag beside it would cost every lock a load. */
  get(): T {
    return this.value ?? this.first()
  }
  /** Replaces this agent's value. */
  set(value: T): void {
    this.value = value
  }
  private first(): T {
    const value = this.init()
    this.value = value
    return value
  }
}
/** Makes an agent-local value; `init` runs in each agent on first use. */
export function agentLocal<T>(init: () => T): AgentLocal<T> {
  return new AgentLocal(init)
}

/** What stands in for the clock and for chance, while a deterministic scheduler runs fibers of this agent: see `now` and `random`. */
export const simulated: { now: (() => number) | undefined; random: (() => number) | undefined } = { now: undefined, random: undefined }
const { timeOrigin } = performance
/** Milliseconds since the epoch, monotonic within an agent and comparable between agents of one process. */
export function now(): number {
  return simulated.now === undefined ? timeOrigin + performance.now() : simulated.now()
}
/** A random unsigned 32-bit integer, for spreading and ids: not for secrets. */
export function random(): number {
  return simulated.random === undefined ? (Math.random() * 0x1_0000_0000) >>> 0 : simulated.random()
}
/** A new zeroed shared buffer of fixed size. */
export function createBuffer(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes)
}
/**
 * Runs what leaves the modelled world: a user's callback, a resolve, a host call. Once, also where the checker replays the
 * thread that does it; its result is remembered.
 */
export function effect<T>(run: () => T): T {
  return run()
}
/**
 * An object was made that stands for something in shared memory. Natively nothing happens; a checker asks it at the end of an execution
 * whether it is left as it should be: `leak()` says what is not, or `isLocked` is true.
 */
export function made(_object: object): void {}
/** Runs `run` as a microtask of this agent: soon, after what runs now. */
export function defer(run: () => void): void {
  queueMicrotask(run)
}

/** Bounds of spinning, in rounds. The model sets them to 1. Not a public setting. */
export const limits: { spin: number; queueSpin: number } = { spin: 1 << 16, queueSpin: 200 }
