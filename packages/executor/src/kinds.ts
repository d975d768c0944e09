/**
 * Heddle's own shared classes, made known to a worker, so that a handle of any of them can arrive there before the task's module has
 * named the class. Only workers do so: their size is nobody's download.
 */
import * as atomics from '@heddle/atomics'
import { registerShareable, type SharedClass } from '@heddle/atomics'
import * as cancel from '@heddle/cancel'
import * as channel from '@heddle/channel'
import * as park from '@heddle/park'
import * as sync from '@heddle/sync'

/** Registers every exported class of shared objects. */
export function registerKinds(): void {
  for (const exported of Object.values<unknown>({ ...atomics, ...park, ...cancel, ...sync, ...channel }))
    if (isSharedClass(exported)) registerShareable(exported.kind, exported)
}

function isSharedClass(value: unknown): value is SharedClass {
  if (typeof value !== 'function') return false
  const { kind, fromHandle } = value as Partial<SharedClass>
  return typeof kind === 'string' && typeof fromHandle === 'function'
}
