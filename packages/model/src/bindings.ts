/** The modelled operations in the shapes in which code under check knows them: heddle's `ops`, and the global `Atomics`. */
import type { Ops } from '@heddle/atomics/ops-model'
import { ADD, AND, EXCHANGE, OR, PEEK, SUB, XOR } from './codes.js'
import type { IntegerView, Value } from './atomic-ops.js'
import type { ModelledOps } from './modelled-ops.js'
import type { View } from './native.js'

/** The same operations as heddle's `ops` has them. */
export function asOps(ops: ModelledOps): Partial<Ops> {
  const modify =
    (operation: number) =>
    (view: IntegerView, index: number, value: Value): never =>
      ops.modify(operation, view, index, value) as never
  const get = (view: View, index: number): never => ops.get(view, index) as never
  const set = (view: View, index: number, value: Value): void => ops.set(view, index, value)
  return {
    load: (view, index) => ops.load(view, index),
    store: (view, index, value) => ops.store(view, index, value),
    add: modify(ADD),
    sub: modify(SUB),
    and: modify(AND),
    or: modify(OR),
    xor: modify(XOR),
    exchange: modify(EXCHANGE),
    compareExchange: (view, index, expected, replacement) => ops.compareExchange(view, index, expected, replacement),
    load64: (view, index) => ops.load(view, index),
    store64: (view, index, value) => ops.store(view, index, value),
    add64: modify(ADD),
    sub64: modify(SUB),
    and64: modify(AND),
    or64: modify(OR),
    xor64: modify(XOR),
    exchange64: modify(EXCHANGE),
    compareExchange64: (view, index, expected, replacement) => ops.compareExchange(view, index, expected, replacement),
    wait: (view, index, expected, timeout) => ops.wait(view, index, expected, timeout),
    notify: (view, index, count) => ops.notify(view, index, count),
    waitAsync: (view, index, expected, timeout) => ops.waitAsync(view, index, expected, timeout),
    pause: () => ops.pause(),
    get,
    set,
    peek: (view, index) => ops.get(view, index, PEEK) as number,
    getByte: get,
    setByte: set,
    getFloat: get,
    setFloat: set,
    getBig: get,
    setBig: set,
    copy: (target, targetIndex, source, sourceIndex, length) => ops.copy(target, targetIndex, source, sourceIndex, length),
    fill: (target, index, length, value) => ops.fill(target as never, index, length, value),
    now: () => ops.now(),
    random: () => ops.random(),
    createBuffer: (bytes) => ops.createBuffer(bytes),
    effect: (run) => ops.effect(run),
    agentLocal: (init) => ops.agentLocal(init),
    made: (object) => ops.made(object),
  }
}

/** The same operations as a global `Atomics`. */
export function asAtomics(ops: ModelledOps): object {
  const { load, store, add, sub, and, or, xor, exchange, compareExchange, wait, notify, waitAsync, pause } = asOps(ops)
  const isLockFree = (bytes: number): boolean => bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8
  return {
    load,
    store,
    add,
    sub,
    and,
    or,
    xor,
    exchange,
    compareExchange,
    wait,
    notify,
    waitAsync,
    pause,
    isLockFree,
    [Symbol.toStringTag]: 'Atomics',
  }
}
