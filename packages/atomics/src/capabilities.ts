/** What this engine, host and agent can do, found out by trying; and for what is missing, what it is and how to get it. */
import { agentLocal, hasPause, random, waitAsync } from '#ops'
import { canBlock } from './can-block.js'

/** The host that runs this agent, as far as its globals tell. */
export type Runtime = 'node' | 'browser' | 'deno' | 'bun' | 'unknown'

/** What `capabilities()` found. */
export interface Capabilities {
  /** Memory can be shared with other agents. Everything but the cheapest parts of heddle needs it. */
  readonly sharedMemory: boolean
  /** The calling agent may block (`Atomics.wait`). Belongs to the agent: false in a browser's window, true in its workers. */
  readonly canBlock: boolean
  /** The engine has `Atomics.waitAsync`. Without it, promise waits poll. */
  readonly waitAsync: boolean
  /** The engine has `Atomics.pause`. Without it, spinning disturbs the other thread of a core more. */
  readonly pause: boolean
  /** What a browser says of the page. Hosts without the notion, where nothing has to be isolated, count as isolated. */
  readonly crossOriginIsolated: boolean
  /**
   * How many threads can run at once, at least 1: `navigator.hardwareConcurrency`; in a Node without `navigator`, `os.availableParallelism()`;
   * where neither exists 1, the one number that is certain. Browsers may report less than there is. A container's CPU quota is not in it.
   */
  readonly parallelism: number
  readonly runtime: Runtime
  /** One sentence for each thing that is missing: what it means and how to get it. Empty where nothing is. */
  readonly missing: string[]
}

/** The globals looked at. Each host has some of them. */
interface Globals {
  readonly Deno?: unknown
  readonly Bun?: unknown
  readonly document?: unknown
  readonly WorkerGlobalScope?: unknown
  readonly WorkletGlobalScope?: unknown
  readonly crossOriginIsolated?: unknown
  readonly navigator?: { readonly hardwareConcurrency?: unknown }
  readonly process?: {
    readonly versions?: { readonly node?: unknown }
    readonly getBuiltinModule?: (name: string) => { readonly availableParallelism?: () => unknown; readonly threadId?: unknown } | undefined
  }
}

/**
 * Finds out what can be done here. Never throws, never blocks; a few microseconds.
 *
 * @example
 * const { missing, canBlock } = capabilities()
 * for (const sentence of missing) console.warn(sentence)
 */
export function capabilities(): Capabilities {
  const facts = factsOf(globalThis as Globals)
  return { ...facts, missing: missingOf(facts) }
}

/** The facts that a set of globals gives, with what the engine and the agent can do. */
export function factsOf(globals: Globals): Omit<Capabilities, 'missing'> {
  const crossOriginIsolated = globals.crossOriginIsolated !== false
  return {
    sharedMemory: crossOriginIsolated && typeof SharedArrayBuffer === 'function',
    canBlock: canBlock(),
    waitAsync: waitAsync !== undefined,
    pause: hasPause,
    crossOriginIsolated,
    parallelism: parallelismOf(globals),
    runtime: runtimeOf(globals),
  }
}

function runtimeOf(globals: Globals): Runtime {
  // Deno and Bun have Node's `process` too, so they come first.
  if (globals.Deno !== undefined) return 'deno'
  if (globals.Bun !== undefined) return 'bun'
  if (typeof globals.process?.versions?.node === 'string') return 'node'
  if (globals.document !== undefined || globals.WorkerGlobalScope !== undefined || globals.WorkletGlobalScope !== undefined) return 'browser'
  return 'unknown'
}

function parallelismOf(globals: Globals): number {
  const reported = globals.navigator?.hardwareConcurrency ?? globals.process?.getBuiltinModule?.('os')?.availableParallelism?.()
  return typeof reported === 'number' && reported >= 1 ? Math.floor(reported) : 1
}

/** A browser numbers no workers: each draws a number for itself, which its creator learns when it says hello. */
const drawnNumber = agentLocal(() => 1 + (random() >>> 2))

/**
 * The number of the calling thread by which its creator knows it: that of Node's workers where the runtime has them; in a browser's worker one
 * that it has drawn; 0 for the main thread, and where nothing is known.
 */
export function platformThreadNumber(): number {
  const globals = globalThis as Globals
  const number = globals.process?.getBuiltinModule?.('node:worker_threads')?.threadId
  if (typeof number === 'number') return number
  return globals.WorkerGlobalScope === undefined ? 0 : drawnNumber.get()
}

/** What to tell the user of facts that fall short. */
export function missingOf(facts: Omit<Capabilities, 'missing'>): string[] {
  const missing: string[] = []
  if (!facts.sharedMemory) {
    missing.push(
      facts.runtime === 'browser'
        ? 'Shared memory is missing: this page is not cross-origin isolated. Serve it over HTTPS or from localhost, with the headers ' +
            '`Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`. (Android WebView and WebView2 have none.)'
        : 'Shared memory is missing: the engine has no SharedArrayBuffer. Use a current Node, Deno, Bun or browser, and start it without the flags that remove it.',
    )
  }
  if (!facts.canBlock) {
    missing.push(
      "Blocking is missing: this agent may not call Atomics.wait, as a browser's window, a service worker or a worklet may not. " +
        'Use the methods that end in Async or Fiber here, or do the work in a worker.',
    )
  }
  if (!facts.waitAsync) {
    missing.push(
      'Atomics.waitAsync is missing: promises that wait for another thread are polled for. It is in Chrome 90, Firefox 145, Safari 16.4, Node 16, Deno 1.4, Bun 1.0 and later.',
    )
  }
  if (!facts.pause) {
    missing.push(
      'Atomics.pause is missing: spinning for a short time costs a little more. It is in Chrome 133, Firefox 137, Safari 18.4, Node 24, Deno 2.2, Bun 1.1.31 and later.',
    )
  }
  return missing
}
