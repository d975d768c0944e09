/**
 * Where waiter records come from: chunks of region memory that belong to one slot of the agent table and are handed from one
 * owner of the slot to the next.
 *
 * Layout     layout.ts, C_*. The first chunk has 32 records (2.2 KB), the others 1,024 each, at most 1,024 chunks.
 * Invariants S1 A chunk is complete before it is linked (C_NEXT of the former one, or A_CHUNKS), and never freed while the region lives.
 *            S2 Only the agent whose slot it is takes and gives back records; the free list is its own, not in the region.
 */
import { get, load, set, store } from '@heddle/atomics/ops'
import { A_CHUNKS, AGENT_TABLE_AT, AGENT_BYTES, type AgentIdentity } from '@heddle/atomics/internal'
import { RegionFullError, type Region } from '@heddle/atomics'
import {
  C_CAPACITY,
  C_CHUNK_NUMBER,
  C_NEXT,
  CHUNK_HEADER_WORDS,
  FIRST_CHUNK,
  FULL_CHUNK,
  MAX_CHUNKS,
  RECORD_WORDS,
  W_AGENT,
  W_CHUNK,
  W_LINKED,
  W_MAIN,
  W_NUMBER,
} from './layout.js'
import { release } from './record.js'

/** Word indexes of an agent's chunks, in order. `agent` is the word index of its record. */
export function chunksOf(words: Int32Array, agent: number): number[] {
  const chunks: number[] = []
  for (let chunk = load(words, agent + A_CHUNKS); chunk !== 0; chunk = load(words, chunk + C_NEXT)) chunks.push(chunk)
  return chunks
}

/** Calls `visit` with the word index of every record of every agent's chunks. */
export function forEachRecord(words: Int32Array, agents: number, visit: (r: number) => void): void {
  for (let id = 1; id <= agents; id++) forEachRecordOf(words, (AGENT_TABLE_AT + (id - 1) * AGENT_BYTES) >> 2, visit)
}

/** Calls `visit` with the word index of every record of one agent. */
export function forEachRecordOf(words: Int32Array, agent: number, visit: (r: number) => void): void {
  for (let chunk = load(words, agent + A_CHUNKS); chunk !== 0; chunk = load(words, chunk + C_NEXT)) {
    // The capacity was written before the chunk was linked (S1).
    const capacity = get(words, chunk + C_CAPACITY)
    for (let slot = 0; slot < capacity; slot++) visit(chunk + CHUNK_HEADER_WORDS + slot * RECORD_WORDS)
  }
}

/** One agent's supply of records. */
export class Slab {
  /** Word indexes of the chunks, for the ready bitmap. */
  readonly chunks: number[]
  private readonly free: number[] = []
  private readonly words: Int32Array
  private readonly agent: number

  constructor(
    private readonly region: Region,
    private readonly identity: AgentIdentity,
  ) {
    this.words = region.words
    this.agent = identity.at >> 2
    this.chunks = chunksOf(this.words, this.agent)
    for (let number = this.chunks.length - 1; number >= 0; number--) this.adopt(this.chunks[number]!)
  }

  /** How many records are in use. */
  get used(): number {
    let capacity = 0
    for (const chunk of this.chunks) capacity += get(this.words, chunk + C_CAPACITY)
    return capacity - this.free.length
  }

  /** Takes a record. @throws RegionFullError */
  acquire(): number {
    return this.free.pop() ?? this.grow()
  }

  /** Gives a record back. It is in no list (R2). */
  release(r: number): void {
    release(this.words, r)
    this.free.push(r)
  }

  private grow(): number {
    const { words, region } = this
    const number = this.chunks.length
    if (number === MAX_CHUNKS) throw new RegionFullError(`one agent can have ${MAX_CHUNKS * FULL_CHUNK} waits pending, and has`)
    const capacity = number === 0 ? FIRST_CHUNK : FULL_CHUNK
    const chunk = region.alloc((CHUNK_HEADER_WORDS + capacity * RECORD_WORDS) * 4, 64) >> 2
    set(words, chunk + C_CAPACITY, capacity)
    set(words, chunk + C_CHUNK_NUMBER, number)
    this.adopt(chunk)
    store(words, number === 0 ? this.agent + A_CHUNKS : this.chunks[number - 1]! + C_NEXT, chunk)
    this.chunks.push(chunk)
    return this.free.pop()!
  }

  /** Makes the records of a new or inherited chunk this agent's. What a former owner left was settled by its reaper. */
  private adopt(chunk: number): void {
    const { words, identity } = this
    const capacity = get(words, chunk + C_CAPACITY)
    const number = get(words, chunk + C_CHUNK_NUMBER)
    for (let slot = capacity - 1; slot >= 0; slot--) {
      const r = chunk + CHUNK_HEADER_WORDS + slot * RECORD_WORDS
      store(words, r + W_AGENT, identity.tag)
      set(words, r + W_CHUNK, chunk)
      set(words, r + W_NUMBER, number === 0 ? slot : FIRST_CHUNK + (number - 1) * FULL_CHUNK + slot)
      set(words, r + W_MAIN, r)
      store(words, r + W_LINKED, 0)
      this.free.push(r)
    }
  }
}
