/**
 * Whole trees of arguments: shared objects to handles before `postMessage`, and back after.
 *
 * Only plain objects, arrays, maps and sets are looked into, and copied only when something in the tree has to change: anything else,
 * and any tree without a shared object, is given back as it is. Cycles and identity are kept.
 */
import { codecOfKind } from './codec-kind.js'
import { NotShareableError } from './errors.js'
import { type Handle, shareableClass, SharedObject } from './shared-object.js'
import { StructObject } from './struct.js'

/** Replaces a leaf; returns the same value to leave it. */
type Replace = (value: object) => unknown

/**
 * Turns a tree into one that `postMessage` can send: every shared object (and struct in place) becomes its handle.
 * A handle of a `SharedBox` carries a reference: revive it once.
 * @throws DisposedError for an object that was disposed of; no references are taken then.
 */
export function share(value: unknown): unknown {
  const found = find(value, isShared) as (SharedObject | StructObject)[]
  if (found.length === 0) return value
  // Handles of boxes take references, so whatever is to fail fails first.
  for (const object of found) if (object instanceof SharedObject && object.isDisposed) object.toHandle()
  return copy(value, isShared, (object) => (object as SharedObject).toHandle(), new Map())
}

/**
 * Turns what `share` made, and `postMessage` brought, back: every handle becomes an object again, opened in this agent.
 * @throws NotShareableError for a handle of a kind that this agent has not registered, before any is opened; DisposedError for a stale one.
 */
export function revive(value: unknown): unknown {
  const found = find(value, isHandle) as Handle[]
  if (found.length === 0) return value
  for (const handle of found) classOf(handle)
  return copy(value, isHandle, (handle) => classOf(handle as Handle).fromHandle(handle as Handle), new Map())
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

function classOf(handle: Handle): { fromHandle(handle: Handle): unknown } {
  const type = shareableClass(handle.heddle)
  if (type !== undefined) return type
  // A struct's kind says all that there is to know.
  if (handle.heddle.startsWith('struct(')) return codecOfKind(handle.heddle) as unknown as { fromHandle(handle: Handle): unknown }
  throw new NotShareableError(
    `no class is registered for the kind '${handle.heddle}' in this agent: call registerShareable('${handle.heddle}', Class) before`,
  )
}

/** All chosen leaves that can be reached. Iterative: a tree without any may be deep. */
function find(value: unknown, chosen: (value: object) => boolean): object[] {
  if (typeof value !== 'object' || value === null) return []
  if (chosen(value)) return [value]
  const found: object[] = []
  const seen = new Set<object>([value])
  for (const container of seen) {
    for (const part of parts(container)) {
      if (typeof part !== 'object' || part === null || seen.has(part)) continue
      if (chosen(part)) found.push(part)
      seen.add(part)
    }
  }
  return found
}

/** What a container holds; nothing for a leaf. */
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
