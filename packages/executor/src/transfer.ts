/**
 * Values that take objects of the host with them instead of copies.
 *
 * `transfer` only marks a value. Who writes it as arguments or as a result looks for the mark, once a value of this agent has one:
 *   from the agent that started the executor to a worker, and back to a caller that can't be blocked for the result: by message, nothing is copied
 *   by all other roads: copied as ever, then what was to be handed over is detached here
 */
import { InvalidArgumentError, NotShareableError } from '@heddle/atomics'
import { agentLocal } from '@heddle/atomics/ops'

const cloning = globalThis as unknown as { structuredClone(value: unknown, options: { transfer: readonly object[] }): unknown }

class Marks {
  /** How many values are marked; those that were forgotten count on. */
  count = 0
  readonly objects = new WeakMap<object, readonly object[]>()
}

const marks = /* @__PURE__ */ agentLocal(() => new Marks())

/**
 * Marks a value, so that what it is made of is handed over, not copied, when it is next given to a task as an argument of its own or returned by a task: the objects are
 * then gone here, an `ArrayBuffer` has length 0. Gives the value back.
 *
 * From the agent that started the executor to a worker of its pool nothing is copied; the call travels as with the option `transfer`. Nor is it on the way back of what
 * `run` and `map` (without `chunk`) called there. By these roads the value travels by the rules of structured clone: without shared objects of heddle, and with
 * classes lost. Otherwise (`spawn` where the caller could block in `join`, calls by and from tasks, threads, `isolate`, `spawnBlocking`, no shared memory, `workers: 0`)
 * `ArrayBuffer`s are copied and then detached, and others, such as ports, can't travel. Cost: a message each way, some 20 µs, whatever the size.
 * @param value any object: what is handed over, or what it is a part of
 * @param objects `ArrayBuffer`s, and where there is a message for it whatever the platform transfers
 * @throws InvalidArgumentError for what is no object, no array of objects, or twice the same. What can't be handed over after all is a `NotShareableError` of the call.
 * @example
 * ```ts file=images.ts
 * export const images = tasks(import.meta.url, {
 *   invert(pixels: Uint8Array<ArrayBuffer>) {
 *     for (let i = 0; i < pixels.length; i++) pixels[i] = 255 - pixels[i]!
 *     return transfer(pixels, [pixels.buffer])
 *   },
 * })
 * ```
 * ```ts
 * import { nodeHost } from '@heddle/node'
 * import { images } from './images.js'
 * const executor = await Executor.start({ host: nodeHost })
 * const pixels = new Uint8Array(1024)
 * const inverted = await executor.run(images.invert, transfer(pixels, [pixels.buffer]))
 * console.log(inverted[0], pixels.length) // 255 0
 * ```
 */
export function transfer<T extends object>(value: T, objects: readonly object[]): T {
  if (typeof value !== 'object' || value === null)
    throw new InvalidArgumentError(`transfer takes an object and what it hands over, got ${typeof value}`)
  const list: unknown = objects
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'object' && one !== null))
    throw new InvalidArgumentError('transfer takes what is to be handed over as an array of objects: transfer(bytes, [bytes.buffer])')
  if (new Set(objects).size !== objects.length) throw new InvalidArgumentError('an object can be handed over only once: it is twice in the list')
  const mine = marks.get()
  if (!mine.objects.has(value)) mine.count++
  mine.objects.set(value, [...objects])
  return value
}

/** What a value hands over; undefined for one that was not marked. */
export function transferOf(value: unknown): readonly object[] | undefined {
  const mine = marks.get()
  return mine.count === 0 || typeof value !== 'object' || value === null ? undefined : mine.objects.get(value)
}

/** What arguments hand over, together; undefined when none was marked. */
export function transfersOf(args: readonly unknown[]): readonly object[] | undefined {
  if (marks.get().count === 0) return undefined
  let all: readonly object[] | undefined
  for (const arg of args) {
    const objects = transferOf(arg)
    if (objects !== undefined) all = all === undefined ? objects : [...new Set([...all, ...objects])]
  }
  return all
}

/** The value was handed over: its mark is gone. */
export function unmark(value: unknown): void {
  const mine = marks.get()
  if (mine.count > 0 && typeof value === 'object' && value !== null && mine.objects.delete(value)) mine.count--
}

/** Before marked values are copied. @throws NotShareableError for what can't be handed over after that */
export function checkMarked(values: readonly unknown[]): void {
  const objects = transfersOf(values)
  if (objects === undefined) return
  try {
    checkAttached(objects)
  } catch (cause) {
    throw notHandedOver(cause)
  }
}

/** Detaches what marked values hand over, after they were copied. @throws NotShareableError for what can't be */
export function detach(values: readonly unknown[]): void {
  const objects = transfersOf(values)
  if (objects === undefined) return
  try {
    cloning.structuredClone(null, { transfer: objects })
  } catch (cause) {
    throw notHandedOver(cause)
  }
  for (const value of values) unmark(value)
}

function notHandedOver(cause: unknown): NotShareableError {
  return new NotShareableError(`what transfer() names can't be handed over: ${messageOf(cause)}`, { cause })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** Some platforms take what was handed over already without a word, and the message never arrives. @throws TypeError */
export function checkAttached(objects: readonly object[]): void {
  for (const object of objects) if (object instanceof ArrayBuffer) new Uint8Array(object)
}

/** What the platform refused to post. */
export function notPosted(what: string, cause: unknown): NotShareableError {
  return new NotShareableError(`the ${what} can't be posted: ${messageOf(cause)}`, { cause })
}
