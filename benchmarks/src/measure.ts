/** Measuring inside one process: one sample of one case. */
import { Bench } from 'tinybench'
import { median } from './statistics.js'
import { type Case, type Contender, SizedResult, TimedResult } from './suite.js'

/** How long things take; quick is for looking, and for tests of the harness. */
export interface Effort {
  /** Processes. */
  readonly samples: number
  /** Time that each contender gets in a process, in ms. */
  readonly time: number
  readonly warmup: number
}

export const FULL: Effort = { samples: 7, time: 150, warmup: 100 }
export const QUICK: Effort = { samples: 2, time: 30, warmup: 60 }

/** Nanoseconds or bytes for one iteration, by contender. */
export type Sample = Record<string, number>

type AnyContender = Contender

/** One sample of the given contenders, in this order; each must be among the case's and available. */
export async function measure(benchCase: Case, names: readonly string[], effort: Effort): Promise<Sample> {
  const contenders = names.map((name) => {
    const found = benchCase.contenders.find((candidate) => candidate.name === name) as AnyContender | undefined
    if (found === undefined) throw new Error(`no contender '${name}' in '${benchCase.name}'`)
    return found
  })
  if (benchCase.measures === 'bytes') return measureBytes(contenders[0]!, benchCase.iterations)
  return benchCase.isolation === 'shared'
    ? measureTogether(contenders, benchCase.iterations, effort)
    : measureAlone(contenders[0]!, benchCase.iterations, effort)
}

/** Work on one thread, by tinybench: median over runs of many iterations, so that the clock's cost and resolution don't matter. */
async function measureTogether(all: readonly AnyContender[], iterations: number, effort: Effort): Promise<Sample> {
  const contenders = all.filter(({ external }) => external !== true)
  const bench = new Bench({ time: effort.time, warmupTime: effort.warmup, throws: true })
  const states = await Promise.all(contenders.map((contender) => contender.setup?.()))
  const failures: Error[] = []
  contenders.forEach((contender, i) => {
    const state = states[i]
    let last: unknown
    bench.add(
      contender.name,
      () => {
        last = contender.run(state, iterations)
        if (last instanceof TimedResult) return overridden(last)
        return last instanceof Promise
          ? last.then((value: unknown) => ((last = value), value instanceof TimedResult ? overridden(value) : undefined))
          : undefined
      },
      {
        // What an error in this hook does is the bench's affair; the first one is kept.
        afterEach: () => {
          if (failures.length === 0) collectFailure(failures, contender, last instanceof TimedResult ? last.value : last, iterations, state)
        },
      },
    )
  })
  await bench.run()
  for (const [i, contender] of contenders.entries()) await contender.teardown?.(states[i])
  if (failures[0] !== undefined) throw failures[0]
  const sample = Object.fromEntries(
    bench.tasks.map((task) => {
      if (task.result.state !== 'completed') throw new Error(`'${task.name}' did not complete: ${task.result.state}`)
      return [task.name, (task.result.latency.p50 * 1e6) / iterations]
    }),
  )
  for (const contender of all) if (contender.external === true) Object.assign(sample, await measureAlone(contender, iterations, effort))
  return sample
}

/** Makes tinybench take a result's own duration for the run's. */
function overridden(result: TimedResult<unknown>): { overriddenDuration: number } {
  return { overriddenDuration: result.nanoseconds / 1e6 }
}

/** Work that crosses threads: the runs of one contender in this process, whose median is the sample. */
async function measureAlone(contender: AnyContender, iterations: number, effort: Effort): Promise<Sample> {
  const state = await contender.setup?.()
  const failures: Error[] = []
  const once = async (): Promise<number> => {
    const begin = process.hrtime.bigint()
    const pending = contender.run(state, iterations)
    const result = pending instanceof Promise ? await pending : pending
    const nanoseconds = Number(process.hrtime.bigint() - begin)
    const timed = result instanceof TimedResult ? result : undefined
    collectFailure(failures, contender, timed === undefined ? result : timed.value, iterations, state)
    if (failures[0] !== undefined) throw failures[0]
    return (timed?.nanoseconds ?? nanoseconds) / iterations
  }
  try {
    const runs: number[] = []
    const warm = performance.now() + effort.warmup
    do await once()
    while (performance.now() < warm)
    const end = performance.now() + effort.time
    do runs.push(await once())
    while (performance.now() < end || runs.length < 5)
    return { [contender.name]: median(runs) }
  } finally {
    await contender.teardown?.(state)
  }
}

/** What the work holds: one run, since a second would find what the first has left to the engine. */
async function measureBytes(contender: AnyContender, iterations: number): Promise<Sample> {
  const state = await contender.setup?.()
  try {
    const result = await contender.run(state, iterations)
    if (!(result instanceof SizedResult)) throw new Error(`'${contender.name}' returned no SizedResult`)
    const failures: Error[] = []
    collectFailure(failures, contender, result.value, iterations, state)
    if (failures[0] !== undefined) throw failures[0]
    return { [contender.name]: result.bytes / iterations }
  } finally {
    await contender.teardown?.(state)
  }
}

function collectFailure(failures: Error[], contender: AnyContender, result: unknown, iterations: number, state: unknown): void {
  try {
    contender.check(result, iterations, state)
  } catch (error) {
    failures.push(new Error(`'${contender.name}': ${error instanceof Error ? error.message : String(error)}`))
  }
}
