/**
 * The same surface as ops.ts over an implementation that can be replaced: what the import condition `heddle-model` selects.
 *
 * `@heddle/model` installs its modelled memory here; fault-injection tests install one that ends the worker at its n-th
 * operation. Until something is installed, every call is the native one.
 */
import * as native from './ops.js'
import type { Elements, WaitAsyncOutcome, WaitOutcome, Words, Words64 } from './ops.js'

export type { Elements, WaitAsyncOutcome, WaitOutcome, Words, Words64 } from './ops.js'

/** Everything an implementation provides. */
export interface Ops {
  load: (words: Words, index: number) => number
  store: (words: Words, index: number, value: number) => number
  add: (words: Words, index: number, value: number) => number
  sub: (words: Words, index: number, value: number) => number
  and: (words: Words, index: number, value: number) => number
  or: (words: Words, index: number, value: number) => number
  xor: (words: Words, index: number, value: number) => number
  exchange: (words: Words, index: number, value: number) => number
  compareExchange: (words: Words, index: number, expected: number, replacement: number) => number
  load64: (words: Words64, index: number) => bigint
  store64: (words: Words64, index: number, value: bigint) => bigint
  add64: (words: Words64, index: number, value: bigint) => bigint
  sub64: (words: Words64, index: number, value: bigint) => bigint
  and64: (words: Words64, index: number, value: bigint) => bigint
  or64: (words: Words64, index: number, value: bigint) => bigint
  xor64: (words: Words64, index: number, value: bigint) => bigint
  exchange64: (words: Words64, index: number, value: bigint) => bigint
  compareExchange64: (words: Words64, index: number, expected: bigint, replacement: bigint) => bigint
  wait: (words: Words, index: number, expected: number, timeout?: number) => WaitOutcome
  notify: (words: Words, index: number, count?: number) => number
  waitAsync: ((words: Words, index: number, expected: number, timeout?: number) => WaitAsyncOutcome) | undefined
  pause: () => void
  get: (words: Words, index: number) => number
  set: (words: Words, index: number, value: number) => void
  peek: (words: Words, index: number) => number
  getByte: (bytes: Uint8Array, index: number) => number
  setByte: (bytes: Uint8Array, index: number, value: number) => void
  getFloat: (floats: Float64Array, index: number) => number
  setFloat: (floats: Float64Array, index: number, value: number) => void
  getBig: (words: Words64, index: number) => bigint
  setBig: (words: Words64, index: number, value: bigint) => void
  copy: <T extends Elements | BigInt64Array | BigUint64Array>(target: T, targetIndex: number, source: T, sourceIndex: number, length: number) => void
  fill: <T extends Elements>(target: T, index: number, length: number, value: number) => void
  agentLocal: <T>(init: () => T) => AgentLocal<T>
  now: () => number
  random: () => number
  createBuffer: (bytes: number) => SharedArrayBuffer
  effect: <T>(run: () => T) => T
  made: (object: object) => void
  defer: (run: () => void) => void
}

/** A value of one agent; see ops.ts. */
export interface AgentLocal<T> {
  get(): T
  set(value: T): void
}

/** The engine's own, for an implementation that adds to them. */
export const nativeOps: Ops = { ...native }
let current: Ops = nativeOps

/** Puts an implementation in place; what it leaves out stays as it is natively. Returns a function that puts the former one back. */
export function install(ops: Partial<Ops>): () => void {
  const former = current
  use({ ...nativeOps, ...ops })
  return () => use(former)
}

function use(ops: Ops): void {
  current = ops
  // Undefined where the implementation has none: callers test for it.
  waitAsync = ops.waitAsync && modelledWaitAsync
}

export const hasPause: boolean = native.hasPause
export const limits: { spin: number; queueSpin: number } = native.limits

export const load: Ops['load'] = (words, index) => current.load(words, index)
export const store: Ops['store'] = (words, index, value) => current.store(words, index, value)
export const add: Ops['add'] = (words, index, value) => current.add(words, index, value)
export const sub: Ops['sub'] = (words, index, value) => current.sub(words, index, value)
export const and: Ops['and'] = (words, index, value) => current.and(words, index, value)
export const or: Ops['or'] = (words, index, value) => current.or(words, index, value)
export const xor: Ops['xor'] = (words, index, value) => current.xor(words, index, value)
export const exchange: Ops['exchange'] = (words, index, value) => current.exchange(words, index, value)
export const compareExchange: Ops['compareExchange'] = (words, index, expected, replacement) =>
  current.compareExchange(words, index, expected, replacement)
export const load64: Ops['load64'] = (words, index) => current.load64(words, index)
export const store64: Ops['store64'] = (words, index, value) => current.store64(words, index, value)
export const add64: Ops['add64'] = (words, index, value) => current.add64(words, index, value)
export const sub64: Ops['sub64'] = (words, index, value) => current.sub64(words, index, value)
export const and64: Ops['and64'] = (words, index, value) => current.and64(words, index, value)
export const or64: Ops['or64'] = (words, index, value) => current.or64(words, index, value)
export const xor64: Ops['xor64'] = (words, index, value) => current.xor64(words, index, value)
export const exchange64: Ops['exchange64'] = (words, index, value) => current.exchange64(words, index, value)
export const compareExchange64: Ops['compareExchange64'] = (words, index, expected, replacement) =>
  current.compareExchange64(words, index, expected, replacement)
export const wait: Ops['wait'] = (words, index, expected, timeout) => current.wait(words, index, expected, timeout)
export const notify: Ops['notify'] = (words, index, count) => current.notify(words, index, count)
const modelledWaitAsync: NonNullable<Ops['waitAsync']> = (words, index, expected, timeout) => current.waitAsync!(words, index, expected, timeout)
export let waitAsync: Ops['waitAsync'] = native.waitAsync && modelledWaitAsync
export const pause: Ops['pause'] = () => current.pause()
export const get: Ops['get'] = (words, index) => current.get(words, index)
export const set: Ops['set'] = (words, index, value) => current.set(words, index, value)
export const peek: Ops['peek'] = (words, index) => current.peek(words, index)
export const getByte: Ops['getByte'] = (bytes, index) => current.getByte(bytes, index)
export const setByte: Ops['setByte'] = (bytes, index, value) => current.setByte(bytes, index, value)
export const getFloat: Ops['getFloat'] = (floats, index) => current.getFloat(floats, index)
export const setFloat: Ops['setFloat'] = (floats, index, value) => current.setFloat(floats, index, value)
export const getBig: Ops['getBig'] = (words, index) => current.getBig(words, index)
export const setBig: Ops['setBig'] = (words, index, value) => current.setBig(words, index, value)
export const copy: Ops['copy'] = (target, targetIndex, source, sourceIndex, length) => current.copy(target, targetIndex, source, sourceIndex, length)
export const fill: Ops['fill'] = (target, index, length, value) => current.fill(target, index, length, value)
/** As in ops.ts, for a scheduler that simulates inside what is checked. */
export const simulated: { now: (() => number) | undefined; random: (() => number) | undefined } = { now: undefined, random: undefined }
export const now: Ops['now'] = () => (simulated.now === undefined ? current.now() : simulated.now())
export const random: Ops['random'] = () => (simulated.random === undefined ? current.random() : simulated.random())
export const createBuffer: Ops['createBuffer'] = (bytes) => current.createBuffer(bytes)
export const effect: Ops['effect'] = (run) => current.effect(run)
export const made: Ops['made'] = (object) => current.made(object)
export const defer: Ops['defer'] = (run) => current.defer(run)

/** Agent-local values are made when first used, under the implementation that is in place then: a module's own survive an install. */
class SwitchedLocal<T> implements AgentLocal<T> {
  private readonly made = new WeakMap<Ops, AgentLocal<T>>()
  constructor(private readonly init: () => T) {}
  get(): T {
    return this.inner().get()
  }
  set(value: T): void {
    this.inner().set(value)
  }
  private inner(): AgentLocal<T> {
    let inner = this.made.get(current)
    if (inner === undefined) {
      inner = current.agentLocal(this.init)
      this.made.set(current, inner)
    }
    return inner
  }
}
export const agentLocal: Ops['agentLocal'] = (init) => new SwitchedLocal(init)
