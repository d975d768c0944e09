/**
 * Waiting for the first of several channels and times.
 *
 * Source     Go's select (`runtime/select.go`): ready cases in random order; the channels locked in the order of their addresses; one waiter
 *            in all queues. Here only those that hand messages over (rendezvous.ts) are locked together; a channel that keeps its
 *            messages needs no such thing, because a select that was chosen for it only looks again (buffered.ts).
 *   main record      meaning
 *   FREE             looking for the first time: it can't be chosen through any link
 *   WAITING          a link in the queue of each channel; may be chosen through any of them, once
 *   NOTIFIED case    chosen through link `case - 1`: hand to hand, if its slot says so; else it looks again
 *   NOTIFIED recheck told to look again; made NOTIFIED 0 before it looks, so that nobody chooses it meanwhile
 * Invariants X1 Channels that keep messages: links are placed, the main record is made WAITING, and then those cases are looked at again. Who
 *               makes one ready after that look finds the link, who did before is seen (as B1, B4 of buffered.ts).
 *            X2 A select that was chosen through such a channel and ends with another passes the wake on.
 *            X3 No link is in a queue, and no slot in use, when the main record is given back.
 *            X4 Channels that hand over: with all their locks held it looks for somebody to meet, and only if there is nobody does it become
 *               WAITING in all of them. While it looks it can't be chosen itself. So of two selects that face each other one is WAITING
 *               when the other looks, and the claim of its one record decides which of its cases happens: never two, never none.
 *            X5 The locks are taken in the order of their addresses, and nothing else is locked while they are held.
 *            X6 Whoever chose it through a link that hands over has moved the message and changed FULL before it gave up that queue's lock
 *               (Z2, Z6 of rendezvous.ts). Not changed: the channel was closed, or the other one died.
 * Progress   As a receive or a send on each of its channels; among ready cases each is equally likely. Overtaken by one that did not wait, it waits again
 *            at its place in every queue.
 * Rejected   Registering first and looking then, as crossbeam's select: two selects that face each other each give up their own wait in
 *            order to choose the other's, and may do so again and again.
 */
import { compareExchange, get, load, now, set } from '@heddle/atomics/ops'
import type { FiberOperation, WaitOptions } from '@heddle/park'
import { TimeoutError } from '@heddle/park'
import {
  Agent,
  type BLOCKED,
  CASE_RECHECK,
  caseOf,
  claim,
  deadlineOf,
  deliver,
  FiberWait,
  inPhase,
  KIND_THREAD,
  lockQueue,
  NOTIFIED,
  Operation,
  setPhase,
  settle,
  unlockQueue,
  W_KEY,
  W_KIND,
  W_LINKED,
  W_MAIN,
  W_STATE,
  W_TICKET,
  W_WANT,
  WAITING,
} from '@heddle/park/internal'
import { Buffered } from './buffered.js'
import { NOBODY } from './meeting.js'
import { Rendezvous } from './rendezvous.js'
import { type Cases, type ChannelCase, type Result, startOf } from './select-cases.js'

/** A channel's case while its select waits. */
interface Station {
  readonly channel: ChannelCase
  readonly link: number
  /** Of a channel that hands over: where the message is, or goes to; 0 when it is no longer ours. */
  slot: number
}

/** One select that waits. `takes` false: it only waits until a case is ready; for channels that keep messages. */
export class SelectOperation extends Operation<Result | undefined> {
  private readonly stations: Station[] = []
  /** The queues that are locked together, in order. */
  private queues: readonly number[] = []
  private chosen = 0

  constructor(
    agent: Agent,
    private readonly cases: Cases,
    private readonly takes: boolean,
    /** The place in each channel's queue, by case: kept while it waits again. */
    private readonly tickets: number[] = [],
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
      cases.channels.forEach((channel, index) => this.prepare(channel, index))
      const meeting = cases.channels.filter(({ flavor }) => flavor instanceof Rendezvous).map(({ flavor }) => flavor.sendQueue)
      this.queues = [...new Set(meeting)].sort((a, b) => a - b)
      return this.wait()
    } catch (error) {
      this.leave()
      throw error
    }
  }

  resume(state: number): boolean {
    const { words } = this.agent
    const index = this.record + W_STATE
    let current = state
    while (caseOf(current) === CASE_RECHECK && compareExchange(words, index, current, inPhase(current, NOTIFIED)) !== current)
      current = load(words, index)
    this.chosen = caseOf(current) === CASE_RECHECK ? 0 : caseOf(current)
    try {
      if (this.chosen !== 0 && this.isDecided(this.stations[this.chosen - 1]!)) this.leave()
      else if (this.attempt()) this.end()
      else return this.wait()
      return true
    } catch (error) {
      this.end()
      throw error
    }
  }

  override abandon(): void {
    this.leave()
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
    if (this.chosen !== 0) passOn(this.agent, this.cases.channels[this.chosen - 1]!)
    return true
  }

  override yieldClaim(): boolean {
    const chosen = this.cases.channels[caseOf(load(this.agent.words, this.record + W_STATE)) - 1]
    if (chosen !== undefined) passOn(this.agent, chosen)
    return false
  }

  private attempt(): boolean {
    if (!this.takes) return this.cases.canAttempt()
    this.result = this.cases.attempt()
    return this.result !== undefined
  }

  /** Takes what the case needs, before anything is changed. */
  private prepare(channel: ChannelCase, index: number): void {
    const { agent, record } = this
    const { flavor, sends, value } = channel
    const link = agent.acquire(KIND_THREAD)
    const station: Station = { channel, link, slot: 0 }
    this.stations.push(station)
    set(agent.words, link + W_MAIN, record)
    // The case that a claim through it carries; 0 is none.
    set(agent.words, link + W_WANT, index + 1)
    if (flavor instanceof Rendezvous) station.slot = sends ? flavor.write(agent, value) : flavor.acquire(agent)
  }

  /** Waits, unless it meets somebody (X4). @returns whether it did, and is done */
  private wait(): boolean {
    const { agent, cases, queues, record, stations } = this
    const { words } = agent
    stations.forEach(({ channel, link }, index) => {
      if (!(channel.flavor instanceof Buffered) || load(words, link + W_LINKED) !== 0) return
      channel.flavor.link(agent, channel.sends, link, this.tickets[index])
      this.tickets[index] = load(words, link + W_TICKET)
    })
    for (const q of queues) lockQueue(agent, q)
    const met = this.meet()
    if (met === undefined) {
      stations.forEach(({ channel, link, slot }, index) => {
        if (!(channel.flavor instanceof Rendezvous) || load(words, link + W_LINKED) !== 0) return
        channel.flavor.enterLink(agent, link, channel.sends, slot, this.tickets[index])
        this.tickets[index] = load(words, link + W_TICKET)
      })
      setPhase(words, record, WAITING)
    }
    for (const q of queues) unlockQueue(agent, q)
    if (met !== undefined) {
      if (met.main !== NOBODY) deliver(agent, met.main)
      this.finish(met.station, met.main === NOBODY)
      this.end()
      return true
    }
    if (cases.isReadyBeside() && claim(words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
    return false
  }

  /** Somebody to meet, or NOBODY at a channel that is closed. Under the locks. */
  private meet(): { station: Station; main: number } | undefined {
    const { agent, queues, stations } = this
    if (queues.length === 0) return undefined
    const start = startOf(stations.length)
    for (let i = 0; i < stations.length; i++) {
      const station = stations[(start + i) % stations.length]!
      const { flavor, sends } = station.channel
      if (!(flavor instanceof Rendezvous)) continue
      const main = sends ? flavor.give(agent, station.slot) : flavor.fetch(agent, station.slot)
      if (main !== NOBODY || flavor.isClosed) return { station, main }
    }
    return undefined
  }

  /** Whether whoever chose it through this case has handed the message over (X6), or has closed the channel and disposed of it; then the result is there. */
  private isDecided(station: Station): boolean {
    const { flavor, sends } = station.channel
    const met = flavor instanceof Rendezvous && flavor.wasMet(this.agent, station.link, station.slot, sends, () => undefined)
    if (!met && flavor.isThere) return false
    if (!met) station.slot = 0
    this.finish(station, !met)
    return true
  }

  private finish(station: Station, closed: boolean): void {
    const { key, sends } = station.channel
    if (closed) {
      this.result = { key, closed: true }
      return
    }
    const flavor = station.channel.flavor as Rendezvous<unknown>
    const { slot } = station
    station.slot = 0
    if (sends) flavor.release(slot)
    this.result = { key, value: sends ? undefined : flavor.read(slot) }
  }

  /** Done with another case than the one that it was chosen for: X2. */
  private end(): void {
    this.leave()
    if (this.takes && this.chosen !== 0) passOn(this.agent, this.cases.channels[this.chosen - 1]!)
  }

  /** X3 */
  private leave(): void {
    const { agent } = this
    for (let station = this.stations.pop(); station !== undefined; station = this.stations.pop()) {
      const { channel, link, slot } = station
      if (slot === 0) settle(agent, link)
      else (channel.flavor as Rendezvous<unknown>).leave(agent, link, channel.sends, slot)
      set(agent.words, link + W_KEY, 0)
      set(agent.words, link + W_MAIN, link)
      agent.slab.release(link)
    }
  }
}

/** Somebody chose the select for this channel, and it did something else. What was handed over, was: nothing to pass on. */
function passOn(agent: Agent, { flavor, sends }: ChannelCase): void {
  if (!(flavor instanceof Buffered)) return
  if (sends) flavor.wakeSender(agent)
  else flavor.wakeReceiver(agent)
}

/** The limits of a wait that also ends when the first time case is due. */
export function limited<O extends WaitOptions>(cases: Cases, options: O | undefined, userDeadline: number): O | undefined {
  const deadline = Math.min(userDeadline, cases.deadline)
  return deadline === Infinity ? options : ({ ...options, timeout: Math.max(0, deadline - now()) } as O)
}

/** Does its case in the fiber's own step, as ReceiveFiber; but what is handed over is so before that step. */
export class SelectFiber implements FiberOperation<Result>, Iterator<typeof BLOCKED, Result, unknown> {
  private waiting: FiberWait<Result | undefined> | undefined
  private waited = false
  private readonly deadline: number
  private readonly tickets: number[] = []
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
    const { cases } = this
    for (;;) {
      if (this.waiting !== undefined) {
        const step = this.waiting.next()
        if (step.done !== true) return step
        if (step.value !== undefined) return { done: true, value: step.value }
        this.waiting = undefined
      }
      const found = cases.attempt()
      if (found !== undefined) {
        // Which channel it was chosen for is not known here any more: X2.
        if (this.waited) for (const channel of cases.channels) passOn(Agent.of(cases.region), channel)
        return { done: true, value: found }
      }
      this.waited = true
      if (this.deadline <= now()) throw new TimeoutError()
      const operation = new SelectOperation(Agent.of(cases.region), cases, cases.meets, this.tickets)
      this.waiting = new FiberWait(operation, limited(cases, this.options, this.deadline), 'selectFiber()')
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
