/** Waiting for the first of several channels and times: the verbs. select-operation.ts is the protocol. */
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { Agent, block, deadlineOf, promise, throwIfCancelled } from '@heddle/park/internal'
import { Cases, type Result } from './select-cases.js'
import { limited, SelectFiber, SelectOperation } from './select-operation.js'
import type { CLOSED, EMPTY } from './symbols.js'
import type { TimeSource } from './time-source.js'

/** What a select takes for one key: a receive, a send, a time. */
export type SelectCase = ReceiverLike | readonly [SenderLike, unknown] | TimeReceiverLike<unknown>
/** Cases by key. */
export type SelectCases = Readonly<Record<string, SelectCase>>
/** Any receiver, whatever it receives. */
interface ReceiverLike {
  tryRecv(): unknown
  recvMany(max: number): unknown[]
}
/** Any sender. */
interface SenderLike {
  trySend(value: never): boolean
}
interface TimeReceiverLike<T> {
  readonly source: TimeSource<T>
}

/** What a case gives. */
type Outcome<K, C> = C extends { readonly source: TimeSource<infer T> }
  ? { key: K; value: T; closed?: never }
  : C extends { tryRecv(): infer T }
    ? { key: K; value: Exclude<T, typeof EMPTY | typeof CLOSED>; closed?: never } | { key: K; closed: true; value?: never }
    : { key: K; value: undefined; closed?: never } | { key: K; closed: true; value?: never }

/** What happened: the key of the case and what it received (a send: undefined), or that its channel is closed. Discriminated by `key`. */
export type SelectResult<C> = { [K in keyof C & string]: Outcome<K, C[K]> }[keyof C & string]

/**
 * Waits for the first case that can happen, and does exactly that one; blocks the thread. Among ready cases each is equally likely.
 * @param cases by key: a receiver, `[sender, value]` to send, or `after(ms)`, `tick(ms)`, `never()`; channels of one region
 * @returns `{ key, value }`, or `{ key, closed: true }` when the channel of that case is closed (and, to receive, empty)
 * @throws TimeoutError, the token's reason, BlockingNotAllowedError, InvalidArgumentError, RegionFullError, what the codec of the chosen case throws
 * @example
 * import { utf8 } from '@heddle/atomics'
 * const [tx, jobs] = channel<string>({ codec: utf8(64) })
 * tx.trySend('sort')
 * const got = select({ job: jobs, late: after(1000) })
 * if (got.key === 'job' && !got.closed) console.log(got.value) // sort
 */
export function select<C extends SelectCases>(cases: C, options?: BlockingOptions): SelectResult<C> {
  const all = new Cases(cases)
  if (options?.signal !== undefined) throwIfCancelled(options.signal)
  const found =
    all.attempt() ?? block(new SelectOperation(Agent.of(all.region), all, true), limited(all, options, deadlineOf(options)), 'selectAsync()')
  return found as SelectResult<C>
}

/** As `select`, as a promise. A pending one keeps the process alive unless `ref` is false. */
export function selectAsync<C extends SelectCases>(cases: C, options?: AsyncOptions): Promise<SelectResult<C>> {
  // Inside the promise, so that what is wrong with the cases rejects.
  return new Promise<Result | undefined>((resolve) => {
    const all = new Cases(cases)
    resolve(promise(() => new SelectOperation(Agent.of(all.region), all, true), limited(all, options, deadlineOf(options))))
  }) as Promise<SelectResult<C>>
}

/** Does a case that can happen now; undefined when there is none. Never waits. @throws InvalidArgumentError, what the codec throws */
export function trySelect<C extends SelectCases>(cases: C): SelectResult<C> | undefined {
  return new Cases(cases).attempt() as SelectResult<C> | undefined
}

/**
 * As `select`, in a fiber: `const got = yield* selectFiber({ … })`. A fiber that is cancelled meanwhile has done none of the cases, unless a
 * channel of capacity 0 is among them: then one that was decided at that very moment counts, and what it received is gone.
 */
export function selectFiber<C extends SelectCases>(cases: C, options?: WaitOptions): FiberOperation<SelectResult<C>> {
  const all = new Cases(cases)
  if (options?.signal !== undefined) throwIfCancelled(options.signal)
  return new SelectFiber(all, options) as FiberOperation<unknown> as FiberOperation<SelectResult<C>>
}
