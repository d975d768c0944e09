/**
 * What tasks leave behind in their worker, for those who want to know: waits and timers of heddle that go on, locks that are still held.
 *
 * A worker is looked over at each moment at which no call runs or waits there: whatever it has then and had not at the last such moment was left by the
 * calls that ran in between. After a plain function that is one call; calls that waited side by side are named together.
 *
 * Invariants L1 A lock that is found held is the calls': between them a worker holds none. It is poisoned and released, so that the next one who
 *               takes it learns that a section did not end.
 *            L2 Mutexes are known from the moment at which this agent makes or opens their objects; one that is not held is known weakly.
 */
import type { Region, SharedObject } from '@heddle/atomics'
import { objectWatch } from '@heddle/atomics/internal'
import { compareExchange, load } from '@heddle/atomics/ops'
import { Agent, ownerOf, POISONED_BIT } from '@heddle/park/internal'
import { Mutex, SpinMutex } from '@heddle/sync'

/** What calls left behind. */
export interface TaskLeak {
  /** The tasks that ran since nothing was left behind the last time: one of them, or several, did it. */
  readonly tasks: readonly string[]
  /** Records of waits and of callbacks on tokens that are still there; a callback may have two. */
  readonly waits: number
  /** Timers of sleeps, limits and beats that are still to come. */
  readonly timers: number
  /** Kinds of the locks that were still held. They are poisoned and released. */
  readonly locks: readonly string[]
}

type Lock = Mutex | SpinMutex

/** Weak entries from which on those are looked for that are gone. */
const MANY = 64

/** Looks one worker over. */
export class LeakWatch {
  private readonly agent: Agent
  private readonly tasks = new Set<number>()
  private waits = 0
  private timers = 0
  private fresh = new Set<Lock>()
  private known: WeakRef<Lock>[] = []

  constructor(
    region: Region,
    private readonly nameOf: (task: number) => string,
    private readonly report: (leak: TaskLeak) => void,
  ) {
    this.agent = Agent.of(region)
    objectWatch.get().seen = (object) => this.seen(object)
  }

  /** What there is now is the worker's own. */
  start(): void {
    this.waits = this.agent.slab.used
    this.timers = this.agent.wheel.size
  }

  /** The worker itself has so many records more. */
  allow(records: number): void {
    this.waits += records
  }

  /** A call of a task begins. */
  began(task: number): void {
    this.tasks.add(task)
  }

  /** No call runs or waits here. */
  look(): void {
    if (this.tasks.size === 0) return
    const { agent } = this
    const locks = this.releaseLocks()
    const waits = agent.slab.used
    const timers = agent.wheel.size
    const leak = { tasks: [...this.tasks].map(this.nameOf), waits: Math.max(0, waits - this.waits), timers: Math.max(0, timers - this.timers), locks }
    this.waits = waits
    this.timers = timers
    this.tasks.clear()
    if (leak.waits > 0 || leak.timers > 0 || locks.length > 0) this.report(leak)
  }

  private seen(object: SharedObject): void {
    if (object instanceof Mutex || object instanceof SpinMutex) this.fresh.add(object)
  }

  private releaseLocks(): string[] {
    if (this.fresh.size === 0 && this.known.length === 0) return []
    const released: string[] = []
    const look = (lock: Lock): void => {
      if (this.release(lock)) released.push((lock.constructor as unknown as { kind: string }).kind)
    }
    for (const ref of this.known) {
      const lock = ref.deref()
      if (lock !== undefined) look(lock)
    }
    for (const lock of this.fresh) {
      look(lock)
      this.known.push(new WeakRef(lock))
    }
    this.fresh.clear()
    if (this.known.length > MANY) this.known = this.known.filter((ref) => ref.deref() !== undefined)
    return released
  }

  /** Poisons and releases a lock that this agent holds; whether it did. */
  private release(lock: Lock): boolean {
    if (lock.isDisposed) return false
    const agent = Agent.of(lock.region)
    const { words, tag } = agent
    // Behind the header, in both.
    const state = (lock.at >> 2) + 1
    for (let word = load(words, state); ownerOf(word) === tag; word = load(words, state)) {
      if (compareExchange(words, state, word, word | POISONED_BIT) !== word) continue
      lock.releaseBy(agent)
      return true
    }
    return false
  }
}
