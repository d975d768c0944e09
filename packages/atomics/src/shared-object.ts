/**
 * The base of everything that lives in a region: a place in memory, a header word, a handle, and disposal.
 *
 * Layout     +0 header  bits 0–7 kind (a hash of the class's kind name, never 0) · bit 8 ALLOCATED (the constructor allocated the
 *                       place, so disposing frees it) · bits 9–31 generation. 0: nothing lives here, or it was disposed of.
 *            What follows the header belongs to the class. The kind is a hash: it catches mistakes, and lets one in 255 pass.
 * Invariants I1 A header value is written once by `init` or a constructor and cleared once by `dispose` (compare-exchange);
 *               generations come from one counter of the region, so a reused place never has its former header again until
 *               8 million objects later.
 *            I2 A JS object has immutable fields only: its region, its place and the header value that it was opened with.
 *            I3 A header is cleared before its memory is freed, and free memory keeps it cleared (heap.ts).
 * Pairs      A header's store is seen through whatever hands the place to another agent (postMessage, a channel, the region).
 * Progress   An agent that dies between allocating and initialising, or between clearing the header and freeing, leaks that one block.
 */
import { add, agentLocal, compareExchange, get, load, made, peek, store } from '#ops'
import { awaitPins } from './agents.js'
import { DisposedError, InvalidArgumentError } from './errors.js'
import { H_GENERATION, H_HEAP } from './layout.js'
import { Region } from './region.js'

/** A structured-cloneable reference to a shared object: send it to another agent and open it there with `fromHandle`. */
export interface Handle {
  /** The kind's name, as registered. */
  readonly heddle: string
  readonly buffer: SharedArrayBuffer
  /** Byte offset of the object. */
  readonly at: number
  /** The object's header word: a handle to a place that was reused is refused. */
  readonly header: number
}

/** What a class of shared objects has, next to its instances. */
export interface SharedClass<T extends SharedObject = SharedObject> {
  /** Name in handles; unique among the classes that one program uses. */
  readonly kind: string
  /** Bytes that an object takes. */
  readonly BYTES: number
  /** Alignment of its place. */
  readonly ALIGN: number
  fromHandle(handle: Handle): T
}

const ALLOCATED_BIT = 1 << 8
const GENERATION_SHIFT = 9

/** Classes that this agent can revive, by kind. */
const registry = agentLocal(() => new Map<string, SharedClass>())

/**
 * Lets `revive` (and so every argument of a task) open handles of this kind. Constructing an object registers its class;
 * an agent that only receives handles calls this once, or uses `fromHandle` of the class.
 * @throws InvalidArgumentError when another class has the name.
 */
export function registerShareable(kind: string, type: SharedClass): void {
  const former = registry.get().get(kind)
  if (former !== undefined && former !== type) throw new InvalidArgumentError(`the kind '${kind}' is registered for another class`)
  registry.get().set(kind, type)
}

/** Who is told of each shared object that the calling agent makes or opens, while somebody wants to know. */
export const objectWatch = /* @__PURE__ */ agentLocal<{ seen: ((object: SharedObject) => void) | undefined }>(() => ({ seen: undefined }))

/** The class registered for a kind, if any. */
export function shareableClass(kind: string): SharedClass | undefined {
  return registry.get().get(kind)
}

function kindByte(kind: string): number {
  let hash = 0
  for (let i = 0; i < kind.length; i++) hash = (Math.imul(hash, 31) + kind.charCodeAt(i)) | 0
  return 1 + ((hash >>> 0) % 255)
}

/** Where an object lives: made by a class's constructor (`allocate`), `init` (`format`) or `at` and `fromHandle` (`open`). */
export class Place {
  private constructor(
    readonly region: Region,
    readonly at: number,
    readonly header: number,
    /** Whether the words after the header are to be initialised. */
    readonly isNew: boolean,
  ) {}

  /** Allocates zeroed memory in the region; `dispose` will free it. `bytes` overrides the class's for objects of variable size. */
  static allocate(region: Region, type: SharedClass, bytes: number = type.BYTES): Place {
    registerShareable(type.kind, type)
    return Place.write(region, region.alloc(bytes, type.ALIGN), type, ALLOCATED_BIT)
  }

  /** Uses memory that the caller owns and has zeroed. @throws InvalidArgumentError when it is misaligned or outside the region. */
  static format(region: Region, at: number, type: SharedClass, bytes: number = type.BYTES): Place {
    checkPlace(region, at, type, bytes)
    registerShareable(type.kind, type)
    return Place.write(region, at, type, 0)
  }

  /** Opens what is there. @throws DisposedError when nothing of this kind is, or not with the header expected. */
  static open(region: Region, at: number, type: SharedClass, expected?: number): Place {
    checkPlace(region, at, type, type.BYTES)
    registerShareable(type.kind, type)
    const header = load(region.words, at >> 2)
    if ((header & 0xff) !== kindByte(type.kind) || (expected !== undefined && header !== expected)) {
      throw new DisposedError(`no ${type.kind} lives at byte ${at} of this region${expected === undefined ? '' : ' any more: the handle is stale'}`)
    }
    return new Place(region, at, header, false)
  }

  /** Opens what a handle names. @throws InvalidArgumentError for another kind's handle or what is none, RegionFormatError for one whose buffer is no region, DisposedError for a stale one. */
  static openHandle(handle: Handle, type: SharedClass): Place {
    if (!isHandle(handle)) throw new InvalidArgumentError(`not a handle of a ${type.kind}: ${String(handle)}`)
    if (handle.heddle !== type.kind) throw new InvalidArgumentError(`the handle is one of a ${handle.heddle}, not of a ${type.kind}`)
    return Place.open(Region.attach(handle.buffer), handle.at, type, handle.header)
  }

  private static write(region: Region, at: number, type: SharedClass, flags: number): Place {
    const generation = add(region.words, H_GENERATION, 1) + 1
    const header = (generation << GENERATION_SHIFT) | flags | kindByte(type.kind)
    store(region.words, at >> 2, header)
    return new Place(region, at, header, true)
  }
}

function isHandle(value: unknown): value is Handle {
  if (typeof value !== 'object' || value === null) return false
  const { heddle, header } = value as Partial<Handle>
  return typeof heddle === 'string' && typeof header === 'number'
}

/** Behind the region's own tables (H_HEAP never changes); also outside the heap, where a given buffer is larger than the region. */
function checkPlace(region: Region, at: number, type: SharedClass, bytes: number): void {
  if (!Number.isInteger(at) || at < get(region.words, H_HEAP) || at % type.ALIGN !== 0 || at + bytes > region.bytes.length) {
    throw new InvalidArgumentError(`${type.kind} needs ${bytes} bytes aligned to ${type.ALIGN} inside the region, got byte offset ${at}`)
  }
}

/** Anything that lives in a region. */
export abstract class SharedObject {
  // `declare`: a field that is first undefined and then a number has a slower form in V8, and every operation of a cell reads these.
  declare readonly region: Region
  /** Byte offset in the region. */
  declare readonly at: number
  /** The header word that the object had when it was made or opened. */
  declare readonly header: number

  protected constructor(place: Place) {
    this.region = place.region
    this.at = place.at
    this.header = place.header
    made(this)
    const { seen } = objectWatch.get()
    if (seen !== undefined) seen(this)
  }

  /** A structured-cloneable reference, to be opened elsewhere with `fromHandle` or `revive`. */
  toHandle(): Handle {
    this.assertLive()
    return { heddle: (this.constructor as unknown as SharedClass).kind, buffer: this.region.buffer, at: this.at, header: this.header }
  }

  /** Whether this object was disposed of, here or in another agent. */
  get isDisposed(): boolean {
    return load(this.region.words, this.at >> 2) !== this.header
  }

  /**
   * Ends the object for every agent; memory that a constructor allocated is given back, memory that the caller owns may be used for something
   * else from here on, and not before. Later use anywhere throws `DisposedError`.
   * @throws DisposedError when it was disposed of already.
   */
  dispose(): void {
    this.assertLive()
    this.onDispose()
    if (compareExchange(this.region.words, this.at >> 2, this.header, 0) !== this.header) this.refuse()
    awaitPins(this.region.words, this.at, (this.constructor as unknown as SharedClass).BYTES)
    if ((this.header & ALLOCATED_BIT) !== 0) this.region.free(this.at)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** What a class gives up before its memory goes; throws to refuse (held, waited on). */
  protected onDispose(): void {}

  /** Refuses use after disposal. One plain read: a hint is enough, since using an object while disposing of it is the caller's race. */
  protected assertLive(): void {
    if (peek(this.region.words, this.at >> 2) !== this.header) this.refuse()
  }

  private refuse(): never {
    throw new DisposedError(`this ${(this.constructor as unknown as SharedClass).kind} was disposed of`)
  }
}
