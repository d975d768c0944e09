/** The failing execution, written for people: a column for each thread, source positions, what each waits for. */
import { install, now } from '@heddle/atomics/ops-model'
import type { Failure, Machine } from './machine.js'
import { DEAD, DONE, LOOPING, NEW, SPINNING, type Thread, WAITING } from './thread.js'
import type { Finding, Step } from './types.js'

/** Frames of the checker itself, and of the switch of heddle's operations under it. */
const own = (import.meta as unknown as { url: string }).url.replace(/[^/]*$/, '').replace(/^file:\/\//, '')
let wrapper: string | undefined
const internal = (frame: string): boolean => frame.includes(own) || frame.includes((wrapper ??= wrapperFile()))

/** The file that the switch is in: as a source, as a build, or in somebody's bundle. */
function wrapperFile(): string {
  let frames: string[] = []
  const restore = install({
    now: () => {
      frames = (new Error().stack ?? '').split('\n')
      return 0
    },
  })
  now()
  restore()
  const [, , frame = ''] = frames
  return fileOf(frame).replace(/:\d+:\d+$/, '') || 'ops-model'
}

function fileOf(frame: string): string {
  return (/\(?((?:file:\/\/)?[^()\s]+:\d+:\d+)\)?\s*$/.exec(frame)?.[1] ?? '').replace(/^file:\/\//, '')
}

function workingDirectory(): string {
  const host = globalThis as { process?: { cwd?: () => string } }
  return host.process?.cwd?.() ?? ''
}

/** Where the code under check called the operation. */
export function callPosition(): string {
  const holder = Error as unknown as { stackTraceLimit?: number }
  const limit = holder.stackTraceLimit
  holder.stackTraceLimit = 40
  const frames = (new Error().stack ?? '').split('\n').slice(1)
  if (limit !== undefined) holder.stackTraceLimit = limit
  const frame = frames.find((line) => !internal(line))
  if (frame === undefined) return ''
  const path = fileOf(frame)
  const directory = workingDirectory()
  return directory !== '' && path.startsWith(directory) ? path.slice(directory.length + 1) : path
}

/** Collects the steps of an execution that is run once more. */
export class Trace {
  readonly steps: (Step & { place: number })[] = []
  readonly tracer: Machine['tracer'] = (thread, name, cell, value, detail) => {
    const shown = value === undefined || value === '' ? '' : ` = ${typeof value === 'string' ? value : show(value)}`
    const text = `${name}${cell === '' ? '' : ` ${cell}`}${detail === '' ? '' : ` (${detail})`}${shown}`
    this.steps.push({ thread: thread.id, text, position: callPosition(), place: thread.length - 1 })
  }
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'object' && value !== null) return '…'
  return String(value)
}

function stateOf(thread: Thread): string {
  switch (thread.state) {
    case NEW:
      return 'not started'
    case WAITING:
      return `waits in wait(${thread.waiter!.queue!.label.replace('waiters of ', '')}) while it is ${thread.waiter!.expected}`
    case SPINNING:
      return `spins on ${[...new Set(thread.watched.map(({ cell }) => cell.label))].join(', ')}`
    case LOOPING:
      return `in its event loop, ${thread.pending.length} pending`
    case DONE:
      return thread.declaredDead ? 'finished, declared dead' : 'finished'
    case DEAD:
      return 'dead'
    default:
      return 'running'
  }
}

const MOST_STEPS = 200

/** Leaves out the laps of a spin loop: a group of up to four steps that comes again and again, from the third time on. */
function withoutLaps(steps: readonly Step[]): Step[] {
  const kept: Step[] = []
  const same = (a: Step | undefined, b: Step | undefined): boolean =>
    a !== undefined && b !== undefined && a.thread === b.thread && a.text === b.text && a.position === b.position
  for (let i = 0; i < steps.length;) {
    let skipped = false
    for (let period = 1; period <= 4 && !skipped; period++) {
      let laps = 0
      while (i >= period && Array.from({ length: period }, (_, n) => same(steps[i + laps * period + n], steps[i - period + n])).every(Boolean)) laps++
      if (laps < 2) continue
      kept.push({ thread: steps[i]!.thread, text: `… ${laps} times more`, position: '' })
      i += laps * period
      skipped = true
    }
    if (!skipped) kept.push(steps[i++]!)
  }
  return kept
}

/** Puts a finding together. `steps` may be shorter than the execution: its end is what matters. */
export function findingOf(name: string, failure: Failure, schedule: string, machine: Machine, steps: readonly (Step & { place: number })[]): Finding {
  const threads = machine.threads.map((thread) => ({ name: thread.name, state: stateOf(thread) }))
  const { raced } = machine
  const other = raced === null ? undefined : steps.find((step) => step.thread === raced.thread && step.place === raced.place)
  const message =
    other === undefined || other.position === '' ? failure.message : `${failure.message}; the other access: ${other.text} at ${other.position}`
  const width = Math.min(56, Math.max(12, ...steps.map(({ text }) => text.length + 2)))
  const lines = [`${failure.kind} in model '${name}': ${message}`, '']
  lines.push(`  ${threads.map((thread) => thread.name.padEnd(width)).join('')}at`)
  const shown = withoutLaps(steps)
  if (shown.length > MOST_STEPS) lines.push(`  … ${shown.length - MOST_STEPS} steps before these`)
  for (const { thread, text, position } of shown.slice(-MOST_STEPS)) {
    const cut = text.length >= width ? `${text.slice(0, width - 2)}…` : text
    lines.push(`  ${' '.repeat(width * thread)}${cut.padEnd(width * (threads.length - thread))}${position}`)
  }
  lines.push('', ...threads.map((thread) => `  ${thread.name}: ${thread.state}`), '', `  replay('${schedule}', body)`)
  const finding = {
    kind: failure.kind,
    message,
    schedule,
    steps: steps.map(({ thread, text, position }) => ({ thread, text, position })),
    threads,
    text: lines.join('\n'),
  }
  return failure.cause === undefined ? finding : { ...finding, cause: failure.cause }
}
