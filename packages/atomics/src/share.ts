/**
 * Whole trees of arguments: shared objects to handles before `postMessage`, and back after.
 *
 * Only plain objects, arrays, maps and sets are looked into, and copied only when something in the tree has to change: anything else,
 * and any tree without a shared object, is given back as it is. Cycles and identity are kept.
 */
import { codecOfKind } from './codec-kind.js'
import { NotShareableError } from './errors.js'
import { type Handle, shareableClass, SharedObject } from './shared-object.js'
import { type StructClass, StructObject } from './struct.js'

/** Replaces a leaf; returns the same value to leave it. */
type Replace = (value: object) => unknown

/**
 * Turns a tree into one that `postMessage` can send: every shared object (and struct in place) becomes its handle.
 * A handle of a `SharedBox` carries a reference: revive it once.
 * @throws DisposedError for an object that was disposed of.
 */
export function share(value: unknown): unknown {
  return transform(value, isShared, (object) => (object as SharedObject).toHandle())
}

/**
 * Turns what `share` made, and `postMessage` brought, back: every handle becomes an object again, opened in this agent.
 * @throws NotShareableError for a handle of a kind that this agent has not registered; DisposedError for a stale one.
 */
export function revive(value: unknown): unknown {
  return transform(value, isHandle, (handle) => open(handle as Handle))
}

function isShared(value: object): boolean {
  return value instanceof SharedObject || value instanceof StructObject
}

function isHandle(value: object): boolean {
  const { heddle, buffer, at, header } = value as Partial<Handle>
  return (
    typeof heddle === 'string' &&
    typeof at === 'number' &&
    typeof header === 'number' &&
    Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]'
  )
}

function open(handle: Handle): unknown {
  const type = shareableClass(handle.heddle)
  if (type !== undefined) return type.fromHandle(handle)
  // A struct's kind says all that there is to know.
  if (handle.heddle.startsWith('struct(')) return (codecOfKind(handle.heddle) as unknown as StructClass<never>).fromHandle(handle as never)
  throw new NotShareableError(
    `no class is registered for the kind '${handle.heddle}' in this agent: call registerShareable('${handle.heddle}', Class) before`,
  )
}

function transform(value: unknown, chosen: (value: object) => boolean, replace: Replace): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (chosen(value)) return replace(value)
  return holds(value, chosen) ? copy(value, chosen, replace, new Map()) : value
}

/** Whether a chosen leaf can be reached. Iterative: trees may be deep. */
function holds(root: object, chosen: (value: object) => boolean): boolean {
  const seen = new Set<object>([root])
  for (const container of seen) {
    for (const part of parts(container)) {
      if (typeof part !== 'object' || part === null || seen.has(part)) continue
      if (chosen(part)) return true
      seen.add(part)
    }
  }
  return false
}

function* parts(container: object): Iterable<unknown> {
  if (Array.isArray(container) || container instanceof Set) yield* container
  else if (container instanceof Map) for (const entry of container) yield* entry
  else if (isPlain(container)) yield* Object.values(container)
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function copy(value: unknown, chosen: (value: object) => boolean, replace: Replace, made: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (made.has(value)) return made.get(value)
  const remember = <T>(result: T): T => {
    made.set(value, result)
    return result
  }
  const inner = (part: unknown): unknown => copy(part, chosen, replace, made)
  if (chosen(value)) return remember(replace(value))
  if (Array.isArray(value)) {
    const result = remember<unknown[]>(new Array<unknown>(value.length))
    value.forEach((item, i) => (result[i] = inner(item)))
    return result
  }
  if (value instanceof Map) {
    const result = remember(new Map<unknown, unknown>())
    for (const [key, item] of value) result.set(inner(key), inner(item))
    return result
  }
  if (value instanceof Set) {
    const result = remember(new Set())
    for (const item of value) result.add(inner(item))
    return result
  }
  if (!isPlain(value)) return value
  const result = remember<Record<string, unknown>>({})
  for (const [key, item] of Object.entries(value)) {
    Object.defineProperty(result, key, { value: inner(item), enumerable: true, writable: true, configurable: true })
  }
  return result
}
