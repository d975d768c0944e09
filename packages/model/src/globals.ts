/** The globals that code under check may use, swapped while a check runs. */
import { platformThreadNumber } from '@heddle/atomics/internal'
import type { ModelledOps } from './modelled-ops.js'
import { nativeSharedArrayBuffer } from './native.js'

type Any = (...args: never[]) => unknown

/**
 * Puts modelled versions in place; returns what puts the former ones back. Outside of threads (in a body, in its final check)
 * the timers and the microtask queue are the host's own.
 */
export function swapGlobals(ops: ModelledOps, atomics: object): () => void {
  const modelled: Record<string, Any> = {
    queueMicrotask: (callback: () => void) => ops.queueMicrotask(callback),
    setTimeout: (callback: () => void, milliseconds = 0) => ops.setTimer(callback, milliseconds),
    clearTimeout: (id: number) => ops.clearTimer(id),
  }
  // What this loads on its first call makes a shared buffer: not as a step of the thread that asks first.
  platformThreadNumber()
  const scope = globalThis as unknown as Record<string, Any | undefined>
  const former = ['Atomics', 'SharedArrayBuffer', ...Object.keys(modelled)].map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  )
  const put = (name: string, value: unknown): void => {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
  }
  for (const [name, inThread] of Object.entries(modelled)) {
    const native = scope[name]
    put(name, (...args: never[]) => (ops.inThread || native === undefined ? inThread(...args) : native(...args)))
  }
  put('Atomics', atomics)
  // Its name stays the engine's own; only what is made is seen, so that a buffer has the same number in every execution.
  put(
    'SharedArrayBuffer',
    new Proxy(nativeSharedArrayBuffer, {
      construct: (target, args, newTarget) => ops.madeBuffer(args, () => Reflect.construct(target, args, newTarget) as SharedArrayBuffer),
    }),
  )
  return () => {
    for (const [name, descriptor] of former) {
      if (descriptor === undefined) delete scope[name]
      else Object.defineProperty(globalThis, name, descriptor)
    }
  }
}
