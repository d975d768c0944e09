/** Workers that each run a whole scenario (fixtures/scenario.worker.ts) against shared objects, and tell what came of it. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Region, SharedObject } from '@heddle/atomics'
import { Agent, reapThread } from '@heddle/park/internal'

/** What a scenario gets: shared objects by name, and numbers and flags. */
export interface ScenarioData {
  readonly objects: Readonly<Record<string, SharedObject>>
  readonly [setting: string]: unknown
}

/** Workers under way. */
export interface Crew {
  /** What each returned, once all have ended and were reaped. */
  readonly results: Promise<unknown[]>
}

/** Starts a worker for each of `scenarios`; they begin as soon as each of them can. */
export function startCrew(region: Region, scenarios: readonly string[], { objects, ...settings }: ScenarioData): Crew {
  const handles = Object.fromEntries(Object.entries(objects).map(([name, object]) => [name, object.toHandle()]))
  const results = scenarios.map(async (scenario, index) => {
    const worker = new Worker(new URL('../.fixtures/scenario.js', import.meta.url), {
      workerData: { scenario, index, buffer: region.buffer, handles, settings },
    })
    const { threadId } = worker
    const answer: { value?: unknown; told: boolean } = { told: false }
    worker.on('message', (value) => Object.assign(answer, { value, told: true }))
    // `once` rejects with what the worker throws.
    const gone = once(worker, 'exit')
    try {
      await gone
    } finally {
      reapThread(Agent.of(region), threadId)
    }
    if (!answer.told) throw new Error(`the worker of '${scenario}' ended without an answer`)
    return answer.value
  })
  return { results: Promise.all(results) }
}

/** Runs a scenario in so many workers at the same time. @returns what each returned */
export function runCrew(region: Region, scenario: string, count: number, data: ScenarioData): Promise<unknown[]> {
  return startCrew(region, Array<string>(count).fill(scenario), data).results
}
