/**
 * Where calls wait: the pool's rings, one for each level of urgency, and each worker's deque.
 *
 * Source     Blumofe and Leiserson's work stealing ("Scheduling Multithreaded Computations by Work Stealing", JACM 1999) with a shared injector as
 *            in Go (proc.go, `findRunnable`) and tokio; shares of the levels as in the scheduler (scheduler/priority.ts).
 * Layout     P_RING_AT  rings by queue · P_LEVELS  a bit for each level but the normal one whose ring may not be empty · K_DEQUE  a worker's deque ·
 *            P_STEALABLE  a bit for each worker whose deque may not be empty
 *   looked for in this order   by a worker of the pool
 *   1 the favoured level       at 4, 2 and 1 of 32 turns `high`, `normal` and `low` (SHARES), so that none starves
 *   2 levels by urgency        `normal` being: its own deque, last in, first out; at every OLDEST_TURNS-th turn its oldest entry; then the ring
 *   3 another worker's deque   half of what is there, at most STEAL_MOST, beginning with a random worker
 * Invariants I1 Setting a bit follows adding, clearing it comes before looking again: a bit that is 0 means that nothing is there, or that its
 *               owner is about to set it or to look.
 *            I2 An entry is a hint (injector.ts, I3). A worker that dies with stolen entries in hand loses none: its reaper enters all queued calls again.
 *            I3 P_STEALABLE's bit is written by the deque's owner alone, who knows from `marked` what it is; or by its reaper.
 * Pairs      With wakeup.ts: a call is added (and the bit set) before sleepers are looked for; a sleeper says so, then looks at rings, bits and deques.
 */
import { and, load, or, random } from '@heddle/atomics/ops'
import { LEVELS, SHARES } from '@heddle/scheduler/internal'
import { Deque, EMPTY, LOST } from './deque.js'
import { Injector } from './injector.js'
import { K_DEQUE, LEVEL_QUEUES, NORMAL_QUEUE, P_LEVELS, P_STEALABLE, QUEUES } from './layout.js'
import { lowest, type Pool } from './pool.js'

/** Turns between two looks at the oldest entry of the own deque, so that what was added first is not kept waiting for ever. */
const OLDEST_TURNS = 16
/** Most entries that are stolen at one time. */
const STEAL_MOST = 32
/** Where a worker finds its calls. */
export interface WorkSource {
  /** The next call's slot; -1 when there is none. */
  pop(): number
  /** Whether `pop` would find something. */
  hasWork(): boolean
  /** How many calls it took from other workers. */
  readonly stolen?: number
  /** Called after that, while somebody observes. */
  onSteal?: ((victim: number, calls: number) => void) | undefined
}

/** One agent's access to all queues of a pool. */
export class Queues implements WorkSource {
  private readonly rings: (Injector | undefined)[] = []
  private readonly normal: Injector
  private readonly deques: (Deque | undefined)[] = []
  /** How many calls this worker has stolen. */
  stolen = 0
  onSteal: WorkSource['onSteal']
  private turn = 0
  /** Whether this worker's bit in P_STEALABLE is set. */
  private marked = false
  private readonly own: Deque | undefined

  constructor(
    private readonly pool: Pool,
    /** Number of the worker that this agent is; -1: none. */
    private readonly worker: number = -1,
  ) {
    this.rings[NORMAL_QUEUE] = this.normal = new Injector(pool.words, pool.ringAt(NORMAL_QUEUE))
    // The deque may have entries from before: the worker of this number died. They were entered again.
    this.own = worker === -1 ? undefined : this.dequeOf(worker)
  }

  /** Enters a call; false when the queue is full. @throws RegionFullError the first time that a queue is used */
  push(queue: number, slot: number): boolean {
    if (queue === NORMAL_QUEUE) return (this.own !== undefined && this.pushOwn(slot)) || this.normal.push(slot)
    const { words, base } = this.pool
    this.pool.makeRing(queue)
    if (!this.ringOf(queue)!.push(slot)) return false
    if (queue < LEVEL_QUEUES && (load(words, base + P_LEVELS) & (1 << queue)) === 0) or(words, base + P_LEVELS, 1 << queue)
    return true
  }

  pop(): number {
    const { pool } = this
    const turn = ++this.turn
    const levels = load(pool.words, pool.base + P_LEVELS)
    if (levels !== 0) {
      const slot = this.popByLevel(levels, turn)
      if (slot !== -1) return slot
    } else {
      const slot = this.popNormal(turn)
      if (slot !== -1) return slot
    }
    return this.own === undefined || pool.maxWorkers === 1 ? -1 : this.steal()
  }

  hasWork(): boolean {
    const { pool } = this
    if (this.normal.hasWork()) return true
    if (load(pool.words, pool.base + P_LEVELS) !== 0 && this.hasLevels()) return true
    return this.hasStealable()
  }

  /** One queue of those that the pool's workers don't look at, as a source. */
  only(queue: number): WorkSource {
    return {
      pop: () => this.ringOf(queue)?.pop() ?? -1,
      hasWork: () => this.ringOf(queue)?.hasWork() === true,
    }
  }

  /** The worker takes no more calls: what waits in its deque goes where everybody looks. */
  giveAway(): void {
    for (let slot = this.own?.take() ?? EMPTY; slot !== EMPTY; slot = this.own!.take()) {
      if (this.normal.push(slot)) continue
      this.pushOwn(slot)
      return
    }
  }

  /** After a worker's death: what it left half done. */
  mend(worker: number): void {
    const { pool } = this
    and(pool.words, pool.base + P_STEALABLE + (worker >>> 5), ~(1 << (worker & 31)))
    this.dequeOf(worker)?.reset()
    // It may have cleared a bit and not looked.
    for (let queue = 0; queue < LEVELS; queue++)
      if (queue !== NORMAL_QUEUE && pool.ringAt(queue) !== 0) or(pool.words, pool.base + P_LEVELS, 1 << queue)
  }

  private popByLevel(levels: number, turn: number): number {
    const there = levels | (1 << NORMAL_QUEUE)
    const favoured = SHARES[turn & (SHARES.length - 1)]!
    let slot = (there & (1 << favoured)) === 0 ? -1 : this.popLevel(favoured, turn)
    for (let bits = there; slot === -1 && bits !== 0; bits &= bits - 1) slot = this.popLevel(lowest(bits), turn)
    return slot
  }

  private popLevel(level: number, turn: number): number {
    if (level === NORMAL_QUEUE) return this.popNormal(turn)
    const ring = this.ringOf(level)
    const slot = ring?.pop() ?? -1
    if (slot !== -1) return slot
    const { words, base } = this.pool
    and(words, base + P_LEVELS, ~(1 << level))
    if (ring?.hasWork() === true) or(words, base + P_LEVELS, 1 << level)
    return -1
  }

  private popNormal(turn: number): number {
    const { own, marked } = this
    if (own === undefined || !marked) return this.normal.pop()
    if ((turn & (OLDEST_TURNS - 1)) === 0) {
      // By turns the oldest of its own and of the others': neither is kept waiting for ever.
      const slot = (turn & OLDEST_TURNS) === 0 ? own.steal() : this.normal.pop()
      if (slot >= 0) return slot
    }
    const slot = own.take()
    if (slot !== EMPTY) return slot
    this.unmark()
    return this.normal.pop()
  }

  private pushOwn(slot: number): boolean {
    if (this.own?.push(slot) !== true) return false
    if (!this.marked) {
      this.marked = true
      or(this.pool.words, this.pool.base + P_STEALABLE + (this.worker >>> 5), 1 << (this.worker & 31))
    }
    return true
  }

  private unmark(): void {
    this.marked = false
    and(this.pool.words, this.pool.base + P_STEALABLE + (this.worker >>> 5), ~(1 << (this.worker & 31)))
  }

  /** Half of somebody's entries: the oldest to be run, the others into the own deque. */
  private steal(): number {
    const { pool, worker } = this
    const { words, base, maxWorkers } = pool
    const count = (maxWorkers + 31) >>> 5
    const first = count === 1 ? 0 : random() % count
    for (let i = 0; i < count; i++) {
      const word = (first + i) % count
      let bits = load(words, base + P_STEALABLE + word)
      if (worker >>> 5 === word) bits &= ~(1 << (worker & 31))
      if (bits === 0) continue
      // Rotated, so that the search begins anywhere.
      const shift = random() & 31
      for (let rotated = (bits >>> shift) | (shift === 0 ? 0 : bits << (32 - shift)); rotated !== 0; rotated &= rotated - 1) {
        const slot = this.stealFrom((word << 5) | ((lowest(rotated) + shift) & 31))
        if (slot !== -1) return slot
      }
    }
    return -1
  }

  private stealFrom(victim: number): number {
    const deque = this.dequeOf(victim)
    if (deque === undefined) return -1
    let first = deque.steal()
    while (first === LOST) first = deque.steal()
    if (first === EMPTY) return -1
    const before = this.stolen++
    for (let n = Math.min(STEAL_MOST, deque.length) >>> 1; n > 0; n--) {
      const slot = deque.steal()
      // There is room: a worker steals when its own deque is empty.
      if (slot < 0 || !this.pushOwn(slot)) break
      this.stolen++
    }
    this.onSteal?.(victim, this.stolen - before)
    return first
  }

  private hasLevels(): boolean {
    for (let level = 0; level < LEVEL_QUEUES; level++) if (level !== NORMAL_QUEUE && this.ringOf(level)?.hasWork() === true) return true
    return false
  }

  private hasStealable(): boolean {
    const { words, base, maxWorkers } = this.pool
    for (let i = 0; i << 5 < maxWorkers; i++) {
      for (let bits = load(words, base + P_STEALABLE + i); bits !== 0; bits &= bits - 1) {
        const deque = this.dequeOf((i << 5) | lowest(bits))
        if (deque !== undefined && deque.length > 0) return true
      }
    }
    return false
  }

  private ringOf(queue: number): Injector | undefined {
    const known = this.rings[queue]
    if (known !== undefined || queue >= QUEUES) return known
    const ring = this.pool.ringAt(queue)
    return ring === 0 ? undefined : (this.rings[queue] = new Injector(this.pool.words, ring))
  }

  private dequeOf(worker: number): Deque | undefined {
    const known = this.deques[worker]
    if (known !== undefined) return known
    const at = load(this.pool.words, this.pool.workerAt(worker) + K_DEQUE)
    return at === 0 ? undefined : (this.deques[worker] = new Deque(this.pool.words, at))
  }
}
