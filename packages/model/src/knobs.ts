/**
 * What the environment says about checks, and the files that they keep. Only where the host has `process` and a file system;
 * elsewhere nothing is read and nothing is kept.
 *
 *   HEDDLE_MODEL_REPLAY       a schedule: every model runs it instead of searching (use it with one test)
 *   HEDDLE_MODEL_PREEMPTIONS  bound for every model: a number, or none
 *   HEDDLE_MODEL_EXECUTIONS   `maxExecutions` for every model
 *   HEDDLE_MODEL_TIME         `maxTime` for every model, in milliseconds
 *   HEDDLE_MODEL_SEED         `seed` for every model
 *   HEDDLE_MODEL_SCHEDULES    `schedules` for every model: full checks the reduction, and measures it
 *   HEDDLE_MODEL_CACHE        `cache` for every model: 1 or 0
 *   HEDDLE_MODEL_REPORT       a file: each check adds its report to it, as a line of JSON
 *   HEDDLE_MODEL_FULL         1: `full` is true, and models choose their larger setting
 */
import { callPosition } from './trace.js'
import type { ModelOptions, Report } from './types.js'

interface Files {
  existsSync(path: string): boolean
  readFileSync(path: string, encoding: 'utf8'): string
  appendFileSync(path: string, text: string): void
  mkdirSync(path: string, options: { recursive: true }): void
}
interface Host {
  env?: Record<string, string | undefined>
  getBuiltinModule?: (name: string) => Files
}

const host = (globalThis as { process?: Host }).process
const env = (name: string): string | undefined => {
  const value = host?.env?.[`HEDDLE_MODEL_${name}`]
  return value === '' ? undefined : value
}
const files = (): Files | undefined => host?.getBuiltinModule?.('node:fs')

/** Whether the long checks were asked for: `HEDDLE_MODEL_FULL=1`. */
export const full: boolean = env('FULL') === '1'

/** The schedule to run instead of a search. */
export const replayWanted = (): string | undefined => env('REPLAY')

/** The options, with what the environment overrides. */
export function withEnvironment(options: ModelOptions): ModelOptions {
  const result = { ...options }
  const number = (name: string): number | undefined => {
    const text = env(name)
    if (text === undefined) return undefined
    const value = text === 'none' ? Infinity : Number(text)
    if (Number.isNaN(value) || value < 0) throw new RangeError(`HEDDLE_MODEL_${name} must be a number, got '${text}'`)
    return value
  }
  const preemptions = number('PREEMPTIONS')
  const maxExecutions = number('EXECUTIONS')
  const maxTime = number('TIME')
  const seed = number('SEED')
  const schedules = env('SCHEDULES')
  if (schedules === 'full' || schedules === 'random' || schedules === 'pct' || schedules === 'dpor') result.schedules = schedules
  else if (schedules !== undefined) throw new RangeError(`HEDDLE_MODEL_SCHEDULES must be dpor, full, random or pct, got '${schedules}'`)
  if (preemptions !== undefined) result.preemptions = preemptions
  if (env('CACHE') !== undefined) result.cache = env('CACHE') === '1'
  if (maxExecutions !== undefined) result.maxExecutions = maxExecutions
  if (maxTime !== undefined) result.maxTime = maxTime
  if (seed !== undefined) result.seed = seed
  return result
}

/** Adds a report to the file that the environment names. */
export function record(report: Report): void {
  const path = env('REPORT')
  if (path === undefined) return
  const { outcomes, finding, bound, ...rest } = report
  files()?.appendFileSync(
    path,
    `${JSON.stringify({ ...rest, at: callPosition(), bound: String(bound), outcomes: outcomes.size, finding: finding?.kind ?? null })}\n`,
  )
}

const fileOf = (folder: string, name: string): string =>
  `${folder}/${name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')}.schedules`

/** Schedules that made this model fail before. */
export function savedSchedules(folder: string, name: string): string[] {
  const path = fileOf(folder, name)
  const system = files()
  if (system === undefined || !system.existsSync(path)) return []
  return system
    .readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** Keeps a schedule that made the model fail, once. */
export function saveSchedule(folder: string, name: string, schedule: string, why: string): void {
  const system = files()
  if (system === undefined || savedSchedules(folder, name).includes(schedule)) return
  system.mkdirSync(folder, { recursive: true })
  system.appendFileSync(fileOf(folder, name), `# ${why.split('\n')[0]!}\n${schedule}\n`)
}
