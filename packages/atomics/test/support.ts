/** What several tests of this package use. */
import { agentRecord } from '../src/agents.js'
import { A_STATUS, A_THREAD, PHASE_DEAD, PHASE_FREE, STATUS_SHIFT } from '../src/layout.js'
import { load, store } from '../src/ops.js'
import type { Region } from '../src/region.js'

/** A small reproducible generator (mulberry32): integers below `n`. */
export function randomFrom(seed: number): (n: number) => number {
  let state = seed | 0
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

/** A seed to print: from `HEDDLE_SEED`, or fresh. */
export function testSeed(): number {
  const seed = Number(process.env.HEDDLE_SEED ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`seed ${seed} (repeat with HEDDLE_SEED=${seed})`)
  return seed
}

/** What a host does when it learns that an agent's thread is gone. */
export function declareDead(region: Region, agent: { id: number; generation: number }): void {
  store(region.words, (agentRecord(agent.id) >> 2) + A_STATUS, (agent.generation << STATUS_SHIFT) | PHASE_DEAD)
}

/** What a reaper does last: gives the slot to the next generation. */
export function releaseSlot(region: Region, agent: { id: number; generation: number }): void {
  store(region.words, (agentRecord(agent.id) >> 2) + A_THREAD, 0)
  store(region.words, (agentRecord(agent.id) >> 2) + A_STATUS, ((agent.generation + 1) << STATUS_SHIFT) | PHASE_FREE)
}

/** Whether `bytes` bytes from `at` are zero. */
export function isZero(region: Region, at: number, bytes: number): boolean {
  return region.bytes.subarray(at, at + bytes).every((byte) => byte === 0)
}

/** The status word of an agent's slot. */
export function statusOf(region: Region, id: number): number {
  return load(region.words, (agentRecord(id) >> 2) + A_STATUS)
}
