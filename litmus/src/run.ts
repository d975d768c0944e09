/** The test's side: starts real workers, collects what they saw, prints the outcome table. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { REGISTERS, type RunData, SIZES } from './program.js'

/** How long a memory-model program runs, in milliseconds. */
const MILLISECONDS = Number(process.env['HEDDLE_LITMUS_MILLISECONDS'] ?? 300)

/** Outcomes seen, with how often. A label reads `r0 r1 …`, for instance `1 0`. */
export type Outcomes = ReadonlyMap<string, number>

/** Starts a worker of `litmus/fixtures`; a worker that throws makes the returned promise of `failed` reject. */
export function startWorker(fixture: string, workerData?: unknown): Worker {
  return new Worker(new URL(`../.fixtures/${fixture}.js`, import.meta.url), { workerData })
}

/** The next message of a worker; rejects when the worker fails or ends instead. */
export async function nextMessage<T>(worker: Worker): Promise<T> {
  const stop = new AbortController()
  try {
    return await Promise.race([
      once(worker, 'message', { signal: stop.signal }).then(([message]) => message as T),
      once(worker, 'exit', { signal: stop.signal }).then(([code]) => Promise.reject(new Error(`the worker ended with code ${String(code)}`))),
    ])
  } finally {
    stop.abort()
  }
}

/** Runs `program` of a fixture on as many workers as it has threads and counts the outcomes over its first `registers` registers. */
export async function runProgram(fixture: string, program: string, threads: number, registers: number): Promise<Outcomes> {
  const shared = {
    memory: new SharedArrayBuffer(SIZES.memory),
    registers: new SharedArrayBuffer(SIZES.registers),
    control: new SharedArrayBuffer(SIZES.control),
  }
  const workers = Array.from({ length: threads }, (_, thread) =>
    startWorker(fixture, { program, thread, threads, milliseconds: MILLISECONDS, ...shared } satisfies RunData),
  )
  try {
    const [counts] = (await Promise.all(workers.map((worker) => nextMessage(worker)))) as [Map<number, number>]
    const outcomes = new Map<string, number>()
    for (const [packed, count] of [...counts].sort(([a], [b]) => a - b)) {
      const label = Array.from({ length: REGISTERS }, (_, k) => (packed >> (2 * k)) & 3)
        .slice(0, registers)
        .join(' ')
      outcomes.set(label, (outcomes.get(label) ?? 0) + count)
    }
    return outcomes
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

/** Prints a table of outcomes, forbidden ones marked. */
export function printOutcomes(title: string, outcomes: Outcomes, forbidden: readonly string[] = []): void {
  const rows = [...new Set([...outcomes.keys(), ...forbidden])].map((label) => {
    const count = String(outcomes.get(label) ?? 0).padStart(12)
    return `  ${label.padEnd(28)}${count}${forbidden.includes(label) ? '   forbidden' : ''}`
  })
  console.log([title, ...rows].join('\n'))
}

/** Counts `label` once more. */
export function count(outcomes: Map<string, number>, label: string): void {
  outcomes.set(label, (outcomes.get(label) ?? 0) + 1)
}

/** Runs an ES module in a Node process of its own; gives its exit code and what it printed. */
export async function runProcess(source: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}
