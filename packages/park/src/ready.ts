/**
 * The ready bitmap: how any agent tells another that one of its promises or fibers may go on. Waking is scheduling.
 *
 * Source     Hierarchical bitmaps as in L4's and Linux's O(1) schedulers; the mode word is a futex of the agent's own.
 * Layout     root (1 word, in the agent's record) → middle (32 words, there) → summary (1 word in each chunk) → leaf (32 words
 *            in each chunk, one bit a record).
 *   mode     meaning
 *   RUNNING  the agent will drain before it sleeps: nobody need ring
 *   IDLE     it sleeps, or its event loop may be about to: ring
 *   RUNG     somebody rang and it has not woken yet
 * Invariants B1 A set leaf bit has every bit above it set, or the agent that set it is still on its way up, or the owner is
 *               between taking an upper word and taking the leaf.
 *            B2 Bits are hints: the owner looks at the record. A bit whose record needs nothing is ignored.
 * Pairs      `setReady` writes bits then reads MODE; the owner writes MODE = IDLE then reads the root (Dekker): one of them sees
 *            the other, so no wake is lost.
 * Progress   wait-free: at most four `or`, skipped where a load shows the bit, one compare-exchange, one notify.
 *            A setter that dies on the way up leaves a bit that nobody sees until it is reaped (reap.ts sets every summary).
 */
import { compareExchange, exchange, get, load, notify, or } from '@heddle/atomics/ops'
import { A_MODE, A_READY_MIDDLE, A_READY_ROOT } from '@heddle/atomics/internal'
import { C_CHUNK_NUMBER, C_READY, C_SUMMARY, CHUNK_HEADER_WORDS, IDLE, RECORD_WORDS, RUNG, W_CHUNK } from './layout.js'

/** Sets a bit, unless it can be seen to be set: whoever clears the word after that load reads the level below after it too. */
function raise(words: Int32Array, index: number, bit: number): void {
  if ((load(words, index) & bit) === 0) or(words, index, bit)
}

/** Marks a record ready in its agent's bitmap; `agent` is the word index of the agent's record. Does not ring. */
export function setReady(words: Int32Array, agent: number, r: number): void {
  // W_CHUNK and C_CHUNK_NUMBER never change once the chunk is linked to its agent: plain reads.
  const chunk = get(words, r + W_CHUNK)
  const slot = (r - chunk - CHUNK_HEADER_WORDS) / RECORD_WORDS
  const chunkNumber = get(words, chunk + C_CHUNK_NUMBER)
  or(words, chunk + C_READY + (slot >> 5), 1 << (slot & 31))
  raise(words, chunk + C_SUMMARY, 1 << (slot >> 5))
  raise(words, agent + A_READY_MIDDLE + (chunkNumber >> 5), 1 << (chunkNumber & 31))
  raise(words, agent + A_READY_ROOT, 1 << (chunkNumber >> 5))
}

/** Wakes an agent that sleeps or idles; one load when it runs. */
export function ring(words: Int32Array, agent: number): void {
  if (load(words, agent + A_MODE) === IDLE && compareExchange(words, agent + A_MODE, IDLE, RUNG) === IDLE) notify(words, agent + A_MODE)
}

/** Whether anything may be ready. */
export function isReady(words: Int32Array, agent: number): boolean {
  return load(words, agent + A_READY_ROOT) !== 0
}

/** Takes every ready bit of an agent, from the top down, and passes the records' word indexes to `take`. `chunks[k]` is the word index of chunk k. */
export function drainReady(words: Int32Array, agent: number, chunks: readonly number[], take: (r: number) => void): void {
  let root = exchange(words, agent + A_READY_ROOT, 0)
  while (root !== 0) {
    const high = 31 - Math.clz32(root & -root)
    root &= root - 1
    let middle = exchange(words, agent + A_READY_MIDDLE + high, 0)
    while (middle !== 0) {
      const chunkNumber = (high << 5) | (31 - Math.clz32(middle & -middle))
      middle &= middle - 1
      const chunk = chunks[chunkNumber]
      if (chunk !== undefined) drainChunk(words, chunk, take)
    }
  }
}

function drainChunk(words: Int32Array, chunk: number, take: (r: number) => void): void {
  let summary = exchange(words, chunk + C_SUMMARY, 0)
  while (summary !== 0) {
    const word = 31 - Math.clz32(summary & -summary)
    summary &= summary - 1
    let bits = exchange(words, chunk + C_READY + word, 0)
    while (bits !== 0) {
      const slot = (word << 5) | (31 - Math.clz32(bits & -bits))
      bits &= bits - 1
      take(chunk + CHUNK_HEADER_WORDS + slot * RECORD_WORDS)
    }
  }
}

/** Sets every summary that has a leaf bit below it: for a reaper, after a setter died on its way up. */
export function raiseAll(words: Int32Array, agent: number, chunks: readonly number[]): void {
  for (let number = 0; number < chunks.length; number++) {
    const chunk = chunks[number]!
    let any = false
    for (let word = 0; word < 32; word++) {
      if (load(words, chunk + C_READY + word) === 0) continue
      raise(words, chunk + C_SUMMARY, 1 << word)
      any = true
    }
    if (!any) continue
    raise(words, agent + A_READY_MIDDLE + (number >> 5), 1 << (number & 31))
    raise(words, agent + A_READY_ROOT, 1 << (number >> 5))
  }
}
