/** One verb in three modes: a thread that blocks (a real worker), a promise, a fiber. All take part in one region. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Region, type RegionOptions, type SharedObject } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, forEachRecord, FREE, phaseOf, reapThread, W_STATE, WAITING } from '@heddle/park/internal'
import { expect } from 'vitest'
import { Scheduler } from '../../../scheduler/src/index.js'

export type Mode = 'thread' | 'promise' | 'fiber'
export const modes: readonly Mode[] = ['thread', 'promise', 'fiber']

/** What came of a call. */
export interface Outcome {
  /** What it returned. */
  readonly value?: unknown
  readonly error?: { readonly name: string; readonly code?: string; readonly message: string }
  /** Ends what it holds, if it is a guard; the guard of a PoisonedError, too. */
  release(): Promise<void>
  /** Calls a method of the guard in the same mode. */
  guard(verb: string, ...args: unknown[]): Promise<Outcome>
  /** The guard as an argument of another call in the same mode. */
  readonly asArgument: unknown
  /** Calls a verb of another object in the same mode, and in the same thread. */
  also(object: object, verb: string, ...args: unknown[]): Promise<Outcome>
}

/** A verb under way. */
export interface Call extends Promise<Outcome> {
  /** Whether it has ended. */
  readonly ended: boolean
}

class Thread {
  private last = 0
  private readonly answers = new Map<number, (answer: { guard: boolean; value?: unknown; error?: Outcome['error'] }) => void>()
  private constructor(readonly worker: Worker) {
    worker.on('message', (answer: { id: number; guard: boolean }) => this.answers.get(answer.id)?.(answer))
  }

  static async start(region: Region): Promise<Thread> {
    const worker = new Worker(new URL('../.fixtures/remote.js', import.meta.url), { workerData: { buffer: region.buffer } })
    const { threadId } = worker
    worker.on('exit', () => reapThread(Agent.of(region), threadId))
    await once(worker, 'message')
    return new Thread(worker)
  }

  call(target: unknown, verb: string, args: unknown[]): Promise<Outcome> {
    const id = ++this.last
    return new Promise((resolve) => {
      this.answers.set(id, ({ guard, value, error }) => {
        const asGuard = (method: string, ...rest: unknown[]): Promise<Outcome> => this.call(id, method, rest)
        resolve({
          value: guard ? {} : value,
          ...(error && { error }),
          release: async () => expectNoError(await asGuard('release')),
          guard: asGuard,
          asArgument: { guard: id },
          also: (object, method, ...rest) => this.call((object as SharedObject).toHandle(), method, rest),
        })
      })
      this.worker.postMessage({ id, target, verb, args: args.map(toSend) })
    })
  }
}

/** What can't be posted is described: a token of the options, a function that returns a value. */
function toSend(arg: unknown): unknown {
  if (typeof arg === 'function') return { returns: (arg as () => unknown)() }
  if (typeof arg !== 'object' || arg === null || !('signal' in arg)) return arg
  const { signal } = arg as { signal: unknown }
  return signal instanceof AbortSignal ? { ...arg, signal: 'AbortSignal' } : { ...arg, signal: (signal as SharedObject).toHandle() }
}

function expectNoError(outcome: Outcome): void {
  expect(outcome.error).toBeUndefined()
}

/** A region, and agents in three modes. */
export class Modes {
  private readonly threads: Thread[] = []
  private readonly idle: Thread[] = []
  readonly scheduler: Scheduler

  constructor(readonly region: Region) {
    this.scheduler = new Scheduler({ region })
  }

  static create(options: RegionOptions = {}): Modes {
    return new Modes(Region.create({ bytes: 1 << 20, agents: 16, ...options }))
  }

  /** Begins a verb: `lock` is lock() in a worker of its own, lockAsync() or lockFiber() here. */
  call(mode: Mode, object: object, verb: string, ...args: unknown[]): Call {
    const running = mode === 'thread' ? this.inThread((object as SharedObject).toHandle(), verb, args) : this.local(mode, object, verb, args)
    const call = { ended: false }
    void running.then(() => (call.ended = true))
    return Object.defineProperty(running, 'ended', { get: () => call.ended }) as Call
  }

  /** A blocking verb in the thread that was started last, whatever it holds. */
  callInLast(object: SharedObject, verb: string, ...args: unknown[]): Promise<Outcome> {
    return this.threads.at(-1)!.call(object.toHandle(), verb, args)
  }

  /** Waits until so many records wait. */
  async waiting(count: number): Promise<void> {
    for (;;) {
      let now = 0
      forEachRecord(this.region.words, this.region.agents, (r) => {
        if (phaseOf(load(this.region.words, r + W_STATE)) === WAITING) now++
      })
      if (now === count) return
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  /** Ends a thread that has not answered yet, wherever it is, and waits until it was reaped. */
  async terminateLast(): Promise<void> {
    const thread = this.threads.pop()!
    const gone = once(thread.worker, 'exit')
    await thread.worker.terminate()
    await gone
  }

  /** Nobody waits, no record is in use; ends the workers. */
  async close(): Promise<void> {
    await turns(3)
    let busy = 0
    forEachRecord(this.region.words, this.region.agents, (r) => {
      if (phaseOf(load(this.region.words, r + W_STATE)) !== FREE) busy++
    })
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()))
    expect(busy, 'waiter records in use at the end').toBe(0)
  }

  private async inThread(target: unknown, verb: string, args: unknown[]): Promise<Outcome> {
    let thread = this.idle.pop()
    if (thread === undefined) {
      thread = await Thread.start(this.region)
      this.threads.push(thread)
    }
    const outcome = await thread.call(target, verb, args)
    // One that holds something answers no other call: it would be its own rival.
    const holds = typeof outcome.value === 'object' && Object.keys(outcome.value as object).length === 0
    if (!holds) this.idle.push(thread)
    return {
      ...outcome,
      release: async () => {
        await outcome.release()
        this.idle.push(thread)
      },
    }
  }

  private async local(mode: Mode, object: object, verb: string, args: unknown[]): Promise<Outcome> {
    const methods = object as Record<string, (...args: unknown[]) => unknown>
    try {
      const value =
        mode === 'promise'
          ? await methods[`${verb}Async`]!(...args)
          : await this.scheduler
              .spawn(function* () {
                return yield* methods[`${verb}Fiber`]!(...args) as Generator<unknown, unknown, unknown>
              })
              .joinAsync()
      return this.outcome(mode, value)
    } catch (error) {
      const { guard } = error as { guard?: object }
      return { ...this.outcome(mode, guard), error: error as Error & { code?: string } } as Outcome
    }
  }

  private outcome(mode: Mode, value: unknown): Outcome {
    return {
      value,
      release: async () => {
        ;(value as { release(): void }).release()
      },
      guard: (verb, ...args) =>
        typeof (value as Record<string, unknown>)[`${verb}Async`] === 'function'
          ? this.local(mode, value as object, verb, args)
          : this.plain(mode, value, verb, args),
      asArgument: value,
      also: (object, verb, ...args) => this.local(mode, object, verb, args),
    }
  }

  private async plain(mode: Mode, value: unknown, verb: string, args: unknown[]): Promise<Outcome> {
    try {
      return this.outcome(mode, (value as Record<string, (...args: unknown[]) => unknown>)[verb]!(...args))
    } catch (error) {
      return { ...this.outcome(mode, undefined), error: error as Error } as Outcome
    }
  }
}

/** Lets the event loop turn. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
