/** The globals that code under check may use, swapped while a check runs. */
import type { ModelledOps } from './modelled-ops.js'

/** Puts modelled versions in place; returns what puts the former ones back. */
export function swapGlobals(ops: ModelledOps, atomics: object): () => void {
  const replacements: Record<string, unknown> = {
    Atomics: atomics,
    queueMicrotask: (callback: () => void) => ops.queueMicrotask(callback),
    setTimeout: (callback: () => void, milliseconds = 0) => ops.setTimer(callback, milliseconds),
    clearTimeout: (id: number) => ops.clearTimer(id),
  }
  const former: [string, PropertyDescriptor | undefined][] = []
  for (const [name, value] of Object.entries(replacements)) {
    former.push([name, Object.getOwnPropertyDescriptor(globalThis, name)])
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
  }
  return () => {
    for (const [name, descriptor] of former) {
      if (descriptor === undefined) delete (globalThis as Record<string, unknown>)[name]
      else Object.defineProperty(globalThis, name, descriptor)
    }
  }
}
