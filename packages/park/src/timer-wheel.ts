/**
 * Timers of one agent: insert and cancel in O(1), in deadline order, never early.
 *
 * Source     Varghese & Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), scheme 7. The level is chosen by the highest
 *            digit in which deadline and wheel time differ, as in tokio's wheel, so that a level only holds what no lower one can.
 * Layout     plain objects of the agent, no shared memory. Time is cut into ticks of 1 ms, counted from `base`; a tick has six digits
 *            of five bits. Level k has 32 slots, one for each value of digit k; a slot is a circular doubly linked list through the
 *            timers themselves. `occupied[k]` has a bit for each slot that is not empty. What lies past 2^30 ticks (12 days) waits in
 *            one list more, `FAR`.
 *   Node.slot    meaning
 *   0 … 191      in that slot (level * 32 + digit)
 *   FAR          past the last level
 *   DUE          taken out by `advance`, about to run
 *   NONE         has run, or was cancelled
 * Invariants I1 A timer in level k agrees with `elapsed` in all digits above k, and its digit k is greater (in level 0: or equal). So the
 *               lowest level that is not empty, and in it the lowest slot, has the earliest deadlines.
 *            I2 Timers of one tick are always in one list, in order of insertion: a stable sort of one list gives the final order.
 *            I3 `elapsed` never runs past a slot that is not empty. A deadline that is already past goes to the slot of `elapsed`.
 *            I4 `soonest` is at most the earliest deadline, or NaN when it must be looked for.
 * Progress   A timer moves down at most six times. `advance` costs O(timers run + timers moved).
 * Rejected   Slots that round deadlines up to the tick: a timer of 0.2 ms would run after 1 ms. The exact deadline is compared instead.
 *            Binary heap: 100–200 ns an insert at 100 K timers, and cancelled ones stay inside or cost O(log n).
 */
import { InvalidArgumentError } from '@heddle/atomics'
import { now as clock } from '@heddle/atomics/ops'

const DIGIT_BITS = 5
const SLOTS = 1 << DIGIT_BITS
const DIGIT_MASK = SLOTS - 1
const LEVELS = 6
/** Ticks that the levels cover. */
const SPAN = 2 ** (DIGIT_BITS * LEVELS)
const FAR = LEVELS * SLOTS
const DUE = FAR + 1
const NONE = -1
/** How many timers of one list `next` looks at for the exact moment; past it, the slot's beginning is near enough. */
const LOOK_LIMIT = 64

const nothing = (): void => undefined

/** A timer that a `TimerWheel` made. */
export interface Timer {
  /** The moment at which it is due, in ms of the wheel's clock. */
  readonly deadline: number
  /** Whether it has yet to run. */
  readonly isPending: boolean
}

/** What a timer calls instead of a function, where there may be many: no closure is needed. */
export interface Due {
  due(): void
}

class Node implements Timer {
  /** Neighbours in the list; itself when it is in none. */
  next: Node = this
  previous: Node = this
  slot: number = NONE
  constructor(
    readonly deadline: number,
    public run: (() => void) | Due,
    /** Undefined in the head of a list. */
    readonly wheel: TimerWheel | undefined,
  ) {}

  get isPending(): boolean {
    return this.slot !== NONE
  }
}

function append(list: Node, node: Node): void {
  const last = list.previous
  node.next = list
  node.previous = last
  last.next = node
  list.previous = node
}

function unlink(node: Node): void {
  const { next, previous } = node
  previous.next = next
  next.previous = previous
  node.next = node.previous = node
}

const byDeadline = (a: Node, b: Node): number => a.deadline - b.deadline

/**
 * A hierarchical timer wheel. One agent owns it; nothing runs by itself: whoever sleeps asks `next()` how long, and calls `advance()`
 * afterwards.
 *
 * Cost: insert and cancel together about 30 ns in V8 (bench/timer-wheel.bench.ts), whatever is pending; one object for each timer.
 *
 * ```ts
 * const wheel = new TimerWheel()
 * const timer = wheel.insert(performance.timeOrigin + performance.now() + 250, () => console.log('late'))
 * wheel.cancel(timer) // true: it had not run
 * wheel.advance() // 0: nothing was due
 * ```
 */
export class TimerWheel {
  /** The moment of tick 0, in whole ms. */
  private base: number
  /** The tick that the wheel has reached. */
  private elapsed = 0
  private soonest = Infinity
  private pending = 0
  private readonly occupied = new Int32Array(LEVELS)
  /** Heads of the lists: every slot, then FAR, then DUE. */
  private readonly lists: Node[] = []

  /**
   * @param now the clock, in ms; never runs backwards. Default: ms since the epoch, monotonic in one agent.
   */
  constructor(private readonly now: () => number = clock) {
    if (typeof now !== 'function') throw new InvalidArgumentError('the clock must be a function')
    this.base = Math.floor(now())
    for (let slot = 0; slot <= DUE; slot++) this.lists.push(new Node(0, nothing, undefined))
  }

  /** How many timers have yet to run. */
  get size(): number {
    return this.pending
  }

  /**
   * Runs `run` at the first `advance` whose moment is `deadlineMs` or later. O(1).
   * @param deadlineMs a moment of the wheel's clock, in ms, fractions included; one in the past is due at once, `Infinity` never is.
   * @param run called by `advance`, so on the wheel's own agent. May insert and cancel timers. What it inserts waits for another
   *   `advance`, even when it is due already: a timer that renews itself can't keep `advance` from returning.
   * @throws InvalidArgumentError when `deadlineMs` is not a number.
   */
  insert(deadlineMs: number, run: () => void): Timer {
    return this.add(deadlineMs, run)
  }

  /** @internal As `insert`, for a function or what has one. */
  add(deadlineMs: number, run: (() => void) | Due): Timer {
    if (typeof deadlineMs !== 'number' || deadlineMs !== deadlineMs)
      throw new InvalidArgumentError(`a deadline is a moment in ms, got ${String(deadlineMs)}`)
    const node = new Node(deadlineMs, run, this)
    this.place(node)
    this.pending++
    // Also right while `soonest` is NaN: the comparison is false and NaN stays.
    if (deadlineMs < this.soonest) this.soonest = deadlineMs
    return node
  }

  /**
   * Keeps a timer from running. O(1).
   * @returns whether it had yet to run; false when it has run or was cancelled before.
   * @throws InvalidArgumentError when another wheel made it.
   */
  cancel(timer: Timer): boolean {
    if (!(timer instanceof Node) || timer.wheel !== this) throw new InvalidArgumentError('the timer belongs to another wheel')
    const node = timer
    const { slot } = node
    if (slot === NONE) return false
    const { next, previous } = node
    unlink(node)
    node.slot = NONE
    node.run = nothing // what the callback holds can be collected, though a caller may keep the timer
    this.pending--
    if (next === previous && slot < FAR) this.occupied[slot >> DIGIT_BITS]! &= ~(1 << (slot & DIGIT_MASK))
    if (node.deadline === this.soonest) this.soonest = this.pending === 0 ? Infinity : NaN
    return true
  }

  /**
   * Runs every timer that is due, in order of deadlines, those with equal ones in order of insertion. A callback may call it too: the
   * inner call goes on with what the outer one found due.
   * @param now the moment, in ms; default: the wheel's clock.
   * @returns how many timers this call ran.
   * @throws what a callback threw, after all due timers ran; an `AggregateError` when several did.
   */
  advance(now: number = this.now()): number {
    if (now !== now) throw new InvalidArgumentError('advance takes a moment in ms, got NaN')
    // A virtual clock may be told to run everything: no tick is at infinity, but none is past the largest number either.
    this.collect(Math.min(now, Number.MAX_VALUE))
    const due = this.lists[DUE]!
    let count = 0
    let errors: unknown[] | undefined
    while (due.next !== due) {
      const node = due.next
      unlink(node)
      node.slot = NONE
      this.pending--
      count++
      const { run } = node
      node.run = nothing
      try {
        if (typeof run === 'function') run()
        else run.due()
      } catch (error) {
        ;(errors ??= []).push(error)
      }
    }
    if (errors !== undefined) throw errors.length === 1 ? errors[0] : new AggregateError(errors, `${errors.length} timers threw`)
    return count
  }

  /**
   * The earliest moment at which `advance` may have something to do, in ms of the wheel's clock: never later than the earliest deadline,
   * and earlier only when many timers are close together and far away. `Infinity` when nothing will ever be due.
   */
  next(): number {
    if (this.soonest !== this.soonest) this.soonest = this.findSoonest()
    return this.soonest
  }

  /** @internal The objects that were added in place of functions and have yet to be called. O(timers). */
  targets(): Due[] {
    const targets: Due[] = []
    for (const list of this.lists)
      for (let node = list.next; node !== list; node = node.next) if (typeof node.run !== 'function') targets.push(node.run)
    return targets
  }

  /** Puts a timer into the slot where I1 wants it. */
  private place(node: Node): void {
    const distance = node.deadline - this.base
    let slot = FAR
    if (distance < SPAN) {
      const { elapsed } = this
      // A past deadline takes the current tick (I3). Below SPAN a tick is a small integer.
      const tick = distance > elapsed ? distance | 0 : elapsed
      const differing = tick ^ elapsed
      const level = differing === 0 ? 0 : ((31 - Math.clz32(differing)) / DIGIT_BITS) | 0
      const digit = (tick >> (level * DIGIT_BITS)) & DIGIT_MASK
      slot = level * SLOTS + digit
      this.occupied[level]! |= 1 << digit
    }
    node.slot = slot
    append(this.lists[slot]!, node)
  }

  /** The earliest slot that is not empty, or FAR. */
  private firstSlot(): number {
    for (let level = 0; level < LEVELS; level++) {
      const bits = this.occupied[level]!
      if (bits !== 0) return level * SLOTS + 31 - Math.clz32(bits & -bits)
    }
    return FAR
  }

  /** The tick at which a slot begins. */
  private beginning(slot: number): number {
    const shift = (slot >> DIGIT_BITS) * DIGIT_BITS
    return (this.elapsed & ~((SLOTS << shift) - 1)) | ((slot & DIGIT_MASK) << shift)
  }

  /** Moves every timer that is due at `now` to the DUE list, in order, and lets `elapsed` follow the clock as far as I3 allows. */
  private collect(now: number): void {
    const isNothingDue = now < this.soonest
    let distance = Math.floor(now - this.base)
    for (;;) {
      const slot = this.firstSlot()
      if (slot === FAR) {
        if (distance < SPAN) break
        this.base = Math.floor(now)
        this.elapsed = distance = 0
        this.moveDown(FAR)
        if (this.firstSlot() === FAR) break
        continue
      }
      const beginning = this.beginning(slot)
      if (slot < SLOTS) {
        if (beginning < distance) {
          this.takeDue(slot, Infinity)
          continue
        }
        // The tick of `now` itself, or the one that the wheel reached before its clock went back: the exact deadlines decide.
        if (!isNothingDue && (beginning === distance || beginning === this.elapsed)) this.takeDue(slot, now)
        break
      }
      if (beginning > distance) break
      this.elapsed = beginning
      this.moveDown(slot)
    }
    if (distance > this.elapsed) this.elapsed = distance
    if (!isNothingDue) this.soonest = NaN
  }

  /** Moves the timers of a slot of level 0 that are due to the DUE list, in order. */
  private takeDue(slot: number, now: number): void {
    const list = this.lists[slot]!
    const due = this.lists[DUE]!
    const before = due.previous
    let isSorted = true
    for (let node = list.next; node !== list;) {
      const { next } = node
      if (node.deadline <= now) {
        if (due.previous !== before && due.previous.deadline > node.deadline) isSorted = false
        unlink(node)
        node.slot = DUE
        append(due, node)
      }
      node = next
    }
    if (list.next === list) this.occupied[0]! &= ~(1 << slot)
    if (!isSorted) sortAfter(before, due)
  }

  /** Places the timers of a list whose time has begun again: what has left FAR or a level lands lower, in the same order (I2). */
  private moveDown(slot: number): void {
    const list = this.lists[slot]!
    if (slot !== FAR) this.occupied[slot >> DIGIT_BITS]! &= ~(1 << (slot & DIGIT_MASK))
    let node = list.next
    list.next = list.previous = list
    while (node !== list) {
      const { next } = node
      this.place(node)
      node = next
    }
  }

  private findSoonest(): number {
    if (this.pending === 0) return Infinity
    // While `advance` runs callbacks, what is due is the soonest of all.
    const due = this.lists[DUE]!
    if (due.next !== due) return due.next.deadline
    const slot = this.firstSlot()
    const list = this.lists[slot]!
    let soonest = Infinity
    let looks = 0
    for (let node = list.next; node !== list; node = node.next) {
      if (slot >= SLOTS && ++looks > LOOK_LIMIT) return this.base + (slot === FAR ? SPAN : this.beginning(slot))
      if (node.deadline < soonest) soonest = node.deadline
    }
    return soonest
  }
}

/** Keeps a timer from running, whichever wheel it is in. O(1). @returns whether it had yet to run */
export function cancelTimer(timer: Timer): boolean {
  return timer instanceof Node && timer.wheel !== undefined && timer.wheel.cancel(timer)
}

/** Sorts the part of a list that begins after `before`. */
function sortAfter(before: Node, list: Node): void {
  const nodes: Node[] = []
  for (let node = before.next; node !== list; node = node.next) nodes.push(node)
  nodes.sort(byDeadline)
  for (const node of nodes) {
    unlink(node)
    append(list, node)
  }
}
