/**
 * What the checker knows about each shared word: who touched it, what is ordered before what, who waits on it.
 *
 * Two orders are kept apart. *Happens-before* of the language (`Thread.hb`): a SeqCst read synchronizes with the write that it
 * reads from; it decides whether two plain accesses race. *Dependence* of the search (`Node.clock`): any two operations on one
 * word of which one writes; it decides which interleavings are worth telling apart.
 *
 * Source     Epochs and per-word histories after FastTrack (Flanagan & Freund, PLDI 2009), kept per thread since threads are few.
 * Invariants I1 Fields under "for one execution" are valid only while `stamp` is the current execution's number.
 *            I2 Fields under "for the whole check" only ever grow (false → true); a growth that would have made an earlier
 *               operation a scheduling point starts the search anew.
 */
import type { Node } from './node.js'
import { nativeSharedArrayBuffer } from './native.js'
import type { Thread } from './thread.js'
import type { Waiter } from './thread.js'

/** Kinds of access in a word's history. */
export const PLAIN_READ = 0
export const PLAIN_WRITE = 1
export const ATOMIC_READ = 2
export const ATOMIC_WRITE = 3

const NO_WORDS = new Int32Array(0)

/** One shared 32-bit word, or one byte of it, or its wait queue. */
export class Cell {
  private static made = 0
  readonly id = Cell.made++
  // For the whole check.
  /** The first thread that touched it; -1: none yet. */
  first = -1
  /** Several threads touch it. */
  multi = false
  /** Some thread writes it. */
  written = false
  /** An operation on it was not made a scheduling point. */
  hidden = false
  hiddenPlain = false
  /** It is read with `peek`, which may race: plain writes to it are scheduling points too. */
  peeked = false

  // For one execution.
  stamp = 0
  /** How often its value changed. */
  version = 0
  /** Clock that the last atomic write published. */
  published: number[] | null = null
  lastWrite: Node | null = null
  /** By actor of the search. */
  readonly lastReads: (Node | null)[]
  hasPlain = false
  hasMixed = false
  width = 0
  /** By kind and thread: the thread's epoch at its last access of that kind, and where in its log that was. */
  readonly epochs: number[]
  readonly places: number[]
  readonly widths: number[]
  waiters: Waiter[] = []
  /** What its value and its published clock add to the state's fingerprint. */
  partA = 0
  partB = 0
  clockA = 0
  clockB = 0

  /** Bytes of the word, once it was accessed by parts. */
  bytes: Cell[] | null = null
  private queueCell: Cell | null = null

  constructor(
    readonly label: string,
    private readonly threads: number,
  ) {
    this.lastReads = new Array<Node | null>(threads * 2).fill(null)
    this.epochs = new Array<number>(threads * 4).fill(0)
    this.places = new Array<number>(threads * 4).fill(0)
    this.widths = new Array<number>(threads * 4).fill(0)
  }

  /** The pseudo-word that stands for the word's list of waiters. */
  queue(stamp: number): Cell {
    this.queueCell ??= new Cell(`waiters of ${this.label}`, this.threads)
    return this.queueCell.in(stamp)
  }

  /** This cell, with what belongs to earlier executions forgotten. */
  in(stamp: number): this {
    if (this.stamp !== stamp) this.forget(stamp)
    return this
  }

  byte(offset: number, stamp: number): Cell {
    this.bytes ??= [0, 1, 2, 3].map((n) => new Cell(`${this.label}, byte ${n}`, this.threads))
    return this.bytes[offset]!.in(stamp)
  }

  private forget(stamp: number): void {
    this.stamp = stamp
    this.version = 0
    this.published = null
    this.lastWrite = null
    this.hasPlain = false
    this.hasMixed = false
    this.width = 0
    this.partA = this.partB = this.clockA = this.clockB = 0
    for (let i = 0; i < this.lastReads.length; i++) this.lastReads[i] = null
    for (let i = 0; i < this.epochs.length; i++) this.epochs[i] = 0
    if (this.waiters.length > 0) this.waiters = []
  }

  /** Notes an access by `thread`; returns the other side of a race as `kind * threads + thread`, or -1. */
  access(thread: Thread, kind: number, width: number): number {
    let found = -1
    if (kind < ATOMIC_READ) {
      this.hasPlain = true
      found = this.conflict(thread, PLAIN_WRITE)
      if (found < 0) found = this.conflict(thread, ATOMIC_WRITE)
      if (found < 0 && kind === PLAIN_WRITE) {
        found = this.conflict(thread, PLAIN_READ)
        if (found < 0) found = this.conflict(thread, ATOMIC_READ)
      }
    } else {
      if (this.hasPlain) {
        found = this.conflict(thread, PLAIN_WRITE)
        if (found < 0 && kind === ATOMIC_WRITE) found = this.conflict(thread, PLAIN_READ)
      }
      if (this.width !== width) {
        if (this.width !== 0) this.hasMixed = true
        this.width = width
      }
      if (found < 0 && this.hasMixed) found = this.mixed(thread, width)
    }
    const at = kind * this.threads + thread.id
    this.epochs[at] = thread.hb[thread.id]!
    this.places[at] = thread.length
    this.widths[at] = width
    return found
  }

  /** What an access by `thread` races with, without noting it. */
  check(thread: Thread, kind: number): number {
    let found = this.conflict(thread, PLAIN_WRITE)
    if (found < 0 && kind < ATOMIC_READ) found = this.conflict(thread, ATOMIC_WRITE)
    if (found < 0 && (kind === PLAIN_WRITE || kind === ATOMIC_WRITE)) found = this.conflict(thread, PLAIN_READ)
    if (found < 0 && kind === PLAIN_WRITE) found = this.conflict(thread, ATOMIC_READ)
    return found
  }

  private conflict(thread: Thread, kind: number): number {
    const { hb, id } = thread
    const base = kind * this.threads
    for (let other = 0; other < this.threads; other++) {
      if (other !== id && this.epochs[base + other]! > hb[other]!) return base + other
    }
    return -1
  }

  private mixed(thread: Thread, width: number): number {
    for (let kind = ATOMIC_READ; kind <= ATOMIC_WRITE; kind++) {
      for (let other = 0; other < this.threads; other++) {
        const at = kind * this.threads + other
        if (other !== thread.id && this.widths[at] !== width && this.epochs[at]! > thread.hb[other]!) return at
      }
    }
    return -1
  }
}

const MOST_WORDS = 2 ** 20
/** Numbers of the buffers that a thread made start at a multiple of this; those that the body made are below. */
const NUMBERS = 2 ** 16
/** Numbers of buffers whose making was not seen. */
const FOREIGN = 2 ** 30

/** The cells of one shared buffer. */
export class BufferCells {
  private readonly cells: (Cell | undefined)[]
  /** Its words, in this execution. */
  words: Int32Array = NO_WORDS
  constructor(
    readonly name: string,
    private readonly threads: number,
    words: number,
  ) {
    // An array with its size from the start is not turned into a hash table by sparse use.
    this.cells = words <= MOST_WORDS ? new Array<Cell | undefined>(words) : []
  }

  cell(word: number, stamp: number): Cell {
    const cell = (this.cells[word] ??= new Cell(`${this.name}word ${word}`, this.threads))
    return cell.stamp === stamp ? cell : cell.in(stamp)
  }
}

/**
 * Which buffer is which, in every execution: those that the body makes are numbered in their order, those that a thread makes in the
 * thread's order. One that was made where nobody saw it is numbered when a thread first touches it.
 */
export class Buffers {
  private readonly numbers = new WeakMap<ArrayBufferLike, { stamp: number; number: number }>()
  private made: number[] = []
  private foreign = 0
  private stamp = 0

  begin(stamp: number): void {
    this.stamp = stamp
    this.made = []
    this.foreign = 0
  }

  /** A buffer was made, by a thread or by the body (-1). */
  note(buffer: SharedArrayBuffer, thread: number): void {
    const order = this.made[thread + 1] ?? 0
    this.made[thread + 1] = order + 1
    this.numbers.set(buffer, { stamp: this.stamp, number: (thread + 1) * NUMBERS + order })
  }

  numberOf(buffer: SharedArrayBuffer): number {
    const known = this.numbers.get(buffer)
    if (known?.stamp === this.stamp) return known.number
    const number = FOREIGN + this.foreign++
    this.numbers.set(buffer, { stamp: this.stamp, number })
    return number
  }
}

function nameOf(number: number): string {
  if (number === 0) return ''
  if (number >= FOREIGN) return number === FOREIGN ? 'foreign buffer, ' : `foreign buffer ${number - FOREIGN}, `
  const thread = Math.floor(number / NUMBERS)
  return thread === 0 ? `buffer ${number}, ` : `buffer ${number % NUMBERS} of thread ${thread - 1}, `
}

/** All shared buffers of a check. */
export class Memory {
  private readonly byNumber = new Map<number, BufferCells>()
  private found = new WeakMap<ArrayBufferLike, BufferCells>()
  private lastView: ArrayBufferView | null = null
  private lastCells: BufferCells | null = null

  constructor(
    private readonly threads: number,
    private readonly buffers: Buffers,
  ) {}

  /** Starts an execution. */
  begin(): void {
    this.found = new WeakMap()
    this.lastView = null
  }

  /** The cells behind a view; null for memory that is not shared. */
  of(view: ArrayBufferView): BufferCells | null {
    if (view === this.lastView) return this.lastCells
    const { buffer } = view
    this.lastView = view
    return (this.lastCells = buffer instanceof nativeSharedArrayBuffer ? this.cellsOf(buffer) : null)
  }

  private cellsOf(buffer: SharedArrayBuffer): BufferCells {
    const known = this.found.get(buffer)
    if (known !== undefined) return known
    const number = this.buffers.numberOf(buffer)
    let cells = this.byNumber.get(number)
    if (cells === undefined) {
      cells = new BufferCells(nameOf(number), this.threads, buffer.byteLength >> 2)
      this.byNumber.set(number, cells)
    }
    cells.words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
    this.found.set(buffer, cells)
    return cells
  }
}
