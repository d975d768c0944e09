/** Waiting for several spawned calls. */
import { InvalidArgumentError } from '@heddle/atomics'
import { checkList, checkOptions } from '@heddle/atomics/internal'
import type { WaitOptions } from '@heddle/park'
import { deadlineOf } from '@heddle/park/internal'
import { JoinHandle } from './join-handle.js'
import { checkSignal } from './signal.js'

/** What `waitAll` waits for. */
export interface WaitAllOptions extends WaitOptions {
  /** `all` calls have ended (the default), the `first` one has, or `first-error`: one has failed, or all have ended. */
  until?: 'all' | 'first' | 'first-error'
}

/** Which of the calls have ended; both in the order in which they were passed. */
export interface WaitAllResult<R> {
  readonly done: readonly JoinHandle<R>[]
  readonly pending: readonly JoinHandle<R>[]
}

const UNTIL = ['all', 'first', 'first-error']

/**
 * Waits until all of several calls have ended, or one has, or one has failed. It throws no task's error: look at the handles.
 * Errors of calls that it waits for are no `task-error`. Ends early only by `timeout` or `signal`.
 * @throws (as a rejection) `TimeoutError`, the signal's reason, `InvalidArgumentError`
 * @example
 * ```ts file=work.ts
 * export const work = tasks(import.meta.url, { square: (x: number) => x * x })
 * ```
 * ```ts
 * import { nodeHost } from '@heddle/node'
 * import { work } from './work.js'
 * const executor = await Executor.start({ host: nodeHost })
 * const { done } = await waitAll([1, 2, 3].map((x) => executor.spawn(work.square, [x])))
 * console.log(done.map((handle) => handle.join())) // [1, 4, 9]
 * ```
 */
export async function waitAll<R>(handles: Iterable<JoinHandle<R>>, options: WaitAllOptions = {}): Promise<WaitAllResult<R>> {
  const { until = 'all' } = checkOptions(options)
  if (!UNTIL.includes(until)) throw new InvalidArgumentError(`until must be one of ${UNTIL.join(', ')}, got ${String(until)}`)
  const all = listOf(handles, 'waitAll')
  const deadline = deadlineOf(options)
  checkSignal(options.signal)
  const isEnded = (handle: JoinHandle<R>): boolean => handle.state !== 'pending'
  const hasFailed = ({ state }: JoinHandle<R>): boolean => state === 'rejected' || state === 'cancelled'
  const [first] = all
  if (first === undefined) return { done: [], pending: [] }
  let open = 0
  await new Promise<void>((resolve, reject) => {
    const stops: (() => void)[] = []
    const clean = (): void => {
      stopLimit()
      for (const stop of stops.splice(0)) stop()
    }
    const stopLimit = first.submitter.limit(deadline, options.signal, (reason) => {
      clean()
      reject(reason as Error)
    })
    const check = (): void => {
      if (open > 0 && !(until === 'first' && open < all.length) && !(until === 'first-error' && all.some(hasFailed))) return
      clean()
      resolve()
    }
    for (const handle of all) if (!isEnded(handle)) open++
    for (const handle of all) {
      if (isEnded(handle)) handle.onSettled(() => undefined)
      else
        stops.push(
          handle.onSettled(() => {
            open--
            check()
          }),
        )
    }
    check()
  })
  return { done: all.filter(isEnded), pending: all.filter((handle) => !isEnded(handle)) }
}

/**
 * Iterates over calls in the order in which they end. Gives the handles, so that the loop decides what a failure means:
 * `for await (const handle of asCompleted(handles)) use(handle.join())`, where `join` never waits any more.
 * Leaving the loop early leaves the other calls running.
 * @throws InvalidArgumentError for what is no handle
 */
export function asCompleted<R>(handles: Iterable<JoinHandle<R>>): AsyncIterableIterator<JoinHandle<R>> {
  return completed(listOf(handles, 'asCompleted'))
}

async function* completed<R>(all: JoinHandle<R>[]): AsyncGenerator<JoinHandle<R>, void, undefined> {
  const ended: JoinHandle<R>[] = []
  let wake: () => void = () => undefined
  const stops = all.map((handle) =>
    handle.onSettled(() => {
      ended.push(handle)
      wake()
    }),
  )
  try {
    for (let given = 0; given < all.length; given++) {
      if (ended.length === given) await new Promise<void>((resolve) => (wake = resolve))
      yield ended[given]!
    }
  } finally {
    for (const stop of stops) stop()
  }
}

function listOf<R>(handles: Iterable<JoinHandle<R>>, verb: string): JoinHandle<R>[] {
  const all = [...checkList(handles, `the handles of ${verb}`)]
  for (const handle of all)
    if (!(handle instanceof JoinHandle)) throw new InvalidArgumentError(`${verb} takes handles that spawn returned, got ${typeof handle}`)
  return all
}
