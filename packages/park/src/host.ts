/**
 * What park and the executor need from the platform, as one small interface, with a universal default.
 *
 * A host package (`@heddle/node`, …) implements all of it and installs itself with `setHost`; without one, the default below
 * serves every platform that has `setTimeout`: it waits, keeps the process alive while somebody waits, and starts no workers.
 */
import { InvalidArgumentError } from '@heddle/atomics'
import { platformThreadNumber, threadNumber } from '@heddle/atomics/internal'
import { agentLocal } from '@heddle/atomics/ops'

/** Why a worker ended. */
export interface WorkerExit {
  /** The exit code, where the platform has one. */
  readonly code?: number
  /** The uncaught error that ended it. */
  readonly error?: unknown
}

/** A running worker, as the agent that started it sees it. */
export interface HostWorker {
  /** The platform's own object. */
  readonly native: object
  /** The platform's number for its thread, equal to `Host.threadId()` inside it; 0 when it has none, or while it is not known (a browser's worker says it when it begins). */
  readonly threadId: number
  post(message: unknown, transfer?: readonly object[]): void
  onMessage(listener: (message: unknown) => void): void
  /** Called once, when the worker has ended for any reason. */
  onExit(listener: (exit: WorkerExit) => void): void
  /** Ends it as soon as the platform can; resolves when it has ended. */
  terminate(): Promise<void>
  /** Whether the running worker keeps the process alive. */
  ref(): void
  unref(): void
}

/** How a worker is to be started. */
export interface WorkerStart {
  readonly name?: string
  /** Structured-cloneable data that the worker's module finds through `Host.workerData()`. */
  readonly data?: unknown
  /** Host-specific settings (resourceLimits, env, …), passed through. */
  readonly native?: object
}

/** What a worker sees of the agent that started it. */
export interface HostParent {
  /** What `WorkerStart.data` was. */
  readonly data: unknown
  post(message: unknown, transfer?: readonly object[]): void
  /** Listening keeps the worker alive. */
  onMessage(listener: (message: unknown) => void): void
  /** Stops listening, so that the worker ends when nothing else keeps it. */
  close(): void
}

/** The platform, as far as heddle needs it. */
export interface Host {
  /** 'node', 'browser', 'deno', 'bun', or 'universal'. */
  readonly name: string
  /** How many threads can run at one time. */
  readonly parallelism: number
  /** A number for the calling thread that its creator can know too; 0 when there is none. */
  threadId(): number
  /** Runs `callback` on the event loop after `ms` or a little later (or earlier: callers look at the clock); returns how to cancel it. Does not keep the process alive. */
  setTimer(callback: () => void, ms: number): () => void
  /** Runs `callback` on the next turn of the event loop, after timers, sockets and messages had theirs. */
  nextTurn(callback: () => void): void
  /** Runs `callback` when the calling thread ends by itself, where the platform tells: synchronously, once. */
  onAgentExit?(callback: () => void): void
  /** Keeps the process alive until the returned function is called. */
  hold(): () => void
  /**
   * Whether a worker gets the memory of the agent that starts it. Default: whether this agent can share memory at all. Where it is false, an
   * executor's calls and results travel by `HostWorker.post`.
   */
  readonly sharesMemory?: boolean
  /** The module that a pool's workers run. */
  readonly workerModule?: URL | string
  /** Starts a worker that runs the module. */
  startWorker?(module: URL | string, start: WorkerStart): HostWorker
  /** Sees a worker that the user started. */
  adoptWorker?(worker: object): HostWorker
  /** Passes an event of heddle's (`heddle:task-error`, …) on to the platform's own means of diagnosis; costs next to nothing while nobody listens there. */
  publish?(event: string, detail: object): void
  /** How large the calling agent's heap is, where the platform tells. */
  heapBytes?(): number
  /** In a worker: what `WorkerStart.data` was, and the channel to the agent that started it. */
  parent?(): HostParent
}

interface Timer {
  unref?(): void
}
interface UniversalGlobals {
  setTimeout(callback: () => void, ms: number): Timer | number
  clearTimeout(timer: Timer | number): void
  navigator?: { hardwareConcurrency?: number }
  process?: {
    getBuiltinModule?(id: string): { availableParallelism?(): number } | undefined
    once?(event: 'exit', callback: () => void): unknown
  }
}
const universalGlobals = globalThis as unknown as UniversalGlobals

const LONGEST_TIMER = 0x7fff_ffff

let cores: number | undefined

const universal: Host = {
  name: 'universal',
  get parallelism() {
    // Asked for by every agent of every region, and never another: asking the system costs more than making the agent.
    return (cores ??=
      universalGlobals.navigator?.hardwareConcurrency ?? universalGlobals.process?.getBuiltinModule?.('node:os')?.availableParallelism?.() ?? 2)
  },
  threadId: platformThreadNumber,
  setTimer(callback, ms) {
    const timer = universalGlobals.setTimeout(callback, Math.min(ms, LONGEST_TIMER))
    if (typeof timer === 'object') timer.unref?.()
    return () => universalGlobals.clearTimeout(timer)
  },
  nextTurn(callback) {
    universalGlobals.setTimeout(callback, 0)
  },
  onAgentExit(callback) {
    universalGlobals.process?.once?.('exit', callback)
  },
  hold() {
    // A pending timer keeps a server runtime alive; one that is about to fire is followed by another.
    let timer: Timer | number
    const again = (): void => {
      timer = universalGlobals.setTimeout(again, LONGEST_TIMER)
    }
    again()
    return () => universalGlobals.clearTimeout(timer)
  },
}

const installed = agentLocal<Host>(() => universal)

/** This agent's host. */
export function getHost(): Host {
  return installed.get()
}

/** Installs a host for this agent, in place of the universal default. Call it before the first use of a region: what dies before can't be told from what lives. */
export function setHost(host: Host): void {
  if (typeof (host as Partial<Host> | undefined)?.threadId !== 'function') throw new InvalidArgumentError('not a host: it has no threadId()')
  installed.set(host)
  threadNumber.set(host.threadId())
}
