/**
 * What the two sides of a memory-model litmus test share: the words, the barrier, and the shape of a program.
 *
 * Source     The method of litmus7 (Alglave, Maranget et al., "Herding Cats", TOPLAS 2014): many instances of a tiny program in an array,
 *            each on its own cache lines; the threads walk the array together, held in step by a bounded handshake before each instance.
 * Layout     memory     INSTANCES times two locations, x and y, each on a cache line of its own
 *            registers  INSTANCES times four words: what the threads of an instance read
 *            control    barrier and progress words, a cache line each
 */

/** Instances of the program that one round walks through. */
export const INSTANCES = 1024
/** 32-bit words in two cache lines of 64 bytes: prefetchers fetch lines in pairs, so x and y must not share one. */
const LINE = 32
/** Registers an instance may have. */
export const REGISTERS = 4

/** A thread of a program: reads and writes `memory[x]`, `memory[y]` and leaves what it saw in `registers[r + k]`. */
export type Body = (memory: Int32Array, x: number, y: number, registers: Int32Array, r: number) => void

/** The threads of a program; each runs in an agent of its own. Registers are small: 0 to 3. */
export type Program = readonly Body[]

/** What a run gives to its workers. */
export interface RunData {
  readonly program: string
  readonly thread: number
  readonly threads: number
  readonly milliseconds: number
  readonly memory: SharedArrayBuffer
  readonly registers: SharedArrayBuffer
  readonly control: SharedArrayBuffer
}

/** Bytes of a run's buffers. */
export const SIZES = { memory: INSTANCES * 2 * LINE * 4, registers: INSTANCES * REGISTERS * 4, control: LINE * 4 * 16 } as const

/** Word index of location x of an instance; y is `LINE` words on. */
export function locationX(instance: number): number {
  return instance * 2 * LINE
}
/** Word index of location y of an instance. */
export function locationY(instance: number): number {
  return instance * 2 * LINE + LINE
}

/** Control word: how many threads have arrived at the barrier. */
export const ARRIVED = 0
/** Control word: how often the barrier has opened. */
export const EPOCH = LINE
/** Control word: 1 when the run is over. */
export const STOP = 2 * LINE
/** Control word: how many instances a thread has begun in all. */
export function progressWord(thread: number): number {
  return (3 + thread) * LINE
}
