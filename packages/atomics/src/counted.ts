/**
 * Shared objects with an owner count, as codecs see them: a slot owns one reference to each that its value names, from `write` until
 * `free`. Reading makes references of the reader's own; so a value may be read many times, or never, and no count is lost.
 */
import type { Handle, SharedClass, SharedObject } from './shared-object.js'

/** An object that is one reference. */
export interface CountedObject extends SharedObject {
  /** Adds a reference that a slot will own. */
  retain(): void
  /** Gives this reference up. */
  release(): void
}

/** A class of such objects. */
export interface CountedClass extends SharedClass {
  /** A new reference to what a slot refers to. */
  reopen(handle: Handle): CountedObject
  /** The slot's own reference, taken from it. */
  adopt(handle: Handle): CountedObject
}

export function isCountedObject(object: SharedObject): object is CountedObject {
  return 'retain' in object
}

export function isCountedClass(type: SharedClass): type is CountedClass {
  return 'adopt' in type
}
