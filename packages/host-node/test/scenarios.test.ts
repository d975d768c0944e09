/**
 * The executor on real workers. Each scenario is a whole program on the built packages, run by a Node of its own, as a user's would be:
 * it fails by its assertions, and by not ending.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'

interface Outcome {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly error: string
}

/** Scenarios that start so many workers that a slow machine needs minutes. */
const LONG_MS = 170_000
/** Milliseconds after which a scenario is killed that takes longer than the others. */
const LIMITS: Partial<Record<string, number>> = { starts: 250_000, 'thread-many': LONG_MS }

function run(name: string, ...args: string[]): Promise<Outcome> {
  const file = fileURLToPath(new URL(`scenarios/${name}.mjs`, import.meta.url))
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let error = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text))
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMITS[name] ?? 50_000)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, out, error })
    })
  })
}

beforeAll(() => {
  if (!existsSync(new URL('../dist/worker.js', import.meta.url))) throw new Error('build first: npx turbo run build --filter @heddle/node')
})

describe('an executor on Node', () => {
  it.each([
    ['calls', 'runs plain and async tasks with all kinds of values'],
    ['async-overlap', 'runs async tasks of one worker side by side'],
    ['balance', 'spreads async tasks over the workers'],
    ['fibers', 'runs generator tasks as fibers'],
    ['errors', 'keeps errors whole and refuses what can’t travel at the call'],
    ['modules', 'says why a task can’t be found or loaded'],
    ['handles', 'takes shared objects inside arguments'],
    ['references', 'gives up what arguments and results refer to, however a call ends'],
    ['spawn', 'joins, cancels and limits spawned calls'],
    ['cancel', 'asks tasks that run to end'],
    ['wait', 'waits for several calls, and tells of errors that nobody awaits'],
    ['map', 'maps in order, bounded, with back-pressure'],
    ['scope', 'ends scopes with all that they spawned'],
    ['crash', 'fails only what had started in a worker that died'],
    ['start', 'starts and grows, or says why not'],
    ['shutdown', 'settles everything and leaves no memory'],
    ['idle', 'looks for work and sleeps as it is told to, and runs inline tasks'],
    ['programs', 'runs skynet, a thread ring, chameneos, a merge sort, matrices, pipelines, a crawler, sleepers, many calls and timers'],
    ['stealing', 'spreads what workers spawn, while the main thread is blocked too'],
    ['urgency', 'runs urgent calls first, and limits how many wait'],
    ['lifecycle', 'shrinks, recycles, isolates and blocks in workers of their own'],
    ['local', 'runs tasks in the calling agent'],
    ['foreign', 'takes calls from workers that the program started'],
    ['nested', 'runs tasks that call tasks'],
    ['overflow', 'takes more calls than it has slots'],
    ['large', 'carries large payloads'],
    ['transfer', 'hands over buffers and ports'],
    ['transfer-results', 'hands over what tasks return and are given, by every road'],
    ['addons', 'runs native addons in its tasks'],
    ['unshared', 'runs tasks by messages where workers get no memory'],
    ['stuck', 'reports workers that are stuck, and replaces them'],
    ['leaks', 'tells what tasks leave behind, and releases their locks'],
    ['observe', 'tells hooks and traces what it does'],
    ['kills', 'settles every call once while workers are killed'],
    ['mixed-load', 'leaves nothing behind after rounds of everything at once'],
    ['thread', 'runs threads: messages, requests, every way to receive, ends and deaths'],
    ['thread-kills', 'settles every send, request and join once while threads are ended'],
  ])('%s: %s', async (name) => {
    const { code, signal, error } = await run(name)
    expect({ code, signal, error }).toEqual({ code: 0, signal: null, error: '' })
  })

  it('leaves workers, handles, memory and heap as they were, after 100 starts and stops', async () => {
    const { code, signal, error } = await run('starts')
    expect({ code, signal, error }).toEqual({ code: 0, signal: null, error: '' })
  }, 260_000)

  it('thread-many: runs as many threads as there may be, in many cycles, with many requests', { timeout: LONG_MS + 10_000 }, async () => {
    const { code, signal, error } = await run('thread-many')
    expect({ code, signal, error }).toEqual({ code: 0, signal: null, error: '' })
  })

  it('lets the process end by itself when nothing is open, and not before', async () => {
    expect(await run('exit', 'idle')).toMatchObject({ code: 0, out: 'done\n' })
    expect(await run('exit', 'pending')).toMatchObject({ code: 0, out: 'waiting\nlate\n' })
    expect(await run('exit', 'unref')).toMatchObject({ code: 0, out: 'waiting\n' })
    expect(await run('exit', 'detached')).toMatchObject({ code: 0, out: 'waiting\n' })
    expect(await run('exit', 'thread')).toMatchObject({ code: 0, out: 'waiting\n1\n' })
    expect(await run('exit', 'detached-thread')).toMatchObject({ code: 0, out: 'waiting\n' })
    expect(await run('exit', 'failed')).toMatchObject({ code: 1 })
  })

  it('shows what tasks print, also while they run on', async () => {
    expect(await run('exit', 'print')).toMatchObject({ code: 0, out: 'from a task\nstill running\n' })
  })
})
