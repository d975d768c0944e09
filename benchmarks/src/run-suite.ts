/** Running a suite: fresh processes for its samples, medians and ratios over them. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Effort, type Sample } from './measure.js'
import { median, spread } from './statistics.js'
import { type Case, type Contender, type Suite, type Target } from './suite.js'

/** What a sample's process is told. */
export interface SampleRequest {
  /** URL of the module that exports the suite. */
  readonly suite: string
  readonly case: string
  readonly contenders: readonly string[]
  readonly effort: Effort
  readonly exposesGc: boolean
}

/** A line of the report. */
export interface Row {
  /** `case · contender`, unique in the suite. */
  readonly name: string
  /** Median over the samples, for one iteration: this or `bytes`. */
  readonly ns?: number
  readonly bytes?: number
  /** Width of the middle half of the samples, as a share of the median. */
  readonly spread: number
  /** Median over the samples of "this one to the floor", each ratio taken within one sample; absent for the floor itself. */
  readonly ratio?: number
  /** The floor's contender. */
  readonly floor?: string
  readonly target?: string
  /** Whether the target was reached; absent without one. */
  readonly met?: boolean
  /** What one iteration is. */
  readonly unit: string
}

/** Options of a run. */
export interface RunOptions {
  readonly effort: Effort
  /** Only cases whose name contains this. */
  readonly only?: string
  /** Told of each case when it is done, and of each contender that is left out. */
  readonly onCase?: (rows: readonly Row[], benchCase: Case) => void
  readonly onSkip?: (line: string) => void
}

/** A sample that takes this long hangs: a lost wake, usually. */
const LIMIT = 120_000

/** Runs all cases of the suite that the module at `url` exports. A wrong result in any run, or a process that fails or hangs, rejects. */
export async function runSuite(url: string, options: RunOptions): Promise<{ suite: Suite; rows: Row[] }> {
  const { suite } = (await import(url)) as { suite: Suite }
  const rows: Row[] = []
  for (const benchCase of suite.cases) {
    if (options.only !== undefined && !benchCase.name.includes(options.only)) continue
    const names = available(benchCase, options)
    if (names.length === 0) continue
    const samples: Sample[] = []
    for (let i = 0; i < options.effort.samples; i++) samples.push(await takeSample(url, benchCase, rotate(names, i), options.effort))
    const caseRows = names.map((name) => toRow(benchCase, name, samples))
    rows.push(...caseRows)
    options.onCase?.(caseRows, benchCase)
  }
  return { suite, rows }
}

function available(benchCase: Case, options: RunOptions): string[] {
  return benchCase.contenders
    .filter((contender) => {
      const why = contender.unavailable?.()
      if (why !== undefined) options.onSkip?.(`${benchCase.name} · ${contender.name}: left out, ${why}`)
      return why === undefined
    })
    .map(({ name }) => name)
}

/** So that no contender always runs first. */
function rotate(names: readonly string[], by: number): string[] {
  const at = by % names.length
  return [...names.slice(at), ...names.slice(0, at)]
}

async function takeSample(suite: string, benchCase: Case, contenders: readonly string[], effort: Effort): Promise<Sample> {
  const request = { suite, case: benchCase.name, effort, exposesGc: benchCase.measures === 'bytes' }
  if (benchCase.isolation === 'shared' && benchCase.measures !== 'bytes') return runChild({ ...request, contenders })
  const sample: Sample = {}
  for (const name of contenders) Object.assign(sample, await runChild({ ...request, contenders: [name] }))
  return sample
}

async function runChild(request: SampleRequest): Promise<Sample> {
  const child = fork(new URL('../src/child.js', import.meta.url), [JSON.stringify(request)], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    execArgv: request.exposesGc ? ['--expose-gc'] : [],
  })
  let complaints = ''
  let sample: Sample | undefined
  child.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  child.on('message', (message) => (sample = message as Sample))
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  const what = `${request.case} · ${request.contenders.join(', ')}`
  if (signal === 'SIGKILL') throw new Error(`${what}: no result within ${LIMIT / 1000} s\n${complaints}`)
  if (code !== 0 || sample === undefined) throw new Error(`${what}: the process ended with ${code ?? signal ?? 'nothing'}\n${complaints}`)
  return sample
}

function toRow(benchCase: Case, name: string, samples: readonly Sample[]): Row {
  const { target } = benchCase.contenders.find((contender) => contender.name === name) as Contender<never>
  const times = samples.map((sample) => sample[name]!)
  // What can't run here is no floor.
  const floor = benchCase.floor !== undefined && benchCase.floor in samples[0]! ? benchCase.floor : undefined
  const ratio = floor === undefined || floor === name ? undefined : median(samples.map((sample) => sample[name]! / sample[floor]!))
  const value = median(times)
  return {
    name: `${benchCase.name} · ${name}`,
    ...(benchCase.measures === 'bytes' ? { bytes: value } : { ns: value }),
    spread: spread(times),
    ...(ratio === undefined ? {} : { ratio, floor: floor! }),
    ...(target === undefined ? {} : verdict(target, name, value, ratio, floor, samples)),
    unit: benchCase.unit,
  }
}

function verdict(
  target: Target,
  name: string,
  value: number,
  ratio: number | undefined,
  floor: string | undefined,
  samples: readonly Sample[],
): Pick<Row, 'target' | 'met'> {
  if ('ns' in target) return { target: `<= ${target.ns} ns`, met: value <= target.ns }
  if ('bytes' in target) return { target: `<= ${target.bytes} bytes`, met: value <= target.bytes }
  if (target.to === undefined) return { target: `<= ${target.ratio} x ${floor ?? ''}`.trimEnd(), met: (ratio ?? 1) <= target.ratio }
  const rivals = target.to.filter((rival) => rival in samples[0]!)
  if (rivals.length === 0) return {}
  const toBest = median(samples.map((sample) => sample[name]! / Math.min(...rivals.map((rival) => sample[rival]!))))
  return { target: `<= ${target.ratio} x ${rivals.join(' or ')} (${toBest.toFixed(2)})`, met: toBest <= target.ratio }
}
