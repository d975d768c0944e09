/**
 * Drives real workers through a schedule, one operation after another, to see a finding happen on the engine itself.
 *
 * The main thread follows the schedule in the model and writes down who did the n-th operation. Every worker runs the body with an
 * `Atomics` that waits for its turn in that list, and then does the engine's own operation. All share the buffers that the body
 * made on the main thread.
 *
 * Layout     control  +0 turn: index into the list · +1 asleep: how many are in a real `wait`, or about to be
 * Invariants I1 Only the thread that the list names at `turn` performs an operation, and it alone advances `turn`.
 *            I2 A thread that goes to sleep advances `turn` first; whoever comes next lets a moment pass, so that the sleeper sleeps.
 */
import { follow } from './model.js'
import { native } from './native.js'
import { parseSchedule } from './schedule.js'
import type { Body, FindingKind, ModelContext, ModelOptions } from './types.js'

/** The part of a worker (or of a port in one) that is needed; of Node's and of the web's. */
export interface ConfirmPort {
  postMessage(message: unknown): void
  on?(event: 'message', listener: (message: unknown) => void): unknown
  addEventListener?(event: 'message', listener: (event: object) => void): unknown
}
/** A worker that runs `serveConfirm`. */
export interface ConfirmWorker extends ConfirmPort {
  terminate(): unknown
}

/** What happened on real workers. */
export interface Confirmation {
  /** What the model finds with this schedule. */
  readonly expected: FindingKind | undefined
  /** The same was seen: an error for an assertion, threads that never end for a deadlock, lost wake or livelock. Races can't be seen. */
  readonly confirmed: boolean
  readonly what: string
}

interface Order {
  readonly buffers: SharedArrayBuffer[]
  readonly control: Int32Array
  /** The thread of each operation. */
  readonly list: Int32Array
  readonly index: number
}
interface SetUp {
  runs: ((dead: number) => unknown)[]
  results: unknown[]
  final: void | (() => unknown)
}
type Answer = { type: 'ready' } | { type: 'done'; index: number; result: unknown; error: string | undefined }

const TURN = 0
const ASLEEP = 1
const GATED = new Set(['load', 'store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange', 'wait', 'notify', 'get', 'set'])

function listen(port: ConfirmPort, receive: (message: unknown) => void): void {
  if (port.on) port.on('message', receive)
  else port.addEventListener?.('message', (event) => receive((event as { data: unknown }).data))
}

/** Runs a body's set-up with buffers of somebody else's, or notes those that it makes. */
function setUp(body: Body, buffers: SharedArrayBuffer[], given: boolean, shared: ModelContext['shared']): SetUp {
  const runs: ((dead: number) => unknown)[] = []
  const results: unknown[] = []
  const scope = globalThis as { SharedArrayBuffer: SharedArrayBufferConstructor }
  const Native = scope.SharedArrayBuffer
  let made = 0
  scope.SharedArrayBuffer = new Proxy(Native, {
    construct: (target, args) => {
      const at = made++
      if (given) return buffers[at]!
      return (buffers[at] = Reflect.construct(target, args) as SharedArrayBuffer)
    },
  })
  const refuse = (what: string) => (): never => {
    throw new Error(`confirm: a body that uses ${what} can not run on real workers`)
  }
  try {
    const final = body({
      get region(): never {
        return refuse('region')()
      },
      spawn: (run) => {
        const index = runs.push(run) - 1
        return {
          index,
          get result() {
            return results[index] as never
          },
          outcome: 'finished',
        }
      },
      choose: refuse('choose'),
      clock: { now: () => performance.now(), advance: refuse('the clock') },
      shared,
      abortSignal: refuse('an abort signal'),
      leaks: () => undefined,
      linearize: (_specification, methods) => methods,
    })
    return { runs, results, final }
  } finally {
    scope.SharedArrayBuffer = Native
  }
}

/**
 * Follows a schedule with real workers. Takes a few milliseconds for each operation at most; a thread that never ends is given
 * `timeout` (default 2000 ms) without progress.
 *
 * @param start starts a worker whose module calls `serveConfirm` with the same body
 * @throws Error for a body that uses `region`, `choose` or timers, and for a schedule with deaths or timeouts.
 */
export async function confirm(
  schedule: string,
  body: Body,
  start: () => ConfirmWorker,
  options: ModelOptions & { timeout?: number } = {},
): Promise<Confirmation> {
  const { schedule: parsed, options: own } = parseSchedule(schedule)
  if (parsed.segments.some(({ until }) => until === 0) || parsed.choices.length > 0)
    throw new Error('confirm: real workers can not be made to time out, die or choose by a schedule')
  const { machine, steps } = follow(body, { ...options, ...own }, parsed)
  const expected = machine.failure?.kind
  const list = new Int32Array(new SharedArrayBuffer(4 * (steps.length + 1)))
  let length = 0
  // "wait … returns" is no operation of its own.
  for (const { thread, text } of steps) if (GATED.has(text.split(' ', 1)[0]!) && !text.includes('(returns)')) list[length++] = thread
  const control = new Int32Array(new SharedArrayBuffer(8))
  const buffers: SharedArrayBuffer[] = []
  const plain = {
    get: (view: Int32Array, index: number) => view[index]!,
    set: (view: Int32Array, index: number, value: number) => void (view[index] = value),
  }
  const { runs, results, final } = setUp(body, buffers, false, plain)
  const before = buffers.map((buffer) => new Uint8Array(buffer).slice())

  const workers = runs.map(() => start())
  const errors: string[] = []
  try {
    let ready = 0
    let done = 0
    await new Promise<void>((resolve) => {
      let last = -1
      let quiet = 0
      const look = (): void => {
        if (done === workers.length) return resolve()
        const turn = native.load(control, TURN) + done * 1e6
        quiet = turn === last ? quiet + 1 : 0
        last = turn
        if (ready === workers.length && quiet * 50 >= (options.timeout ?? 2000)) return resolve()
        later(look, 50)
      }
      workers.forEach((worker, index) => {
        listen(worker, (message) => {
          const answer = message as Answer
          if (answer.type === 'ready') {
            if (++ready < workers.length) return
            // Every worker has set up by now, over and over the same memory.
            buffers.forEach((buffer, at) => new Uint8Array(buffer).set(before[at]!))
            for (const other of workers) other.postMessage('go')
          } else {
            done++
            results[answer.index] = answer.result
            if (answer.error !== undefined) errors.push(answer.error)
          }
        })
        worker.postMessage({ buffers, control, list: list.subarray(0, length), index } satisfies Order)
      })
      look()
    })
    if (done < workers.length) {
      const confirmed = expected === 'deadlock' || expected === 'lost-wake' || expected === 'livelock'
      return {
        expected,
        confirmed,
        what: `${workers.length - done} of ${workers.length} threads did not end, after ${native.load(control, TURN)} of ${length} operations`,
      }
    }
  } finally {
    for (const worker of workers) void worker.terminate()
  }
  if (errors.length === 0) {
    try {
      final?.()
    } catch (error) {
      errors.push(String(error))
    }
  }
  if (errors.length > 0) return { expected, confirmed: expected === 'assertion', what: errors.join('; ') }
  return { expected, confirmed: expected === undefined, what: `all threads ended, after ${length} operations` }
}

/** In a worker: runs one thread of the body as `confirm` says. `port` is Node's `parentPort`, or the worker's global scope. */
export function serveConfirm(body: Body, port: ConfirmPort): void {
  let order: Order | undefined
  let runs: ((dead: number) => unknown)[] = []
  listen(port, (received) => {
    const message = received as Order | 'go'
    if (message !== 'go') {
      order = message
      const gate = new Gate(message)
      ;({ runs } = setUp(body, message.buffers, true, gate.shared))
      port.postMessage({ type: 'ready' } satisfies Answer)
      gate.swap()
      return
    }
    const { index } = order!
    let result: unknown
    let error: string | undefined
    try {
      result = runs[index]!(-1)
    } catch (thrown) {
      error = String(thrown)
    }
    port.postMessage({ type: 'done', index, result, error } satisfies Answer)
  })
}

/** Lets the operations of one thread happen when the list says so. */
class Gate {
  private at = -1
  readonly shared: ModelContext['shared'] = {
    get: (view, index) => this.pass(() => view[index]!),
    set: (view, index, value) => this.pass(() => void (view[index] = value)),
  }

  constructor(private readonly order: Order) {}

  /** Puts the gated operations in the global `Atomics`' place, for the rest of this worker's life. */
  swap(): void {
    const gated: Record<string, unknown> = {}
    for (const [name, act] of Object.entries(native))
      gated[name] = (...args: never[]) => this.pass(() => (act as (...args: never[]) => unknown)(...args))
    gated['wait'] = (view: Int32Array, index: number, expected: number, timeout?: number) => this.wait(view, index, expected, timeout)
    gated['pause'] = () => undefined
    Object.defineProperty(globalThis, 'Atomics', { value: gated, writable: true, configurable: true })
  }

  private pass<T>(act: () => T): T {
    this.arrive()
    const value = act()
    this.advance()
    return value
  }

  private wait(view: Int32Array, index: number, expected: number, timeout?: number): 'ok' | 'not-equal' | 'timed-out' {
    const { control } = this.order
    this.arrive()
    if (native.load(view, index) !== expected) {
      this.advance()
      return 'not-equal'
    }
    native.add(control, ASLEEP, 1)
    this.advance()
    const outcome = native.wait(view, index, expected, timeout)
    native.sub(control, ASLEEP, 1)
    return outcome
  }

  /** Waits for this thread's next turn. Past the end of the list, everybody may run. */
  private arrive(): void {
    const { control, list, index } = this.order
    do this.at++
    while (this.at < list.length && list[this.at] !== index)
    for (let turn = native.load(control, TURN); turn < this.at && turn < list.length; turn = native.load(control, TURN))
      native.wait(control, TURN, turn)
    // I2: on a word that nobody notifies.
    if (native.load(control, ASLEEP) > 0) native.wait(control, ASLEEP, native.load(control, ASLEEP), 2)
  }

  private advance(): void {
    native.add(this.order.control, TURN, 1)
    native.notify(this.order.control, TURN)
  }
}

function later(callback: () => void, milliseconds: number): void {
  ;(globalThis as unknown as { setTimeout: (callback: () => void, milliseconds: number) => unknown }).setTimeout(callback, milliseconds)
}
