/**
 * What a lock counts in a region with metrics.
 *
 * Layout     a block of its own, 64-bit: +0 acquisitions · +8 contended · +16 parked · +24 waited, µs · +32 held, µs · +40 taken at, µs
 *            since the epoch (by the owner of the lock word only: a reader beside an upgradable one must not change it)
 * Cost       None without metrics: there, OBSERVED is clear in the lock word, and nothing here is called. With metrics every operation
 *            takes the slow path.
 */
import { add64, load64, now, store64 } from '@heddle/atomics/ops'
import { InvalidArgumentError, type Region } from '@heddle/atomics'

/** What happened to a lock since it was made, in all agents. */
export interface LockMetrics {
  /** How often it was taken. */
  readonly acquisitions: number
  /** How often it was not to be had at once. */
  readonly contended: number
  /** How often somebody had to wait in its queue. */
  readonly parked: number
  /** Milliseconds that all waits took together. */
  readonly waitTime: number
  /** Milliseconds that it was held, all holds together; a hold that lasts is not counted yet. */
  readonly holdTime: number
}

/** Bytes of a block. */
export const METRICS_BYTES = 48
const ACQUISITIONS = 0
const CONTENDED = 1
const PARKED = 2
const WAITED = 3
const HELD = 4
const TAKEN_AT = 5

/** What an operation knows of its wait. */
export interface Waited {
  readonly startedAt: number
  readonly contended: boolean
  readonly parked: boolean
  /** Whether it goes on with a hold that began before: an upgrade. */
  readonly continues?: boolean
}

function microseconds(ms: number): bigint {
  return BigInt(Math.max(0, Math.round(ms * 1000)))
}

/** The lock at `at` (a byte offset of its block) was taken; `exclusive`: its word is the agent's now. */
export function countTaken(region: Region, at: number, waited: Waited | undefined, exclusive = true): void {
  const words = region.words64
  const first = at >> 3
  add64(words, first + ACQUISITIONS, 1n)
  if (exclusive && waited?.continues !== true) store64(words, first + TAKEN_AT, microseconds(now()))
  if (waited === undefined || !waited.contended) return
  add64(words, first + CONTENDED, 1n)
  if (waited.parked) add64(words, first + PARKED, 1n)
  add64(words, first + WAITED, microseconds(now() - waited.startedAt))
}

/** An exclusive hold ends; by its owner, before it releases. */
export function countReleased(region: Region, at: number): void {
  const words = region.words64
  const first = at >> 3
  add64(words, first + HELD, microseconds(now()) - load64(words, first + TAKEN_AT))
}

/** A shared hold that began at `since` (as `now()`) ends. */
export function countSharedHold(region: Region, at: number, since: number): void {
  add64(region.words64, (at >> 3) + HELD, microseconds(now() - since))
}

/** The figures. @throws InvalidArgumentError when there is no block, since the region has no metrics */
export function readMetrics(region: Region, at: number): LockMetrics {
  if (at === 0) throw new InvalidArgumentError('this region keeps no metrics: make it with Region.create({ metrics: true })')
  const first = at >> 3
  const read = (index: number): number => Number(load64(region.words64, first + index))
  return {
    acquisitions: read(ACQUISITIONS),
    contended: read(CONTENDED),
    parked: read(PARKED),
    waitTime: read(WAITED) / 1000,
    holdTime: read(HELD) / 1000,
  }
}
