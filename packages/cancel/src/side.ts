/**
 * What one agent keeps of tokens outside the region: callbacks, AbortSignals, timers, and nodes that it is to recycle.
 *
 * A listener is a wait that nothing but its token ends: two waiter records for one token and agent, whatever the number of callbacks.
 * So a cancel reaches it as it reaches any wait, it is cleaned up when its agent dies, and it is told of a canceller's death.
 *
 * Invariants L1 Callbacks are called from the listener's end, which comes once; one that was taken off before is not called.
 *            L2 A cancel in the same agent calls them before it returns, one in another agent on the next turn of this one. (Those of a
 *               descendant that was told of another agent's death, and has not looked yet, too.)
 *            L3 A listener, a timer and a bridge belong to one header: those of a node that was recycled are ended before a new one is made.
 */
import type { Region } from '@heddle/atomics'
import { agentLocal, defer, effect, now } from '@heddle/atomics/ops'
import type { CancelSignal, Timer } from '@heddle/park'
import { type Agent, cancelTimer, deliver, KIND_PROMISE, Operation, Pending, setPhase, WAITING } from '@heddle/park/internal'
import { isIdle, recycle } from './node.js'
import { Reasons } from './reason.js'

/** How many nodes that were busy when they were disposed of are looked at again in one call. */
const RETRIES = 4

/** A token, as far as this file needs it. */
export interface Listened extends CancelSignal {
  /** Word index of its node. */
  readonly node: number
  readonly header: number
  /** Whether it was cancelled, rather than disposed of. */
  readonly hasFired: boolean
}

/** Waits for nothing. */
class Listening extends Operation<never> {
  begin(): boolean {
    setPhase(this.agent.words, this.record, WAITING)
    return false
  }
  resume(): boolean {
    return this.begin()
  }
}

/** One callback; an object of its own, so that one function may be registered twice. */
interface Entry {
  readonly callback: (reason: unknown) => void
  /** Also called when the token is disposed of without being cancelled: what has to be taken down then. */
  readonly always: boolean
}

/** How a listener ended. Made while it is still linked into the token's queue: after that the node may be recycled (node.ts, N1). */
interface Ending {
  readonly fired: boolean
  readonly reason: unknown
}

/** An agent's callbacks for one token; to its wait, it is the token. */
class Listener implements CancelSignal {
  private readonly entries = new Set<Entry>()
  private pending: Pending<never> | undefined
  /** The record that a cancel claims. */
  private record = 0
  readonly region: Region
  readonly waiters: number
  readonly deadline: number | undefined

  constructor(
    private readonly side: Side,
    private readonly token: Listened,
  ) {
    this.region = token.region
    this.waiters = token.waiters
    this.deadline = token.deadline
  }

  get isCancelled(): boolean {
    return this.token.isCancelled
  }

  get reason(): Ending {
    const fired = this.token.hasFired
    return { fired, reason: fired ? this.token.reason : undefined }
  }

  expire(): void {
    this.token.expire!()
  }

  start(agent: Agent): void {
    const operation = new Listening(agent)
    this.pending = Pending.start(operation, KIND_PROMISE, { signal: this }, false, {
      done: () => undefined,
      failed: (ending) => this.end(ending as Ending | undefined),
    })
    if (this.pending.isSettled) return
    this.record = operation.record
    this.side.hub.byRecord.set(operation.record, this)
  }

  /** Whether its callbacks had their turn: none is added any more. */
  get hasEnded(): boolean {
    return this.pending?.isSettled === true
  }

  add(entry: Entry): void {
    this.entries.add(entry)
  }

  /** Takes one off; the last one takes the listener down. */
  remove(entry: Entry): void {
    if (this.entries.delete(entry) && this.entries.size === 0) this.close()
  }

  /** The token ended it, in a cancel by this agent: what the next turn would do. */
  ready(): void {
    this.pending?.ready()
  }

  close(): void {
    this.entries.clear()
    this.pending?.giveUp(undefined, true)
  }

  private end(ending: Ending | undefined): void {
    const { hub, node } = this.side
    if (this.record !== 0) hub.byRecord.delete(this.record)
    if (this.side.listener === this) this.side.listener = undefined
    hub.tidy(node)
    for (const entry of this.entries) {
      this.entries.delete(entry)
      if (ending?.fired === true || entry.always) call(entry.callback, ending?.reason)
    }
  }
}

/** Calls a user's function; what it throws is an uncaught error of this agent, as a listener's of an AbortSignal, and stops nobody else. */
export function call(callback: (reason: unknown) => void, reason: unknown): void {
  try {
    callback(reason)
  } catch (error) {
    defer(() => {
      throw error
    })
  }
}

/** What one agent keeps of one token. */
export class Side {
  listener: Listener | undefined
  timer: Timer | undefined
  controller: AbortController | undefined

  constructor(
    readonly hub: Hub,
    readonly node: number,
    readonly header: number,
  ) {}

  get isEmpty(): boolean {
    return this.listener === undefined && this.timer === undefined
  }

  stopTimer(): void {
    if (this.timer !== undefined) cancelTimer(this.timer)
    this.timer = undefined
  }
}

/** What one agent keeps of the tokens of one region. */
export class Hub {
  readonly reasons: Reasons
  /** By node. */
  private readonly sides = new Map<number, Side>()
  readonly byRecord = new Map<number, Listener>()
  /** Nodes that were disposed of while somebody still had to look at them. */
  private readonly busy: number[] = []

  constructor(readonly agent: Agent) {
    this.reasons = new Reasons(agent.region)
  }

  /** What is kept of a token, if anything. */
  find(token: Listened): Side | undefined {
    const side = this.sides.get(token.node)
    return side?.header === token.header ? side : undefined
  }

  /** Has `callback` called when the token ends. @returns how to take it off; undefined when the token had ended already: then it was called, if ever, in here */
  listen(token: Listened, callback: (reason: unknown) => void, always = false): (() => void) | undefined {
    const side = this.sideOf(token)
    const entry = { callback, always }
    let { listener } = side
    if (listener === undefined) {
      listener = side.listener = new Listener(side, token)
      listener.add(entry)
      try {
        listener.start(this.agent)
      } catch (error) {
        side.listener = undefined
        this.tidy(token.node)
        throw error
      }
      if (listener.hasEnded) return undefined
    } else listener.add(entry)
    return () => listener.remove(entry)
  }

  /** Has the token fired at its deadline, if this agent's loop turns then. */
  startTimer(token: Listened): void {
    const side = this.sideOf(token)
    side.timer = this.agent.after(token.deadline!, () => {
      side.timer = undefined
      this.tidy(token.node)
      token.expire!()
    })
  }

  /** Calls the callbacks of a token that was cancelled, if their turn has yet to come. */
  hear(token: Listened): void {
    this.find(token)?.listener?.ready()
  }

  /** The AbortController of the token while it is pending. */
  controllerOf(token: Listened): AbortController {
    const side = this.sideOf(token)
    if (side.controller === undefined) {
      const controller = (side.controller = effect(() => new AbortController()))
      const off = this.listen(token, (reason) => effect(() => controller.abort(reason)))
      // Disposed of by another agent since the caller looked: nobody will ever abort it.
      if (off === undefined) {
        const { reason } = token
        effect(() => controller.abort(reason))
      }
    }
    return side.controller
  }

  /** Tells the waits that this agent has ended; its own callbacks run before it returns (L2). */
  deliver(claimed: readonly number[]): void {
    const own: Listener[] = []
    for (const main of claimed) {
      const listener = this.byRecord.get(main)
      if (listener === undefined) deliver(this.agent, main)
      else own.push(listener)
    }
    for (const listener of own) listener.ready()
  }

  /** The token has ended by this agent's doing. */
  ended(token: Listened): void {
    this.find(token)?.stopTimer()
    this.tidy(token.node)
  }

  /** Recycles a disposed node now or, when somebody has yet to look at it, later. */
  retire(node: number, isFree: boolean): void {
    if (isFree) recycle(this.agent, node)
    else this.busy.push(node)
  }

  /** Recycles what was busy and is not any more. Called whenever this agent makes or disposes of a token. */
  sweep(): void {
    for (let tries = Math.min(RETRIES, this.busy.length); tries > 0; tries--) {
      const node = this.busy.shift()!
      this.retire(node, isIdle(this.agent.words, node))
    }
  }

  /** Forgets what is empty. */
  tidy(node: number): void {
    if (this.sides.get(node)?.isEmpty === true) this.sides.delete(node)
  }

  private sideOf(token: Listened): Side {
    const former = this.sides.get(token.node)
    if (former?.header === token.header) return former
    former?.stopTimer()
    former?.listener?.close()
    const side = new Side(this, token.node, token.header)
    this.sides.set(token.node, side)
    return side
  }
}

const hubs = agentLocal(() => ({ all: new WeakMap<Agent, Hub>(), last: undefined as Hub | undefined }))

/** The hub of the calling agent. */
export function hubOf(agent: Agent): Hub {
  const mine = hubs.get()
  if (mine.last?.agent === agent) return mine.last
  let hub = mine.all.get(agent)
  if (hub === undefined) mine.all.set(agent, (hub = new Hub(agent)))
  return (mine.last = hub)
}

/** Whether a moment has come. */
export function isPast(deadline: number): boolean {
  return deadline !== Infinity && now() >= deadline
}
