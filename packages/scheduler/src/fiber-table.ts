/**
 * The slots that fibers live in: given out again last in, first out, each time under the next generation.
 *
 * Invariants T1 Slot and generation together name one fiber for ever: a slot whose generations are used up is never given out again.
 */
import { DisposedError } from '@heddle/atomics'
import type { Fiber } from './fiber.js'
import { MAX_GENERATION } from './fiber-bits.js'

/** One word of a ready set. */
const FIRST_SLOTS = 32
/** Slots in an id: the generation is what is above. */
const SLOT_LIMIT = 2 ** 22

/** The id of the fiber that has a slot in a generation. */
export function idOf(slot: number, generation: number): number {
  return generation * SLOT_LIMIT + slot
}

export class FiberTable {
  readonly fibers: (Fiber | undefined)[] = []
  private generations = new Uint16Array(FIRST_SLOTS)
  private readonly free: number[] = []

  /** How many slots there is room for before `take` grows. */
  get capacity(): number {
    return this.generations.length
  }

  /** A slot for a new fiber, below `capacity`. */
  take(): number {
    const slot = this.free.pop()
    if (slot !== undefined) return slot
    const { length } = this.fibers
    if (length === this.generations.length) this.grow()
    this.fibers.push(undefined)
    return length
  }

  generation(slot: number): number {
    return this.generations[slot]!
  }

  /** The fiber in the slot has ended. */
  release(slot: number): void {
    this.fibers[slot] = undefined
    if (this.generations[slot] === MAX_GENERATION) return
    this.generations[slot]!++
    this.free.push(slot)
  }

  /** The fiber of an id. @throws DisposedError when it has ended */
  find(id: number): Fiber {
    const fiber = this.fibers[id % SLOT_LIMIT]
    if (fiber?.id !== id) throw new DisposedError(`no fiber ${String(id)} lives in this scheduler: it has ended`)
    return fiber
  }

  private grow(): void {
    const generations = new Uint16Array(this.generations.length * 2)
    generations.set(this.generations)
    this.generations = generations
  }
}
