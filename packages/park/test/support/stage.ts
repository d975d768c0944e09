/** What the tests of park share: a region, a look at its records, a token, and real workers that do as they are told. */
import { Worker } from 'node:worker_threads'
import { Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, FREE, phaseOf, W_STATE, WAITING } from '@heddle/park/internal'
import { expect, onTestFinished } from 'vitest'
import { forEachRecord } from '../../src/slab.js'
import type { Outcome, Step } from './steps.js'

/** A small region of its own. */
export function makeRegion(agents = 16): Region {
  return Region.create({ bytes: 1 << 22, agents })
}

function count(region: Region, matches: (phase: number) => boolean): number {
  let found = 0
  forEachRecord(region.words, region.agents, (r) => {
    if (matches(phaseOf(load(region.words, r + W_STATE)))) found++
  })
  return found
}

/** How many waiters of the region may be claimed now. */
export function waiting(region: Region): number {
  return count(region, (phase) => phase === WAITING)
}

/** How many records of the region are in use. */
export function recordsInUse(region: Region): number {
  return count(region, (phase) => phase !== FREE)
}

/** Lets the event loop turn until `condition` holds; the test's time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Lets every event that is under way arrive. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Every record is back, here and elsewhere. */
export function expectNothingLeft(region: Region): void {
  expect(recordsInUse(region), 'waiter records in use').toBe(0)
  expect(Agent.of(region).slab.used).toBe(0)
}

/** A worker that does one step after another and says what came of each. */
export class Crew {
  readonly worker: Worker
  readonly exited: Promise<number>
  private readonly outcomes: Outcome[] = []
  private readonly asked: ((outcome: Outcome) => void)[] = []

  constructor(region: Region, host: 'universal' | 'node' = 'universal', fixture: 'crew' | 'locks' = 'crew') {
    this.worker = new Worker(new URL(`../.fixtures/${fixture}.js`, import.meta.url), { workerData: { buffer: region.buffer, host } })
    this.worker.on('message', (outcome: Outcome) => {
      const next = this.asked.shift()
      if (next === undefined) this.outcomes.push(outcome)
      else next(outcome)
    })
    this.exited = new Promise((resolve) => this.worker.on('exit', resolve))
    onTestFinished(async () => void (await this.worker.terminate()))
  }

  /** Tells it what to do next. */
  tell(...steps: Step[]): this {
    for (const step of steps) this.worker.postMessage(step)
    return this
  }

  /** The outcome of the next step that has not been asked for. */
  outcome(): Promise<Outcome> {
    const next = this.outcomes.shift()
    return next === undefined ? new Promise((resolve) => this.asked.push(resolve)) : Promise.resolve(next)
  }

  /** Tells it one thing and waits for what comes of it. */
  do(step: Step): Promise<Outcome> {
    this.tell(step)
    return this.outcome()
  }
}
