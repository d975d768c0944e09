/** Which classes of the user's own, and which errors, the value codec may encode and make again. */
import { agentLocal } from '#ops'
import { checkClass } from './arguments.js'
import {
  AgentLimitError,
  DisposedError,
  HeddleError,
  InvalidArgumentError,
  MemoryDamageError,
  NotShareableError,
  RegionFormatError,
  RegionFullError,
  ValueTooLargeError,
} from './errors.js'

/** How instances of one class travel. */
export interface Cloning<T, R> {
  /** A structured value that says everything about the instance; it may not lead back to it. */
  encode(instance: T): R
  /** A new instance. */
  decode(representation: R): T
}

/** A registered class. */
export interface CloneableClass {
  readonly name: string
  readonly cloning: Cloning<unknown, unknown>
}

type Constructor<T> = abstract new (...args: never[]) => T
type ErrorClass = Constructor<Error>

function own(): {
  byPrototype: Map<object, CloneableClass>
  byName: Map<string, CloneableClass>
  errorName: Map<object, string>
  errorClass: Map<string, ErrorClass>
} {
  const errorName = new Map<object, string>()
  const errorClass = new Map<string, ErrorClass>()
  const language = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError]
  const misuse = [HeddleError, InvalidArgumentError, DisposedError, NotShareableError, ValueTooLargeError]
  const memory = [RegionFullError, RegionFormatError, AgentLimitError, MemoryDamageError]
  for (const type of [...language, ...misuse, ...memory] as ErrorClass[]) {
    errorName.set(type.prototype as object, type.name)
    errorClass.set(type.name, type)
  }
  return { byPrototype: new Map(), byName: new Map(), errorName, errorClass }
}
const known = /* @__PURE__ */ agentLocal(own)

/**
 * Lets values hold instances of a class: `encode` turns one into a structured value where it is sent, `decode` makes one where it
 * arrives. Both sides register, under the same name. Exactly this class: a subclass is registered by itself.
 * @throws InvalidArgumentError when the name or the class is registered otherwise.
 * @example
 * class Point {
 *   constructor(readonly x: number, readonly y: number) {}
 * }
 * registerCloneable('Point', Point, { encode: (p) => [p.x, p.y], decode: ([x, y]) => new Point(x, y) })
 */
export function registerCloneable<T, R>(name: string, type: Constructor<T>, cloning: Cloning<T, R>): void {
  const { byName, byPrototype } = known.get()
  const prototype = checkClass(type).prototype as object
  if (byName.has(name)) throw new InvalidArgumentError(`a class is registered as '${name}' already`)
  if (byPrototype.has(prototype)) throw new InvalidArgumentError(`the class is registered already, as '${byPrototype.get(prototype)!.name}'`)
  const entry = { name, cloning: cloning as Cloning<unknown, unknown> }
  byName.set(name, entry)
  byPrototype.set(prototype, entry)
}

/**
 * Lets errors of a class arrive as instances of it: with its prototype, message, stack, cause and own fields, without its constructor
 * having run. The language's and this package's own errors are registered; an error of an unregistered class arrives as the nearest
 * registered class above it, with its name kept.
 * @throws InvalidArgumentError when the name is registered for another class.
 */
export function registerErrorClass(type: ErrorClass, name: string = checkClass(type).name): void {
  const { errorClass, errorName } = known.get()
  const former = errorClass.get(name)
  if (former !== undefined && former !== type) throw new InvalidArgumentError(`the error class '${name}' is registered for another class`)
  errorClass.set(name, type)
  errorName.set(type.prototype as object, name)
}

/** The entry of a class by its prototype. */
export function cloneableByPrototype(prototype: object): CloneableClass | undefined {
  return known.get().byPrototype.get(prototype)
}
/** The entry of a class by its name. */
export function cloneableByName(name: string): CloneableClass | undefined {
  return known.get().byName.get(name)
}
/** The name of the nearest registered class of an error. */
export function errorClassName(error: Error): string {
  const { errorName } = known.get()
  for (let prototype: unknown = Object.getPrototypeOf(error); prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const name = errorName.get(prototype as object)
    if (name !== undefined) return name
  }
  return 'Error'
}
/** The error class of a name; `Error` when it is not registered here. */
export function errorClassByName(name: string): ErrorClass {
  return known.get().errorClass.get(name) ?? Error
}
