/** The public functions: `model`, `check`, `replay`. */
import { Region } from '@heddle/atomics'
import * as ops from '@heddle/atomics/ops'
import { install } from '@heddle/atomics/ops-model'
import { swapGlobals } from './globals.js'
import { record, replayWanted, saveSchedule, savedSchedules, withEnvironment } from './knobs.js'
import { type Call, isLinearizable, printHistory } from './linearize.js'
import { Machine } from './machine.js'
import { asAtomics, asOps } from './bindings.js'
import { ModelledOps } from './modelled-ops.js'
import { describe } from './native.js'
import { parseSchedule, printSchedule } from './schedule.js'
import { Search } from './search.js'
import { DEAD, DONE, NEW, type SpawnOptions } from './thread.js'
import { findingOf, Trace } from './trace.js'
import type { Body, Finding, ModelContext, ModelOptions, Report, ThreadHandle } from './types.js'

/** A model failed: `finding` has the kind, the steps and the schedule; the message is the whole of it. */
export class ModelFailure extends Error {
  readonly code = 'ERR_MODEL'
  /** The bug. */
  readonly finding: Finding
  constructor(
    finding: Finding,
    /** What had been covered until then. */
    readonly report: Report,
  ) {
    super(finding.text, finding.cause === undefined ? undefined : { cause: finding.cause })
    this.name = 'ModelFailure'
    this.finding = finding
  }
}

let running = false

/** An outcome as text; '' for what is no plain data (what an assertion library returns, say). */
function outcomeKey(outcome: unknown): string {
  if (outcome === undefined || typeof outcome === 'function') return ''
  if (typeof outcome === 'object' && outcome !== null && !Array.isArray(outcome) && Object.getPrototypeOf(outcome) !== Object.prototype) return ''
  try {
    return JSON.stringify(outcome) ?? ''
  } catch {
    return ''
  }
}

/** One machine with the world swapped around it. */
class Session {
  readonly machine: Machine
  readonly outcomes = new Map<string, number>()
  private readonly ops: ModelledOps
  private calls: Call[] = []
  private specification: (() => object) | null = null
  private region: Region | null = null

  constructor(
    private readonly body: Body,
    private readonly options: ModelOptions,
    search: Search,
  ) {
    this.machine = new Machine(search, options)
    this.ops = new ModelledOps(this.machine)
  }

  /** Runs `act` with modelled memory, clock and limits in place; puts everything back, also after a failure. */
  inside<T>(act: () => T): T {
    if (running) throw new Error('heddle model: a model can not run inside a model')
    running = true
    const limits = ops.limits as Record<string, number>
    const formerLimits = { ...limits }
    for (const key of Object.keys(limits)) limits[key] = 1
    const uninstall = install(asOps(this.ops))
    const restore = swapGlobals(this.ops, asAtomics(this.ops))
    try {
      return act()
    } finally {
      restore()
      uninstall()
      Object.assign(limits, formerLimits)
      running = false
    }
  }

  /** One execution. */
  execute(): void {
    const { machine } = this
    machine.begin()
    this.ops.recycle()
    this.calls = []
    this.specification = null
    this.region = null
    const final = this.body(this.context())
    machine.run()
    if (machine.failure !== null || machine.search.pruned) return
    machine.current = null
    try {
      const outcome = final?.()
      const key = outcomeKey(outcome)
      this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1)
    } catch (error) {
      machine.fail('assertion', `the final check threw ${describe(error)}`, error)
    }
    if (machine.failure === null && this.specification !== null && !isLinearizable(this.calls, this.specification)) {
      const names = machine.threads.map(({ name }) => name)
      machine.fail('not-linearizable', `no order of these calls fits the sequential specification:\n${printHistory(this.calls, names)}`)
    }
    if (machine.failure === null && this.options.leaks !== false) machine.lookForLeaks()
    if (machine.execution === 1 && machine.failure === null) machine.audit()
  }

  private context(): ModelContext {
    const region = (): Region => this.openRegion()
    const { machine, ops: modelled } = this
    return {
      get region() {
        return region()
      },
      spawn: (run, options) => this.spawn(run, options),
      choose: (n) => {
        if (!Number.isInteger(n) || n < 1) throw new RangeError(`choose needs a positive integer, got ${n}`)
        return modelled.choose(n)
      },
      clock: { now: () => modelled.now(), advance: (milliseconds) => modelled.advance(milliseconds) },
      shared: {
        get: (view, index) => modelled.get(view, index) as number,
        set: (view, index, value) => modelled.set(view, index, value),
      },
      abortSignal: () => modelled.abortSignal(),
      leaks: (find) => {
        machine.made.push({ leak: find })
      },
      linearize: (specification, methods) => {
        if (machine.current !== null) throw new Error('heddle model: linearize is for the body, not for its threads')
        this.specification = specification
        return this.recorded(methods)
      },
    }
  }

  private openRegion(): Region {
    if (!('install' in ops)) {
      throw new Error(
        "heddle model: @heddle/atomics was loaded without the import condition 'heddle-model', so its operations can't be seen: set resolve.conditions in vitest, or node --conditions=heddle-model",
      )
    }
    this.region ??= Region.create({ bytes: this.options.regionBytes ?? 256 * 1024, agents: this.options.regionAgents ?? 8 })
    return this.region
  }

  private spawn<T>(run: (dead: number) => T, options: SpawnOptions = {}): ThreadHandle<T> {
    const { machine } = this
    if (machine.current !== null || machine.threads.length > 0) throw new Error('heddle model: spawn is for the body, before its threads run')
    const before = options.before === undefined ? () => this.enrol() : options.before
    const index = machine.spawn(run, { ...options, before })
    return {
      index,
      get result() {
        return machine.threads[index]!.result as T
      },
      get outcome() {
        const { state } = machine.threads[index]!
        return state === DONE ? 'finished' : state === DEAD ? 'dead' : state === NEW ? 'not-started' : 'running'
      },
    }
  }

  /** Registers the thread's agent, so that agents have the same ids in every execution. */
  private enrol(): void {
    if (this.region === null) return
    Region.useAsDefault(this.region)
    this.region.self.get()
  }

  private recorded<M extends Record<string, (...args: never[]) => unknown>>(methods: M): M {
    const wrapped: Record<string, (...args: never[]) => unknown> = {}
    for (const [name, method] of Object.entries(methods)) {
      wrapped[name] = (...args) => {
        const { current } = this.machine
        if (current === null) return method(...args)
        const at = this.ops.mark(false, (start) => this.calls.push({ thread: current.id, name, args, result: undefined, start, end: Infinity }) - 1)
        const result = method(...args)
        this.ops.mark(true, (end) => {
          const call = this.calls[at]!
          call.end = end
          call.result = result
          return at
        })
        return result
      }
    }
    return wrapped as M
  }
}

const DEFAULT_EXECUTIONS = 2_000_000
const DEFAULT_DRAWN = 2_000

const milliseconds = (): number => performance.now()

/**
 * Explores a body's interleavings and reports; a bug is in `report.finding`. `model` throws it instead.
 *
 * Blocks the calling agent until the search ends. Cost: some microseconds for each operation of each execution.
 *
 * @throws what the body itself throws outside of its threads; Error when a model is running already, RangeError for an
 *   environment variable that is no number.
 * @example
 * const { finding } = check('a lost update', ({ spawn }) => {
 *   const words = new Int32Array(new SharedArrayBuffer(4))
 *   for (let i = 0; i < 2; i++) spawn(() => Atomics.store(words, 0, Atomics.load(words, 0) + 1))
 *   return () => {
 *     if (words[0] !== 2) throw new Error(`counted ${words[0]}`)
 *   }
 * })
 * console.log(finding?.kind)        // assertion
 */
export function check(name: string, body: Body, options: ModelOptions = {}): Report {
  const settings = withEnvironment(options)
  const { regressions } = settings
  const wanted = replayWanted()
  for (const schedule of wanted !== undefined ? [wanted] : regressions === undefined ? [] : savedSchedules(regressions, name)) {
    const report = recheck(name, body, settings, schedule)
    if (wanted === undefined && report.finding === undefined) continue
    record(report)
    return report
  }
  const report = search(name, body, settings)
  if (report.finding !== undefined && regressions !== undefined)
    saveSchedule(regressions, name, report.finding.schedule, `${report.finding.kind}: ${report.finding.message}`)
  record(report)
  return report
}

/** One execution, by a schedule. */
function recheck(name: string, body: Body, options: ModelOptions, schedule: string): Report {
  const started = milliseconds()
  const { schedule: parsed, options: own } = parseSchedule(schedule)
  const { machine, steps } = follow(body, { ...options, ...own }, parsed)
  return {
    name,
    executions: 1,
    pruned: 0,
    steps: machine.steps,
    states: machine.search.states,
    bound: Infinity,
    complete: false,
    boundReached: false,
    longest: machine.longest,
    restarts: 0,
    revisits: 0,
    milliseconds: milliseconds() - started,
    outcomes: new Map(),
    finding: machine.failure === null ? undefined : findingOf(name, machine.failure, schedule, machine, steps),
  }
}

function search(name: string, body: Body, options: ModelOptions): Report {
  const strategy = options.schedules ?? 'dpor'
  const drawn = strategy === 'random' || strategy === 'pct'
  const bound = options.preemptions ?? 2
  const explorer = new Search(strategy, bound, options.seed ?? 1, undefined, options.depth ?? 3, options.cache ?? false)
  const session = new Session(body, options, explorer)
  const { machine } = session
  const limit = options.maxExecutions ?? (drawn ? DEFAULT_DRAWN : DEFAULT_EXECUTIONS)
  const started = milliseconds()
  let executions = 0
  let pruned = 0
  let restarts = 0
  let exhausted = false
  session.inside(() => {
    for (;;) {
      session.execute()
      if (options.threads !== undefined && machine.threads.length !== options.threads)
        throw new Error(`model '${name}' says threads: ${options.threads}, its body spawned ${machine.threads.length}`)
      if (explorer.pruned) pruned++
      else executions++
      if (machine.failure !== null) break
      if (machine.stale) {
        machine.stale = false
        restarts++
        session.outcomes.clear()
        explorer.restart()
      } else if (!explorer.next()) {
        exhausted = true
        break
      }
      if (executions >= limit || (options.maxTime !== undefined && milliseconds() - started > options.maxTime)) break
    }
  })
  return {
    name,
    executions,
    pruned,
    steps: machine.stepsTotal,
    states: explorer.states,
    bound,
    complete: exhausted,
    boundReached: explorer.bounded,
    longest: machine.longest,
    restarts,
    revisits: explorer.revisits,
    milliseconds: milliseconds() - started,
    outcomes: session.outcomes,
    finding: machine.failure === null ? undefined : explain(name, body, options, machine),
  }
}

/** Runs the failing execution once more, looking closely. */
function explain(name: string, body: Body, options: ModelOptions, machine: Machine): Finding {
  const failure = machine.failure!
  const taken = machine.search.taken()
  const schedule = printSchedule(taken, options)
  const again = follow(body, options, taken)
  const same = again.machine.failure?.kind === failure.kind
  if (same) return findingOf(name, { ...failure, message: again.machine.failure!.message }, schedule, again.machine, again.steps)
  if (failure.kind === 'nondeterminism') return findingOf(name, failure, schedule, machine, [])
  const message = `${failure.message} (and the body did not do the same when the schedule was replayed: ${again.machine.failure?.kind ?? 'it passed'}; it keeps state from one execution to the next)`
  return findingOf(name, { ...failure, message }, schedule, machine, again.steps)
}

export function follow(body: Body, options: ModelOptions, schedule: ReturnType<Search['taken']>): { machine: Machine; steps: Trace['steps'] } {
  const session = new Session(body, options, new Search('replay', Infinity, options.seed ?? 1, schedule))
  const { machine } = session
  const trace = new Trace()
  machine.everywhere = true
  machine.tracer = trace.tracer
  session.inside(() => session.execute())
  return { machine, steps: trace.steps }
}

/**
 * Checks a body over its interleavings: the main entrance.
 *
 * Blocks the calling agent until the search ends.
 *
 * @throws ModelFailure with the first bug found; what `check` throws.
 * @example
 * const report = model('a counter', ({ spawn }) => {
 *   const words = new Int32Array(new SharedArrayBuffer(4))
 *   for (let i = 0; i < 2; i++) spawn(() => Atomics.add(words, 0, 1))
 *   return () => {
 *     if (words[0] !== 2) throw new Error(`counted ${words[0]}`)
 *   }
 * })
 * console.log(report.complete)      // true
 */
export function model(name: string, body: Body, options: ModelOptions = {}): Report {
  const report = check(name, body, options)
  if (report.finding !== undefined) throw new ModelFailure(report.finding, report)
  return report
}

/**
 * Runs one execution of the body, by the schedule that a finding printed.
 *
 * @returns what it found, or undefined when the execution passes.
 * @throws Error for text that is no schedule, or one that this body can't follow.
 * @example
 * const body: Body = ({ spawn }) => {
 *   const words = new Int32Array(new SharedArrayBuffer(4))
 *   for (let i = 0; i < 2; i++) spawn(() => Atomics.store(words, 0, Atomics.load(words, 0) + 1))
 *   return () => {
 *     if (words[0] !== 2) throw new Error(`counted ${words[0]}`)
 *   }
 * }
 * console.log(replay('h1:;A1.B2.A+', body)?.kind)      // assertion
 */
export function replay(schedule: string, body: Body, options: ModelOptions = {}): Finding | undefined {
  const { schedule: parsed, options: own } = parseSchedule(schedule)
  const { machine, steps } = follow(body, { ...options, ...own }, parsed)
  if (machine.failure !== null) return findingOf('replay', machine.failure, schedule, machine, steps)
  if (machine.search.strayed) throw new Error('the body can not follow this schedule: it was recorded for another version of it')
  return undefined
}
