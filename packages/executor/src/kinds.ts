/**
 * Heddle's own shared classes, made known to a worker, so that a handle of any of them can arrive there before the task's module has
 * named the class. Only workers do so: their size is nobody's download.
 */
import * as atomics from '@heddle/atomics'
import { HeddleError, registerErrorClass, registerShareable, type SharedClass } from '@heddle/atomics'
import * as cancel from '@heddle/cancel'
import * as channel from '@heddle/channel'
import * as park from '@heddle/park'
import * as sync from '@heddle/sync'

/** Registers every exported class of shared objects and of errors. */
export function registerKinds(): void {
  for (const exported of Object.values<unknown>({ ...atomics, ...park, ...cancel, ...sync, ...channel })) {
    if (isSharedClass(exported)) registerShareable(exported.kind, exported)
    else if (isErrorClass(exported)) registerErrorClass(exported)
  }
}

function isSharedClass(value: unknown): value is SharedClass {
  if (typeof value !== 'function') return false
  // Its own: a class that extends one is found by what it extends.
  if (!Object.hasOwn(value, 'kind')) return false
  const { kind, fromHandle } = value as Partial<SharedClass>
  return typeof kind === 'string' && typeof fromHandle === 'function'
}

function isErrorClass(value: unknown): value is new (...args: never[]) => Error {
  return typeof value === 'function' && value.prototype instanceof HeddleError
}
