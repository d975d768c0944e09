/**
 * Where a fixed number of parties meet, again and again.
 *
 * Source     Python's threading.Barrier (abort, reset, broken) and java.util.concurrent.CyclicBarrier (a party that gives up breaks it).
 * Layout     +0 header · +4 state: bit 0 BROKEN · bits 1–15 arrived · bits 16–31 generation · +8 queue · +24 parties · +28 leader: the tag
 *            of the agent that runs the action of the generation before; 0 for none
 *            A waiter's W_KEY is the generation that it arrived in, or ENTRY when it came while an action ran.
 * Invariants B1 State and leader are changed under the queue's lock only, the state by one store each time.
 *            B2 `arrived` counts the waiters of this generation: each is in the queue, WAITING or told to look again, until the generation
 *               ends. Fewer there mean that one died: whoever is told to look again counts, and so does the last party, and breaks the barrier.
 *            B3 Who ends a generation (the last party, or who breaks it) tells each of its waiters with a token that names generation and
 *               outcome. A token of another generation, passed on by a reaper from a dead waiter, only says: look again.
 *            B4 While an action runs its waiters stay in the queue, with a generation that is over; a leader that died is found by its tag.
 * Progress   The last party never waits. A party that dies, gives up or aborts breaks the barrier for all: nobody waits for who can't come.
 */
import { type Handle, InvalidArgumentError, type Region, SharedObject } from '@heddle/atomics'
import { isOwnerGone, Place, regionOf } from '@heddle/atomics/internal'
import { effect, get, load, store } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import {
  Agent,
  block,
  caseOf,
  CASE_RECHECK,
  claim,
  claimMany,
  deliver,
  enqueue,
  enqueueAgain,
  FiberWait,
  firstOf,
  forEachRecord,
  isClaimable,
  lockQueue,
  nextOf,
  NOTIFIED,
  Operation,
  phaseOf,
  promise,
  QUEUE_BYTES,
  takeTicket,
  unlink,
  unlockQueue,
  W_KEY,
  W_LOCK,
  W_QUEUE,
  W_STATE,
  W_TOKEN,
  WAITING,
} from '@heddle/park/internal'
import { refuseWhileWaited } from './disposal.js'
import { BrokenBarrierError } from './errors.js'

/** Settings of a new barrier. */
export interface BarrierOptions {
  /** Default: `Region.default`. */
  region?: Region
  /**
   * What the last party to arrive runs before anybody goes on. It belongs to this object: objects made by `at` and `fromHandle` get theirs as
   * an argument. One that throws breaks the barrier, and the last party's wait throws its error.
   */
  action?: () => void
}

/** How a party came through. */
export interface BarrierPassage {
  /** True for one of the parties: the last to arrive. */
  readonly isLeader: boolean
  /** How often the barrier had been passed or reset before, modulo 65,536. */
  readonly generation: number
}

const BROKEN_BIT = 1
const ARRIVED_SHIFT = 1
const ARRIVED_MASK = 0x7fff
const GENERATION_SHIFT = 16
const PARTIES = (8 + QUEUE_BYTES) >> 2
const LEADER = PARTIES + 1
/** The key of one that has not arrived yet, because an action runs. */
const ENTRY = -1

const PASSED = 1
const BROKE = 2
const ENTER = 3

function arrivedIn(state: number): number {
  return (state >>> ARRIVED_SHIFT) & ARRIVED_MASK
}
function generationIn(state: number): number {
  return state >>> GENERATION_SHIFT
}
function isBroken(state: number): boolean {
  return (state & BROKEN_BIT) !== 0
}
function stateOf(generation: number, arrived: number, broken: number): number {
  return (generation << GENERATION_SHIFT) | (arrived << ARRIVED_SHIFT) | broken
}
/** What a waiter of a generation is told. */
function tokenOf(generation: number, outcome: number): number {
  return (generation << 2) | outcome
}

/** The words of a barrier, and the steps under its queue's lock. */
class BarrierState {
  readonly words: Int32Array
  readonly q: number
  constructor(
    readonly agent: Agent,
    private readonly object: number,
  ) {
    this.words = agent.words
    this.q = object + 2
  }

  get state(): number {
    return load(this.words, this.object + 1)
  }
  set state(value: number) {
    store(this.words, this.object + 1, value)
  }
  get parties(): number {
    // Written before the barrier was published.
    return get(this.words, this.object + PARTIES)
  }
  get leader(): number {
    return load(this.words, this.object + LEADER)
  }
  set leader(tag: number) {
    store(this.words, this.object + LEADER, tag)
  }

  lock(): void {
    lockQueue(this.agent, this.q)
  }

  /** Ends with the queue's lock given back, and those that were claimed told. */
  unlock(claimed: readonly number[] = []): void {
    unlockQueue(this.agent, this.q)
    for (const main of claimed) deliver(this.agent, main)
  }

  /** Claims the waiters of a generation; those that wait to enter are told to try. */
  tell(generation: number, outcome: number, claimed: number[]): void {
    const { agent, words, q } = this
    claimMany(agent, q, tokenOf(generation, outcome), Infinity, claimed, (r) => get(words, r + W_KEY) === generation)
    claimMany(agent, q, ENTER, Infinity, claimed, (r) => get(words, r + W_KEY) === ENTRY)
  }

  /** Nobody passes any more until `reset`. */
  break(claimed: number[]): void {
    const { state, words } = this
    const generation = generationIn(state)
    this.state = stateOf(generation, 0, BROKEN_BIT)
    // All that wait, those of a generation whose leader is gone included.
    for (let r = firstOf(words, this.q); r !== 0; r = nextOf(words, r)) {
      const key = get(words, r + W_KEY)
      if (key === ENTRY || key === generation || !isClaimable(load(words, r + W_STATE))) continue
      claimMany(this.agent, this.q, tokenOf(key, BROKE), Infinity, claimed, (other) => get(words, other + W_KEY) === key)
      break
    }
    this.leader = 0
    this.tell(generation, BROKE, claimed)
  }

  /** Whether some of those that arrived have died. */
  isShort(generation: number): boolean {
    const { words, q } = this
    const arrived = arrivedIn(this.state)
    let linked = 0
    for (let r = firstOf(words, q); r !== 0; r = nextOf(words, r))
      if (get(words, r + W_KEY) === generation && isClaimable(load(words, r + W_STATE))) linked++
    return linked < arrived && this.present(generation) < arrived
  }

  /** How many of a generation wait, by the records: one that a reaper told to look again may not be in the list. After a death only. */
  present(generation: number): number {
    const { agent, words, q } = this
    let count = 0
    forEachRecord(words, agent.region.agents, (r) => {
      const phase = phaseOf(load(words, r + W_STATE))
      if (load(words, r + W_QUEUE) === q && load(words, r + W_KEY) === generation && (phase === WAITING || phase === NOTIFIED)) count++
    })
    return count
  }
}

/** One party's arrival. */
class BarrierOperation extends Operation<BarrierPassage> {
  private generation = ENTRY

  constructor(
    private readonly barrier: BarrierState,
    private readonly action: (() => void) | undefined,
  ) {
    super(barrier.agent)
  }

  begin(): boolean {
    store(this.agent.words, this.record + W_LOCK, 0)
    this.barrier.lock()
    return this.arrive(false)
  }

  resume(state: number): boolean {
    const { agent, barrier, record } = this
    const { words } = agent
    if (this.isTold(state)) return this.told()
    barrier.lock()
    if (this.isTold(load(words, record + W_STATE))) {
      barrier.unlock()
      return this.told()
    }
    if (this.generation === ENTRY) return this.arrive(true)
    const current = barrier.state
    const claimed: number[] = []
    const over = generationIn(current) !== this.generation
    // The action's leader died; or one of those who had come.
    const orphaned = barrier.leader !== 0 && isOwnerGone(words, barrier.leader)
    const left = !over && barrier.present(this.generation) < arrivedIn(current)
    if (!isBroken(current) && (orphaned || left)) barrier.break(claimed)
    const broken = isBroken(barrier.state)
    // Its last party died after it had ended the generation, and before it told anybody.
    const passed = !broken && over && barrier.leader === 0
    // Breaking may have told this one, too.
    if (broken || passed) unlink(words, barrier.q, record)
    else enqueueAgain(words, barrier.q, record)
    barrier.unlock(claimed.filter((r) => r !== record))
    if (!broken && !passed) this.lookAgain()
    if (broken) throw new BrokenBarrierError()
    if (passed) this.result = { isLeader: false, generation: this.generation }
    return passed
  }

  /** A party that gives up breaks the barrier, unless it had not arrived, or its generation is over. */
  override abandon(): void {
    const { agent, barrier, record } = this
    const claimed: number[] = []
    barrier.lock()
    unlink(agent.words, barrier.q, record)
    const { state } = barrier
    if (this.generation !== ENTRY && generationIn(state) === this.generation && !isBroken(state)) barrier.break(claimed)
    barrier.unlock(claimed)
  }

  /** Counts this party in, or waits to be. Takes the queue's lock over, and gives it back. */
  private arrive(again: boolean): boolean {
    const { agent, barrier, record } = this
    const { words } = agent
    const { state, leader, q } = barrier
    if (isBroken(state)) {
      unlink(words, q, record)
      barrier.unlock()
      throw new BrokenBarrierError()
    }
    const generation = generationIn(state)
    const arrived = arrivedIn(state) + 1
    if (leader !== 0 && !isOwnerGone(words, leader)) this.enter(again, ENTRY)
    else if (leader !== 0) {
      // The action's leader died: those that it had left waiting don't know yet.
      const claimed: number[] = []
      unlink(words, q, record)
      barrier.break(claimed)
      barrier.unlock(claimed)
      throw new BrokenBarrierError()
    } else if (arrived < barrier.parties) {
      this.enter(again, generation)
      barrier.state = stateOf(generation, arrived, 0)
    } else {
      unlink(words, q, record)
      return this.trip(generation)
    }
    barrier.unlock()
    this.lookAgain()
    return false
  }

  /** A leader that died between the look at it and this waiter's sleep: its reaper may have passed by already. */
  private lookAgain(): void {
    const { agent, barrier, record } = this
    const { leader } = barrier
    if (leader !== 0 && isOwnerGone(agent.words, leader) && claim(agent.words, record, NOTIFIED, CASE_RECHECK)) deliver(agent, record)
  }

  private enter(again: boolean, generation: number): void {
    const { agent, barrier, record } = this
    const { words } = agent
    this.generation = generation
    // Written before the record is WAITING under the lock.
    store(words, record + W_KEY, generation)
    if (again) enqueueAgain(words, barrier.q, record)
    else enqueue(words, barrier.q, record, takeTicket(words, barrier.q))
  }

  /** The last party: runs the action, and lets everybody through. Gives the queue's lock back. */
  private trip(generation: number): true {
    const { barrier, action } = this
    const claimed: number[] = []
    // One that died while nobody else waited was missed by nobody.
    if (barrier.isShort(generation)) {
      barrier.break(claimed)
      barrier.unlock(claimed)
      throw new BrokenBarrierError()
    }
    if (action !== undefined) {
      barrier.leader = this.agent.tag
      barrier.state = stateOf(generation + 1, 0, 0)
      barrier.unlock()
      this.run(action, generation)
      barrier.lock()
      // Aborted, or reset, while the action ran: its waiters know.
      const gone = barrier.leader !== this.agent.tag || barrier.state !== stateOf(generation + 1, 0, 0)
      if (!gone) barrier.leader = 0
      if (!gone) barrier.tell(generation, PASSED, claimed)
      barrier.unlock(claimed)
      if (gone) throw new BrokenBarrierError()
    } else {
      barrier.state = stateOf(generation + 1, 0, 0)
      barrier.tell(generation, PASSED, claimed)
      barrier.unlock(claimed)
    }
    this.result = { isLeader: true, generation }
    return true
  }

  private run(action: () => void, generation: number): void {
    const { barrier } = this
    let failed = true
    try {
      effect(action)
      failed = false
    } finally {
      if (failed && !this.agent.isDead) {
        const claimed: number[] = []
        barrier.lock()
        if (generationIn(barrier.state) === ((generation + 1) & 0xffff) && barrier.leader === this.agent.tag) barrier.break(claimed)
        barrier.unlock(claimed)
      }
    }
  }

  private isTold(state: number): boolean {
    if (caseOf(state) === CASE_RECHECK) return false
    const token = load(this.agent.words, this.record + W_TOKEN)
    return this.generation !== ENTRY && token !== ENTER && token >>> 2 === this.generation
  }

  private told(): true {
    const outcome = load(this.agent.words, this.record + W_TOKEN) & 3
    if (outcome === BROKE) throw new BrokenBarrierError()
    this.result = { isLeader: false, generation: this.generation }
    return true
  }
}

/**
 * Where `n` parties meet: each waits until all have come, then all go on, and the next round begins.
 *
 * One that gives up (time limit, signal), dies while it waits, or whose action throws breaks the barrier: everybody who waits, and whoever
 * comes, gets `BrokenBarrierError` until `reset()`. @example
 * const barrier = new Barrier(2)
 * const [one, two] = await Promise.all([barrier.waitAsync(), barrier.waitAsync()])
 * one.isLeader !== two.isLeader // true
 */
export class Barrier extends SharedObject {
  static readonly kind = 'Barrier'
  static readonly BYTES = (LEADER + 1) * 4
  static readonly ALIGN = 4
  private readonly action: (() => void) | undefined

  /**
   * Allocates a barrier for `n` parties.
   * @throws InvalidArgumentError unless `n` is an integer from 1 to 32,767; RegionFullError
   */
  constructor(n: number | Place, options: BarrierOptions = {}) {
    if (!(n instanceof Place)) checkParties(n)
    super(n instanceof Place ? n : Place.allocate(regionOf(options), Barrier))
    this.action = options.action
    if (!(n instanceof Place)) store(this.region.words, (this.at >> 2) + PARTIES, n)
  }

  /** Makes a barrier in BYTES zeroed bytes that the caller owns. */
  static init(region: Region, at: number, n: number, options: Pick<BarrierOptions, 'action'> = {}): Barrier {
    checkParties(n)
    const barrier = new Barrier(Place.format(region, at, Barrier), options)
    store(region.words, (at >> 2) + PARTIES, n)
    return barrier
  }

  /** Opens the barrier at a byte offset. @throws DisposedError when none lives there. */
  static at(region: Region, at: number, options: Pick<BarrierOptions, 'action'> = {}): Barrier {
    return new Barrier(Place.open(region, at, Barrier), options)
  }

  /** Opens what a handle names. @throws DisposedError, InvalidArgumentError */
  static fromHandle(handle: Handle, options: Pick<BarrierOptions, 'action'> = {}): Barrier {
    return new Barrier(Place.openHandle(handle, Barrier), options)
  }

  /** How many meet. */
  get parties(): number {
    this.assertLive()
    return get(this.region.words, (this.at >> 2) + PARTIES)
  }

  /** How many wait now. */
  get waiting(): number {
    this.assertLive()
    return arrivedIn(load(this.region.words, (this.at >> 2) + 1))
  }

  /** Whether it is broken, until `reset()`. */
  get isBroken(): boolean {
    this.assertLive()
    return isBroken(load(this.region.words, (this.at >> 2) + 1))
  }

  /**
   * Arrives; blocks the thread until all parties have.
   * @throws BrokenBarrierError; TimeoutError and the token's reason, which break the barrier for the others; what the action throws;
   * BlockingNotAllowedError, RegionFullError, DisposedError
   */
  wait(options?: BlockingOptions): BarrierPassage {
    return block(this.operation(), options, 'waitAsync()')
  }

  /** As `wait`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  waitAsync(options?: AsyncOptions): Promise<BarrierPassage> {
    return promise(() => this.operation(), options)
  }

  /** As `wait`, in a fiber. */
  waitFiber(options?: WaitOptions): FiberOperation<BarrierPassage> {
    return new FiberWait(this.operation(), options, 'waitFiber()')
  }

  /** Breaks the barrier: whoever waits, and whoever comes, gets `BrokenBarrierError`. Never blocks. */
  abort(): void {
    const barrier = this.words()
    const claimed: number[] = []
    barrier.lock()
    if (!isBroken(barrier.state)) barrier.break(claimed)
    barrier.unlock(claimed)
  }

  /** Makes it as new; whoever waits gets `BrokenBarrierError`. Never blocks. */
  reset(): void {
    const barrier = this.words()
    const claimed: number[] = []
    barrier.lock()
    const generation = generationIn(barrier.state)
    if (!isBroken(barrier.state)) barrier.break(claimed)
    barrier.state = stateOf(generation + 1, 0, 0)
    barrier.unlock(claimed)
  }

  /** Refuses while somebody waits. */
  protected override onDispose(): void {
    refuseWhileWaited(this.region, (this.at >> 2) + 2, 'somebody waits at this barrier: abort it first')
  }

  private words(): BarrierState {
    this.assertLive()
    return new BarrierState(Agent.of(this.region), this.at >> 2)
  }

  private operation(): BarrierOperation {
    return new BarrierOperation(this.words(), this.action)
  }
}

function checkParties(n: number): void {
  if (!Number.isInteger(n) || n < 1 || n > ARRIVED_MASK)
    throw new InvalidArgumentError(`a barrier has 1 to ${ARRIVED_MASK} parties, got ${String(n)}`)
}
