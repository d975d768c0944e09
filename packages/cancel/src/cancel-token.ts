/**
 * Cancellation that every thread sees: a tree of tokens in the region, with reasons and deadlines.
 *
 * Source     Go's `context` (trees, deadlines, AfterFunc), .NET's CancellationTokenSource (source and token apart), AbortSignal (reasons,
 *            listeners called by `abort()` itself).
 * Layout     one cache line: park's cancel-tree.ts and node.ts. Sources and tokens are two views of one node.
 * Invariants cancel-tree.ts (T…), node.ts (N…), side.ts (L…).
 * Pairs      N_STATE's store is seen by the next isCancelled anywhere.
 * Progress   isCancelled is one load. cancel is linear in the subtree and its waits, never waits for anybody but holders of a node's lock, and
 *            needs no memory of the region. A canceller that dies is finished by its reaper, or by who looks under the lock before.
 */
import { DisposedError, type Handle, InvalidArgumentError, Region, registerShareable, SharedObject } from '@heddle/atomics'
import { checkList, Place, regionOf } from '@heddle/atomics/internal'
import { agentLocal, defer, effect, load, now, peek } from '@heddle/atomics/ops'
import { CancelledError, TimeoutError } from '@heddle/park'
import {
  Agent,
  blockOf,
  cancelNode,
  inheritedState,
  isAbortSignal,
  lockQueue,
  N_FLAGS,
  N_QUEUE,
  N_STATE,
  NODE_CANCELLED,
  NODE_WORDS,
  unlockQueue,
} from '@heddle/park/internal'
import {
  adopt,
  deadlineOfNode,
  deliverAll,
  disposeNode,
  FLAG_NEVER,
  FLAG_OWNED,
  FLAG_POOLED,
  formatNode,
  GONE,
  isThere,
  releaseReason,
  TIMED_OUT,
} from './node.js'
import { giveNode, takeNode } from './pool.js'
import { call, hubOf, isPast, type Listened } from './side.js'

/** Settings of a token that is not made below another. */
export interface TokenOptions {
  /** Where it lives; waits that it ends must be in the same region. Default: `Region.default`. */
  region?: Region
}

/** Settings of a child. */
export interface ChildOptions {
  /** Milliseconds until it is cancelled by itself, with a `TimeoutError`; 0 or more. Default: none. A parent's deadline holds in any case. */
  timeout?: number
}

/** Settings of a source. */
export interface CancelSourceOptions extends TokenOptions, ChildOptions {
  /** The token that cancels it too; it lives in that one's region. */
  parent?: CancelToken
}

/** What a token object remembers for its agent: the same signal and the same error every time. */
interface Kept {
  signal?: AbortSignal
  reason?: unknown
}
const kept = agentLocal(() => new WeakMap<CancelToken, Kept>())

/**
 * Tells an operation that nobody wants its result any more. Any thread may look at it, wait with it, listen to it, and send it on.
 *
 * Pass it as `signal` to every wait of heddle, the blocking ones included. It is cancelled by its `CancelSource`, by its parents,
 * by a deadline, or by an AbortSignal; once, and never back.
 *
 * ```ts
 * import { sleepAsync } from '@heddle/park'
 * const source = new CancelSource()
 * const stopped = sleepAsync(60_000, { signal: source.token }).catch((reason) => reason.code)
 * source.cancel()
 * console.log(await stopped) // ERR_CANCELLED
 * source.dispose()
 * ```
 */
export class CancelToken extends SharedObject implements Listened {
  static readonly kind = 'CancelToken'
  static readonly BYTES = NODE_WORDS * 4
  static readonly ALIGN = 4
  /**
   * Word index of its node.
   * @internal
   */
  readonly node: number
  /** Word index of the queue that waits with it are in; 0 for a token that never fires. Part of park's `CancelSignal`. */
  readonly waiters: number
  private readonly state: number

  /**
   * Tokens come from sources, from the static methods and from handles.
   * @internal
   */
  constructor(place: Place) {
    super(place)
    this.node = place.at >> 2
    this.state = this.node + N_STATE
    this.waiters = (load(this.region.words, this.node + N_FLAGS) & FLAG_NEVER) === 0 ? this.node + N_QUEUE : 0
  }

  /** Makes a token in BYTES zeroed bytes that the caller owns; it is cancelled by its timeout alone. See `CancelSource.init`. */
  static init(region: Region, at: number, options: ChildOptions = {}): CancelToken {
    return make(Agent.of(region), 0, deadlineAfter(options.timeout), NOBODY, at)
  }

  /** Opens the token at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number): CancelToken {
    return new CancelToken(Place.open(region, at, CancelToken))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): CancelToken {
    return new CancelToken(Place.openHandle(handle, CancelToken))
  }

  /** A token that is never cancelled; it may be passed to waits in any region. One for each agent. */
  static get none(): CancelToken {
    const mine = never.get()
    return (mine.token ??= make(Agent.of(Region.default), FLAG_NEVER, Infinity))
  }

  /**
   * A token that is cancelled with a `TimeoutError` after `ms` milliseconds, never earlier. Dispose of it when it is not needed any more.
   *
   * The timer is the calling agent's and does not keep the process alive. Every wait and every listener in any agent looks at the
   * deadline by itself, so that they end in time also when that agent is blocked or dead; `isCancelled` turns true when the first of
   * them has noticed.
   * @param ms 0 or more; `Infinity`: never
   * @throws InvalidArgumentError, RegionFullError
   */
  static timeout(ms: number, options: TokenOptions = {}): CancelToken {
    const deadline = deadlineAfter(ms)
    return make(Agent.of(regionOf(options)), 0, deadline)
  }

  /**
   * A token that is cancelled with the first of several, for its reason; AbortSignals among them are listened to by this agent. All tokens are
   * of one region. Dispose of it when it is not needed any more. Cost: a node, and one more for each further token.
   * @throws InvalidArgumentError for what is no signal and for tokens of several regions, DisposedError, RegionFullError
   */
  static any(signals: Iterable<CancelToken | AbortSignal>, options: TokenOptions = {}): CancelToken {
    const parents = new Map<number, CancelToken>()
    const web: AbortSignal[] = []
    const given = regionOf(options)
    let { region } = options
    for (const signal of checkList(signals, 'signals')) {
      if (!(signal instanceof CancelToken)) web.push(checkAbortSignal(signal))
      else if (signal.waiters !== 0) {
        signal.assertLive()
        region ??= signal.region
        if (signal.region !== region) throw new InvalidArgumentError('any() takes tokens of one region: make them with the same `region`')
        parents.set(signal.node, signal)
      }
    }
    let deadline = Infinity
    for (const parent of parents.values()) deadline = Math.min(deadline, parent.deadline ?? Infinity)
    const agent = Agent.of(region ?? given)
    const token = make(agent, 0, deadline, [...parents.values()], 0, false)
    for (const signal of web) if (!token.isCancelled) token.follow(signal)
    return token
  }

  /**
   * A token that is cancelled when an AbortSignal aborts, for its reason. This agent listens until the token is cancelled or disposed
   * of; dispose of it when it is not needed any more. A thread that blocks can't notice its own AbortSignals, but other threads wait with the token.
   * @throws InvalidArgumentError, RegionFullError
   */
  static from(signal: AbortSignal, options: TokenOptions = {}): CancelToken {
    checkAbortSignal(signal)
    const token = make(Agent.of(regionOf(options)), 0, Infinity)
    token.follow(signal)
    return token
  }

  /** Whether it was cancelled: one load. True also after it was disposed of, so that nobody goes on for ever. */
  get isCancelled(): boolean {
    const { words } = this.region
    // A disposed node's place may be another token's: the header tells. A hint is enough, see SharedObject.assertLive.
    return load(words, this.state) !== 0 || peek(words, this.node) !== this.header
  }

  /**
   * What it was cancelled with: the same object every time; `undefined` before. Errors of other threads arrive as `encodeValue` of
   * `@heddle/atomics` says, with class, message, code and cause. Without a reason a `CancelledError`, past its deadline a `TimeoutError`,
   * after its disposal a `DisposedError`.
   */
  get reason(): unknown {
    if (!this.isCancelled) return undefined
    const mine = keptOf(this)
    if (!('reason' in mine)) mine.reason = this.readReason()
    return mine.reason
  }

  /** Throws the reason if it was cancelled; one load if not. */
  throwIfCancelled(): void {
    if (this.isCancelled) throw this.reason
  }

  /** When it is cancelled by itself, in ms since the epoch as `performance.timeOrigin + performance.now()`; its own deadline or a parent's, whichever is earlier. */
  get deadline(): number | undefined {
    const deadline = deadlineOfNode(this.region.words, this.node)
    return deadline === Infinity ? undefined : deadline
  }

  /**
   * A new source whose token is cancelled with this one, in whatever thread either lives. Dispose of it when it is not needed any more: a
   * parent remembers its children. Cost: about that of an uncontended lock of a mutex.
   * @throws DisposedError, InvalidArgumentError for a timeout that is no time, RegionFullError
   */
  child(options: ChildOptions = {}): CancelSource {
    return new CancelSource(makeSource({ ...options, region: this.region, parent: this }, 0))
  }

  /**
   * Has `callback` called in this agent, with the reason, when the token is cancelled: once, whoever cancels it.
   *
   * Cancelled by this agent, `cancel()` calls it before it returns, as `AbortController.abort()` does; by another agent or by a deadline, on this one's next
   * turn (one that is blocked: when it is back on its loop). On a token that was cancelled before, it is called soon after `onCancel` returned, as a microtask.
   * Callbacks run in order; one that throws is an uncaught error and stops no other. Listening keeps no process alive.
   * Disposal of a token that was never cancelled drops its callbacks.
   * @returns how to take it off: after that it is not called; harmless when it was
   * @throws DisposedError, RegionFullError
   */
  onCancel(callback: (reason: unknown) => void): () => void {
    if (typeof callback !== 'function') throw new InvalidArgumentError(`onCancel takes a function, got ${typeof callback}`)
    this.assertLive()
    if (this.waiters === 0) return () => undefined
    this.expire()
    if (!this.isCancelled) {
      const off = this.listenUnlessEnded(callback)
      if (off !== undefined) return off
    }
    // Now: by the time of the call, another agent may have disposed of it. One that did so before this is no cancel.
    const { reason } = this
    if (!this.hasFired) throw gone()
    let isOn = true
    defer(() => {
      // Those that were registered before the cancel, and whose turn has yet to come, are first.
      hubOf(Agent.of(this.region)).hear(this)
      if (isOn) effect(() => call(callback, reason))
      isOn = false
    })
    return () => void (isOn = false)
  }

  /**
   * An AbortSignal that aborts with this token, for APIs of the platform. One for this agent and token, made when first asked for; until it
   * aborts or the token is disposed of it costs what a callback of `onCancel` costs. A blocked agent's aborts when it is back on its loop.
   */
  get signal(): AbortSignal {
    const mine = keptOf(this)
    return (mine.signal ??= this.makeSignal())
  }

  /** Cancels the token if its deadline has passed. Waits call it; nobody else needs to. */
  expire(): void {
    if (isPast(deadlineOfNode(this.region.words, this.node)) && load(this.region.words, this.state) === 0) {
      const agent = Agent.of(this.region)
      const claimed: number[] = []
      cancelNode(agent, this.node, this.header, NODE_CANCELLED | TIMED_OUT, claimed)
      hubOf(agent).ended(this)
      // A thread's wait may be what noticed: callbacks are for the loop.
      deliverAll(agent, claimed)
    }
  }

  /** Whether it was disposed of, here or in another agent. */
  override get isDisposed(): boolean {
    return !isThere(this.region.words, this.node, this.header)
  }

  /**
   * Ends the token of a static method; a source disposes of its own. What still waits with it throws `DisposedError`, unless it was
   * cancelled before; children live on, without it.
   * @throws DisposedError when it was disposed of already, InvalidArgumentError for a source's token and for `none`
   */
  override dispose(): void {
    if ((load(this.region.words, this.node + N_FLAGS) & FLAG_OWNED) !== 0 && !this.isDisposed)
      throw new InvalidArgumentError('this token belongs to a CancelSource: dispose of that')
    endToken(this)
  }

  /** Whether it was cancelled, rather than disposed of. */
  get hasFired(): boolean {
    const { words } = this.region
    return isCancelledState(load(words, this.state)) && load(words, this.node) === this.header
  }

  protected override assertLive(): void {
    if (this.isDisposed) throw gone()
  }

  /** @returns undefined when the token ended meanwhile; then `callback` was not called */
  private listenUnlessEnded(callback: (reason: unknown) => void): (() => void) | undefined {
    let isListening = false
    const off = hubOf(Agent.of(this.region)).listen(this, (reason) => {
      if (isListening) callback(reason)
    })
    isListening = true
    return off
  }

  /** Cancels this token when `signal` aborts. */
  private follow(signal: AbortSignal): void {
    if (signal.aborted) {
      cancelToken(this, signal.reason)
      return
    }
    const aborted = (): void => {
      if (!this.isDisposed)
        cancelToken(
          this,
          effect(() => signal.reason as unknown),
        )
    }
    effect(() => signal.addEventListener('abort', aborted, { once: true }))
    hubOf(Agent.of(this.region)).listen(this, () => effect(() => signal.removeEventListener('abort', aborted)), true)
  }

  private makeSignal(): AbortSignal {
    if (this.waiters === 0) return effect(() => new AbortController().signal)
    this.expire()
    if (!this.isCancelled) return hubOf(Agent.of(this.region)).controllerOf(this).signal
    const controller = effect(() => new AbortController())
    effect(() => controller.abort(this.reason))
    return controller.signal
  }

  private readReason(): unknown {
    const agent = Agent.of(this.region)
    const { words } = agent
    lockQueue(agent, this.node + N_QUEUE)
    // One more share in the block, so that it stays while it is read.
    const state = load(words, this.node) === this.header ? inheritedState(words, load(words, this.state)) : GONE
    unlockQueue(agent, this.node + N_QUEUE)
    if ((state & GONE) !== 0) return gone()
    if ((state & TIMED_OUT) !== 0) return new TimeoutError('the deadline of the token passed')
    const block = blockOf(state)
    if (block === 0) return new CancelledError()
    try {
      return hubOf(agent).reasons.read(block)
    } finally {
      releaseReason(this.region, state)
    }
  }
}

const never = agentLocal<{ token: CancelToken | undefined }>(() => ({ token: undefined }))

/**
 * Cancels its token. Whoever has the source decides; whoever has the token only obeys. A source may be sent to other threads too.
 *
 * ```ts
 * const source = new CancelSource({ timeout: 1000 })
 * const part = source.token.child()
 * part.token.onCancel((reason) => console.log((reason as Error).message)) // the user left
 * source.cancel(new Error('the user left'))
 * console.log(part.token.isCancelled) // true
 * part.dispose()
 * source.dispose()
 * ```
 */
export class CancelSource extends SharedObject {
  static readonly kind = 'CancelSource'
  static readonly BYTES = CancelToken.BYTES
  static readonly ALIGN = CancelToken.ALIGN
  /** What it cancels. */
  readonly token: CancelToken

  /** Makes a source with a token of its own. @throws InvalidArgumentError for a timeout that is no time, DisposedError for a parent that is gone, RegionFullError */
  constructor(options: CancelSourceOptions | CancelToken = {}) {
    const token = options instanceof CancelToken ? options : makeSource(options, 0)
    // The token is where the source is: what the base takes of a place.
    super(token as unknown as Place)
    this.token = token
    registerShareable(CancelSource.kind, CancelSource)
  }

  /** Makes a source in BYTES zeroed bytes that the caller owns. The memory may be used otherwise when it was disposed of and nobody waits with its token any more. */
  static init(region: Region, at: number, options: ChildOptions & { parent?: CancelToken } = {}): CancelSource {
    return new CancelSource(makeSource({ ...options, region }, at))
  }

  /** Opens the source at a byte offset. @throws DisposedError when none lives there, InvalidArgumentError for a token without one. */
  static at(region: Region, at: number): CancelSource {
    return sourceOf(CancelToken.at(region, at))
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle): CancelSource {
    if ((handle as Partial<Handle> | undefined)?.heddle !== CancelSource.kind)
      throw new InvalidArgumentError(`the handle is one of a ${String((handle as Partial<Handle> | undefined)?.heddle)}, not of a CancelSource`)
    return sourceOf(CancelToken.fromHandle({ ...handle, heddle: CancelToken.kind }))
  }

  /**
   * Cancels the token and everything below it, in all threads: waits end with the reason, callbacks run, `isCancelled` is true. Only the
   * first cancel counts. Linear in the subtree; never blocks for long, and needs no memory but for the reason (which is left out in a full region).
   * @param reason what waits throw: any value that can travel. Default: a `CancelledError`
   * @returns whether this call cancelled it
   * @throws NotShareableError for a reason that can't travel, DisposedError
   */
  cancel(reason?: unknown): boolean {
    return cancelToken(this.token, reason)
  }

  /** Whether it was disposed of, here or in another agent. */
  override get isDisposed(): boolean {
    return this.token.isDisposed
  }

  /**
   * Ends the source and its token for every agent, without cancelling: what still waits with the token throws `DisposedError`; its children live
   * on, without their parent; callbacks are dropped. After a cancel all of that is done already, and waits keep their reason.
   * @throws DisposedError when it was disposed of already
   */
  override dispose(): void {
    endToken(this.token)
  }

  protected override assertLive(): void {
    if (this.isDisposed) throw new DisposedError('this CancelSource was disposed of')
  }
}

const NOBODY: readonly CancelToken[] = []

/**
 * @param at byte offset in the caller's memory; 0: in the pool's
 * @param isOwn whether the deadline is its own, not a parent's, so that this agent fires it
 * @throws DisposedError, RegionFullError
 */
function make(agent: Agent, flags: number, deadline: number, parents = NOBODY, at = 0, isOwn = parents.length === 0): CancelToken {
  const hub = hubOf(agent)
  hub.sweep()
  const node = at === 0 ? takeNode(agent) : at >> 2
  let place: Place
  try {
    place = Place.format(agent.region, at === 0 ? node << 2 : at, CancelToken)
  } catch (error) {
    if (at === 0) giveNode(agent, node)
    throw error
  }
  formatNode(agent.words, node, at === 0 ? flags | FLAG_POOLED : flags, deadline)
  const token = new CancelToken(place)
  if (parents.length > 0) {
    try {
      adopt(agent, node, parents)
    } catch (error) {
      endToken(token)
      throw error
    }
  }
  if (isOwn && deadline !== Infinity && token.deadline !== undefined) hub.startTimer(token)
  return token
}

/** @throws InvalidArgumentError, DisposedError, RegionFullError */
function makeSource(options: CancelSourceOptions, at: number): CancelToken {
  const region = regionOf(options)
  const { timeout, parent } = options
  const deadline = deadlineAfter(timeout)
  if (parent === undefined || parent.waiters === 0) return make(Agent.of(region), FLAG_OWNED, deadline, NOBODY, at)
  if (options.region !== undefined && region !== parent.region) throw new InvalidArgumentError('a child lives in the region of its parent')
  const inherited = parent.deadline ?? Infinity
  return make(Agent.of(parent.region), FLAG_OWNED, Math.min(deadline, inherited), [parent], at, deadline < inherited)
}

/** Cancels a token for a reason. @returns whether this call did. @throws NotShareableError, DisposedError */
function cancelToken(token: CancelToken, reason: unknown): boolean {
  if (token.isDisposed) throw gone()
  if (token.isCancelled) {
    // A canceller may have died in the middle.
    fire(token, NODE_CANCELLED)
    return false
  }
  const hub = hubOf(Agent.of(token.region))
  const block = reason === undefined ? 0 : hub.reasons.write(reason)
  const isFirst = fire(token, NODE_CANCELLED | block, reason)
  if (!isFirst) releaseReason(token.region, block)
  return isFirst
}

/** Cancels the node and its subtree, and calls this agent's callbacks. @returns whether it was this call that did */
function fire(token: CancelToken, state: number, reason?: unknown): boolean {
  const agent = Agent.of(token.region)
  const hub = hubOf(agent)
  const claimed: number[] = []
  const isFirst = cancelNode(agent, token.node, token.header, state, claimed)
  if (isFirst && reason !== undefined) keptOf(token).reason = reason
  hub.ended(token)
  hub.deliver(claimed)
  hub.hear(token)
  return isFirst
}

/** Disposes of a token. @throws DisposedError when it was disposed of already */
function endToken(token: CancelToken): void {
  const agent = Agent.of(token.region)
  const hub = hubOf(agent)
  const claimed: number[] = []
  const isFree = disposeNode(agent, token.node, token.header, claimed)
  if (isFree === undefined) throw gone()
  hub.ended(token)
  hub.deliver(claimed)
  hub.retire(token.node, isFree)
  hub.sweep()
}

function gone(): DisposedError {
  return new DisposedError('this CancelToken was disposed of')
}

function sourceOf(token: CancelToken): CancelSource {
  if ((load(token.region.words, token.node + N_FLAGS) & FLAG_OWNED) === 0) throw new InvalidArgumentError('this token has no source')
  return new CancelSource(token)
}

function keptOf(token: CancelToken): Kept {
  const all = kept.get()
  let mine = all.get(token)
  if (mine === undefined) all.set(token, (mine = {}))
  return mine
}

function isCancelledState(state: number): boolean {
  return state !== 0 && (state & GONE) === 0
}

function deadlineAfter(ms: number | undefined): number {
  if (ms === undefined || ms === Infinity) return Infinity
  if (typeof ms !== 'number' || !(ms >= 0)) throw new InvalidArgumentError(`a timeout is a number of milliseconds, 0 or more, got ${String(ms)}`)
  return now() + ms
}

function checkAbortSignal(signal: unknown): AbortSignal {
  if (typeof signal !== 'object' || signal === null || !isAbortSignal(signal as AbortSignal))
    throw new InvalidArgumentError(`expected a CancelToken or an AbortSignal, got ${String(signal)}`)
  return signal as AbortSignal
}
