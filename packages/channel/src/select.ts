/**
 * Waiting for the first of several channels and times.
 *
 * Source     Go's select (`runtime/select.go`): ready cases in random order, one waiter in all queues. Here each channel keeps its messages,
 *            so that a chosen select only looks again, and no queue need be locked together with another.
 *   main record      meaning
 *   FREE             looking for the first time: no link is in a queue
 *   WAITING          a link in the queue of each channel; may be chosen through any of them, once
 *   NOTIFIED case    chosen through link `case - 1`; the other links are passed over while it looks
 *   NOTIFIED recheck told to look again; made NOTIFIED 0 before it looks, so that nobody chooses it meanwhile
 * Invariants X1 Links are placed, the main record is made WAITING, and then all cases are looked at again: who makes one ready after that look
 *               finds the link, who did before is seen (as B1, B4 of buffered.ts).
 *            X2 A select that was chosen through one channel and ends with another passes the wake on.
 *            X3 No link is in a queue when the main record is given back.
 * Progress   As a receive or a send on each of its channels; among ready cases each is equally likely.
 */
import { InvalidArgumentError, type Region, Region as Regions } from '@heddle/atomics'
import { compareExchange, get, load, now, random, set } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { TimeoutError } from '@heddle/park'
import {
  Agent,
  block,
  type BLOCKED,
  CASE_RECHECK,
  caseOf,
  claim,
  deadlineOf,
  deliver,
  FiberWait,
  inPhase,
  KIND_THREAD,
  NOTIFIED,
  Operation,
  promise,
  setPhase,
  settle,
  throwIfCancelled,
  W_KIND,
  W_LINKED,
  W_MAIN,
  W_STATE,
  W_WANT,
  WAITING,
} from '@heddle/park/internal'
import { Buffered } from './buffered.js'
import { Endpoint } from './endpoint.js'
import { ClosedError } from './errors.js'
import { BUSY, DONE } from './flavor.js'
import { Receiver } from './receiver.js'
import { Sender } from './sender.js'
import { CLOSED, EMPTY } from './symbols.js'
import { type TimeSource } from './time-source.js'

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

interface Result {
  key: string
  value?: unknown
  closed?: true
}

/** Most cases: more do not fit into a record's state. */
const MAX_CASES = 253

/** A case on a channel. */
interface ChannelCase {
  key: string
  flavor: Buffered<unknown>
  sends: boolean
  value: unknown
}
interface TimeCase {
  key: string
  source: TimeSource<unknown>
}

class Cases {
  readonly channels: ChannelCase[] = []
  readonly times: TimeCase[] = []
  readonly region: Region

  constructor(cases: SelectCases) {
    for (const [key, what] of Object.entries(cases)) {
      if ('source' in what) this.times.push({ key, source: what.source })
      else if (Array.isArray(what))
        this.channels.push(channelCase(key, (what as unknown as [Sender<unknown>, unknown])[0], true, (what as unknown as [unknown, unknown])[1]))
      else this.channels.push(channelCase(key, what as unknown as Receiver<unknown>, false, undefined))
    }
    if (this.channels.length > MAX_CASES) throw new InvalidArgumentError(`a select takes at most ${MAX_CASES} channels, got ${this.channels.length}`)
    this.region = this.channels[0]?.flavor.region ?? Regions.default
    for (const { flavor, key } of this.channels) {
      if (flavor.region !== this.region) throw new InvalidArgumentError(`select: the channel of '${key}' lives in another region than the first one`)
    }
  }

  /** Does one ready case, if there is one. */
  attempt(): Result | undefined {
    const { channels, times } = this
    const count = channels.length + times.length
    const start = count < 2 ? 0 : random() % count
    for (let i = 0; i < count; i++) {
      const at = (start + i) % count
      const found = at < channels.length ? attemptChannel(channels[at]!) : this.attemptTime(times[at - channels.length]!)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Whether one is ready. */
  canAttempt(): boolean {
    return this.channels.some(({ flavor, sends }) => (sends ? flavor.canOffer() : flavor.canPoll())) || this.times.some(({ source }) => source.isDue)
  }

  /** When the first time is due. */
  get deadline(): number {
    return this.times.reduce((first, { source }) => Math.min(first, source.deadline), Infinity)
  }

  /** Somebody chose the select for this channel, and it did something else. */
  passOn(agent: Agent, index: number): void {
    const { flavor, sends } = this.channels[index]!
    if (sends) flavor.wakeSender(agent)
    else flavor.wakeReceiver(agent)
  }

  private attemptTime({ key, source }: TimeCase): Result | undefined {
    return source.isDue ? { key, value: source.take() } : undefined
  }
}

function channelCase(key: string, end: Endpoint<unknown>, sends: boolean, value: unknown): ChannelCase {
  if (!(sends ? end instanceof Sender : end instanceof Receiver))
    throw new InvalidArgumentError(`select: '${key}' is no receiver, no [sender, value] and no time`)
  const flavor = Endpoint.flavorOf(end)
  if (!(flavor instanceof Buffered))
    throw new InvalidArgumentError(`select: the channel of '${key}' has capacity 0; select takes channels that keep messages`)
  return { key, flavor: flavor as Buffered<unknown>, sends, value }
}

function attemptChannel({ key, flavor, sends, value }: ChannelCase): Result | undefined {
  if (!sends) {
    const found = flavor.poll()
    if (found === EMPTY || found === BUSY) return undefined
    return found === CLOSED ? { key, closed: true } : { key, value: found }
  }
  try {
    return flavor.offer(value) === DONE ? { key, value: undefined } : undefined
  } catch (error) {
    if (error instanceof ClosedError) return { key, closed: true }
    throw error
  }
}

/** One select that waits. `takes` false: it only waits until a case is ready. */
class SelectOperation extends Operation<Result | undefined> {
  private readonly links: number[] = []
  private chosen = 0

  constructor(
    agent: Agent,
    private readonly cases: Cases,
    private readonly takes: boolean,
  ) {
    super(agent)
  }

  begin(): boolean {
    const { agent, cases, record } = this
    if (this.attempt()) return true
    if (
      get(agent.words, record + W_KIND) === KIND_THREAD &&
      cases.channels.length > 0 &&
      agent.spin.until(() => cases.canAttempt()) &&
      this.attempt()
    )
      return true
    try {
      for (let i = 0; i < cases.channels.length; i++) {
        const link = agent.acquire(KIND_THREAD)
        this.links.push(link)
        set(agent.words, link + W_MAIN, record)
        // The case that a claim through it carries; 0 is none.
        set(agent.words, link + W_WANT, i + 1)
      }
    } catch (error) {
      this.unlinkAll()
      throw error
    }
    this.wait()
    return false
  }

  resume(state: number): boolean {
    const { words } = this.agent
    const index = this.record + W_STATE
    let current = state
    while (caseOf(current) === CASE_RECHECK && compareExchange(words, index, current, inPhase(current, NOTIFIED)) !== current)
      current = load(words, index)
    this.chosen = caseOf(current) === CASE_RECHECK ? 0 : caseOf(current)
    let done: boolean
    try {
      done = this.attempt()
    } catch (error) {
      this.end()
      throw error
    }
    if (done) this.end()
    else this.wait()
    return done
  }

  override abandon(): void {
    this.unlinkAll()
  }

  override timedOut(): boolean {
    // A receive or a send that became ready at this very moment stays for the next.
    for (const { key, source } of this.cases.times) {
      if (!source.isDue) continue
      this.result = this.takes ? { key, value: source.take() } : undefined
      return true
    }
    return !this.takes
  }

  override undo(): boolean {
    if (this.takes) return false
    if (this.chosen !== 0) this.cases.passOn(this.agent, this.chosen - 1)
    return true
  }

  override yieldClaim(): boolean {
    const chosen = caseOf(load(this.agent.words, this.record + W_STATE))
    if (chosen > 0 && chosen <= this.links.length) this.cases.passOn(this.agent, chosen - 1)
    return false
  }

  private attempt(): boolean {
    if (!this.takes) return this.cases.canAttempt()
    this.result = this.cases.attempt()
    return this.result !== undefined
  }

  /** X1 */
  private wait(): void {
    const { agent, cases, links, record } = this
    const { words } = agent
    links.forEach((link, i) => {
      const { flavor, sends } = cases.channels[i]!
      if (load(words, link + W_LINKED) === 0) flavor.link(agent, sends, link)
    })
    setPhase(words, record, WAITING)
    if (cases.canAttempt() && claim(words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
  }

  /** Done: X3, X2. */
  private end(): void {
    this.unlinkAll()
    if (this.takes && this.chosen !== 0) this.cases.passOn(this.agent, this.chosen - 1)
  }

  private unlinkAll(): void {
    const { agent } = this
    for (let link = this.links.pop(); link !== undefined; link = this.links.pop()) {
      settle(agent, link)
      set(agent.words, link + W_MAIN, link)
      agent.slab.release(link)
    }
  }
}

/** The limits of a wait that also ends when the first time case is due. */
function limited<O extends WaitOptions>(cases: Cases, options: O | undefined, userDeadline: number): O | undefined {
  const deadline = Math.min(userDeadline, cases.deadline)
  return deadline === Infinity ? options : ({ ...options, timeout: Math.max(0, deadline - now()) } as O)
}

/**
 * Waits for the first case that can happen, and does exactly that one; blocks the thread. Among ready cases each is equally likely.
 * @param cases by key: a receiver, `[sender, value]` to send, or `after(ms)`, `tick(ms)`, `never()`; channels of one region, none of capacity 0
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

/** As `select`, in a fiber: `const got = yield* selectFiber({ … })`. A fiber that is cancelled meanwhile has done none of the cases. */
export function selectFiber<C extends SelectCases>(cases: C, options?: WaitOptions): FiberOperation<SelectResult<C>> {
  const all = new Cases(cases)
  if (options?.signal !== undefined) throwIfCancelled(options.signal)
  return new SelectFiber(all, options) as FiberOperation<unknown> as FiberOperation<SelectResult<C>>
}

/** Does its case in the fiber's own step, as ReceiveFiber. */
class SelectFiber implements FiberOperation<Result>, Iterator<typeof BLOCKED, Result, unknown> {
  private waiting: FiberWait<Result | undefined> | undefined
  private waited = false
  private readonly deadline: number
  constructor(
    private readonly cases: Cases,
    private readonly options: WaitOptions | undefined,
  ) {
    this.deadline = deadlineOf(options)
  }
  [Symbol.iterator](): this {
    return this
  }
  next(): IteratorResult<typeof BLOCKED, Result> {
    for (;;) {
      if (this.waiting !== undefined) {
        const step = this.waiting.next()
        if (step.done !== true) return step
        this.waiting = undefined
      }
      const found = this.cases.attempt()
      if (found !== undefined) {
        // Which channel it was chosen for is not known here any more: X2.
        if (this.waited) this.cases.channels.forEach((_case, index) => this.cases.passOn(Agent.of(this.cases.region), index))
        return { done: true, value: found }
      }
      this.waited = true
      if (this.deadline <= now()) throw new TimeoutError()
      const operation = new SelectOperation(Agent.of(this.cases.region), this.cases, false)
      this.waiting = new FiberWait(operation, limited(this.cases, this.options, this.deadline), 'selectFiber()')
    }
  }
  throw(error: unknown): never {
    this.waiting?.throw(error)
    throw error
  }
  return(value?: unknown): IteratorReturnResult<Result> {
    this.waiting?.return(value)
    return { done: true, value: value as Result }
  }
}
