/**
 * Which interleavings are explored: a depth-first search over the decisions of an execution, with partial-order reduction.
 *
 * Source     Dynamic partial-order reduction: Flanagan & Godefroid, POPL 2005; with source sets and sleep sets (Abdulla,
 *            Aronis, Jonsson, Sagonas, POPL 2014) when preemptions are not bounded; with the conservative backtrack points of
 *            Coons, Musuvathi, McKinley, OOPSLA 2013, and no sleep sets, when they are. PCT: Burckhardt et al., ASPLOS 2010.
 * Layout     `nodes` is the current execution's list of decisions: a scheduling node stands for one event of one thread, a
 *            choice node for one value. Nodes left from the former execution are met again in the same order.
 * Invariants I1 A node's `run`, `environment` and `previous` describe the state before its event and never change while it lives.
 *            I2 `done` ⊆ `backtrack`; the subtree of a thread in `done` has been explored completely (within the bound).
 *            I3 A thread in `asleep` has been explored from an ancestor and nothing dependent on its event has happened since.
 *            I4 A timeout, spurious wake or death of a waiting thread need not come in an execution, so no race would reveal it:
 *               it is tried wherever it is possible and not asleep. It costs no preemption, so it may sleep under a bound too.
 * Rejected   Other sleep sets under a bound: the sleeping thread's subtree may have been cut by the bound where this one would not be.
 */
import { mix } from './lanes.js'
import type { Cell } from './memory.js'
import { type Accesses, type Known, NOTHING, StateCache, union, withEvent } from './state-cache.js'
import type { Thread } from './thread.js'

/** An event's accesses: cells, and whether each was written. */
interface Footprint {
  cells: Cell[]
  writes: boolean[]
}

/** A thread goes on until it has done so many operations; 0: something happens to it while it waits. */
export interface Segment {
  readonly thread: number
  readonly until: number
}

/** What replays an execution. */
export interface Schedule {
  readonly segments: readonly Segment[]
  readonly choices: readonly number[]
}

export class Node {
  // A choice: `value` of `options`; options is 0 for a scheduling node.
  options = 0
  value = 0

  // The state before the event, as bit masks of actors.
  run = 0
  environment = 0
  previous = -1
  preemptions = 0
  backtrack = 0
  done = 0
  asleep = 0
  /** Nobody could go on: all that may happen here is tried, and nothing that slept before or was tried here is asleep behind it. */
  forced = false
  asleepFootprints: (Footprint | null)[] = []

  // The event. The actor is a thread, or (from the number of threads on) what may happen to one.
  thread = -1
  index = 0
  clock: number[] = []
  before: number[] = []
  footprint: Footprint = { cells: [], writes: [] }
  /** Its accesses are still to be recorded. */
  open = true
  /** Operations that the thread of the node before had done when this node was reached. */
  left = 0
  races: Node[] = []
  /** The state before the event, in the cache, and what all that was explored from it did. */
  known: Known | undefined = undefined
  below: Accesses = NOTHING
  starters = 0
}

export type Strategy = 'dpor' | 'full' | 'random' | 'pct' | 'replay'

/** Small, fast, seeded: for schedules only. mulberry32. */
export class Random {
  constructor(private state: number) {}
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  below(n: number): number {
    return this.next() % n
  }
}

const bitCount = (mask: number): number => {
  let n = 0
  for (let m = mask; m !== 0; m &= m - 1) n++
  return n
}
const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask)

/** A decision of a given schedule could not be taken: the body behaved differently. */
export class Diverged extends Error {}

export class Search {
  nodes: Node[] = []
  depth = 0
  /** The node whose event is happening. */
  current: Node | null = null
  /** Distinct scheduling states entered. */
  states = 0
  /** Choices that the bound left out. */
  bounded = false
  pruned = false
  /** Times a state was met again that had been explored. */
  revisits = 0
  /** The fingerprint of the state that `schedule` is called in. */
  stateA = 0
  stateB = 0
  private readonly cache: StateCache | undefined
  private execution = 0
  private threads: readonly Thread[] = []
  /** Of each actor: the dependence clock of its last event, and how many it had. */
  private clocks: number[][] = []
  private events: number[] = []
  private readonly sleeping: boolean
  private readonly random: Random
  private priorities: number[] = []
  private changes: number[] = []
  private runner = -1
  private segment = 0
  private entered = false
  private choicesMade = 0
  /** A schedule that is replayed does not fit the body. */
  strayed = false
  private longest = 20

  constructor(
    readonly strategy: Strategy,
    /** Most preemptions in one execution. */
    private readonly bound: number,
    seed: number,
    private readonly script: Schedule = { segments: [], choices: [] },
    /** PCT's depth. */
    private readonly pctDepth = 3,
    cache = false,
  ) {
    if (cache && (strategy === 'dpor' || strategy === 'full')) this.cache = new StateCache()
    this.sleeping = strategy === 'dpor' && bound === Infinity
    this.random = new Random(seed)
  }

  /** Whether states are to be told apart. */
  get caching(): boolean {
    return this.cache !== undefined
  }

  /** Starts an execution. */
  begin(threads: readonly Thread[], execution: number): void {
    this.execution = execution
    this.threads = threads
    this.depth = 0
    this.current = null
    this.runner = -1
    this.pruned = false
    if (this.strategy === 'random' || this.strategy === 'pct') this.nodes.length = 0
    if (this.strategy === 'pct') {
      this.priorities = []
      this.changes = Array.from({ length: this.pctDepth - 1 }, () => this.random.below(this.longest))
    }
  }

  /** The threads are there: their execution begins. */
  start(): void {
    const actors = this.threads.length * 2
    this.events = new Array<number>(actors).fill(0)
    this.clocks = this.events.map(() => new Array<number>(actors).fill(0))
  }

  /** The dependence clock of a thread's last event. */
  clockOf(thread: number): readonly number[] {
    return this.clocks[thread]!
  }

  /** Forgets everything and starts anew. */
  restart(): void {
    this.nodes.length = 0
    this.cache?.clear()
  }

  /** Decides a value below `options`. */
  choose(options: number): number {
    let node = this.nodes[this.depth]
    if (node === undefined) {
      node = new Node()
      node.options = options
      node.value = this.firstChoice(options)
      this.nodes.push(node)
    } else if (node.options !== options) throw new Diverged('a choice came where there was another decision before')
    this.depth++
    return node.value
  }

  private firstChoice(options: number): number {
    if (this.strategy === 'replay') {
      const value = this.script.choices[this.choicesMade++] ?? 0
      return value < options ? value : 0
    }
    return this.strategy === 'dpor' || this.strategy === 'full' ? 0 : this.random.below(options)
  }

  /**
   * Decides who does the next event: a thread of `run` (it can go on), or an actor of `environment` (something may happen to its
   * thread while that waits). `forced`: only because nobody can run, so it is not what slept before. Returns a thread, or -1 when all that is left here was explored elsewhere.
   */
  schedule(run: number, environment: number, previous: number, forced = false): number {
    let node = this.nodes[this.depth]
    if (node === undefined) {
      node = this.extend(run, environment, previous, forced)
      if (node.thread < 0) {
        this.pruned = true
        return -1
      }
      this.nodes.push(node)
      this.states++
    } else if (node.options !== 0 || node.run !== run || node.environment !== environment || node.previous !== previous) {
      throw new Diverged('a thread went another way than in the former execution with the same schedule')
    }
    node.left = this.runner < 0 ? 0 : this.threads[this.runner]!.length
    if ((run >> node.thread) & 1) this.runner = node.thread
    this.depth++
    this.current = node
    const actor = node.thread
    const index = ++this.events[actor]!
    if (node.open) {
      node.before = this.clocks[actor]!
      node.clock = node.before.slice()
      node.index = index
      node.clock[actor] = index
    }
    this.clocks[actor] = node.clock
    return actor
  }

  private extend(run: number, environment: number, previous: number, forced: boolean): Node {
    const node = new Node()
    node.run = run
    node.environment = environment
    node.previous = previous
    node.forced = forced
    const parent = this.current
    if (parent !== null) {
      node.preemptions = parent.preemptions + this.cost(parent, parent.thread)
      if (this.strategy === 'dpor' && !forced && !parent.forced) this.inheritSleep(node, parent)
    }
    const all = run | environment
    if (this.strategy === 'random') node.thread = this.pick(node, all)
    else if (this.strategy === 'pct') node.thread = this.pickByPriority(run, environment)
    else if (this.strategy === 'replay') {
      node.thread = this.nextOfScript(run, environment) ?? this.byDefault(node, all)
    } else {
      const awake = all & ~node.asleep
      const happens = awake & environment
      if (this.strategy === 'full' || forced) node.backtrack = all
      else {
        node.backtrack = happens
        if ((awake & run) !== 0) node.backtrack |= 1 << this.byDefault(node, awake & run)
      }
      if (this.cache !== undefined && awake !== 0 && this.isKnown(node, this.cache)) return node
      // What may happen is tried before what will: afterwards it sleeps until something that it depends on has changed.
      if (awake !== 0) node.thread = happens !== 0 ? lowest(happens) : this.byDefault(node, awake)
    }
    return node
  }

  /** Looks the state up, with what else decides what is explored from it; enters it if it is new. */
  private isKnown(node: Node, cache: StateCache): boolean {
    const { run, environment, previous, preemptions, asleep } = node
    // Whom it costs a preemption to leave.
    const running = previous >= 0 && ((run >> previous) & 1) === 1 ? previous : -1
    const more = mix(mix(run, environment), running * 2 + Number(node.forced))
    const a = mix(this.stateA, more)
    const b = mix(this.stateB, ~more)
    const known = cache.find(a, b)
    if (known === undefined) {
      node.known = cache.enter(a, b, preemptions, asleep)
      return false
    }
    // On this very path: nothing has changed since.
    if (known.accesses === null) return false
    if (known.preemptions <= preemptions && (known.asleep & ~asleep) === 0) {
      this.revisits++
      this.resume(known.accesses)
      if (running >= 0) for (let rest = known.starters; rest !== 0; rest &= rest - 1) this.addStart(this.depth, running, lowest(rest))
      return true
    }
    if (known.preemptions >= preemptions && (asleep & ~known.asleep) === 0) node.known = cache.enter(a, b, preemptions, asleep)
    return false
  }

  /** Takes the accesses below a state that is met again for races with what came before it, and for its parents' own (C2). */
  private resume(accesses: Accesses): void {
    if (this.strategy !== 'dpor') return
    const parent = this.current
    if (parent !== null) parent.below = union(parent.below, accesses)
    for (const [cell, [reads, writes]] of accesses.cells) {
      if (cell.stamp !== this.execution) continue
      if (cell.lastWrite !== null) this.mayRace(cell.lastWrite, reads | writes)
      for (const read of cell.lastReads) if (read !== null) this.mayRace(read, writes)
    }
  }

  private mayRace(earlier: Node, actors: number): void {
    for (let rest = actors & ~(1 << earlier.thread); rest !== 0; rest &= rest - 1) {
      const actor = lowest(rest)
      if (this.clocks[actor]![earlier.thread]! < earlier.index) this.addBounded(earlier, actor)
    }
  }

  /** The search leaves a state: all that may be explored from it has been. */
  private leave(node: Node): void {
    if (this.cache === undefined || node.options !== 0) return
    if (this.strategy === 'dpor') {
      for (let actor = 0; actor < node.asleepFootprints.length; actor++) {
        const footprint = node.asleepFootprints[actor]
        if (footprint) node.below = withEvent(node.below, actor, footprint.cells, footprint.writes)
      }
      for (let at = this.nodes.length - 2; at >= 0; at--) {
        const parent = this.nodes[at]!
        if (parent.options !== 0) continue
        parent.below = union(parent.below, node.below)
        break
      }
    }
    if (node.known === undefined) return
    node.known.accesses = node.below
    node.known.starters = node.starters
  }

  /** Follows the schedule: a segment's thread goes on until it has done the operations that it had done then. */
  private nextOfScript(run: number, environment: number): number | undefined {
    for (; this.segment < this.script.segments.length; this.segment++, this.entered = false) {
      const { thread, until } = this.script.segments[this.segment]!
      const waits = until === 0
      if (this.entered && (waits || this.threads[thread]!.length >= until)) continue
      const actor = waits ? thread + this.threads.length : thread
      if ((((run | environment) >> actor) & 1) === 0) {
        if (this.entered) continue
        this.strayed = true
        return undefined
      }
      this.entered = true
      return actor
    }
    return undefined
  }

  private inheritSleep(node: Node, parent: Node): void {
    const mask = (parent.asleep | (this.sleeping ? parent.done : parent.done & parent.environment)) & ~(1 << parent.thread)
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const id = lowest(rest)
      const footprint = parent.asleepFootprints[id]!
      if (dependent(footprint, parent.footprint)) continue
      node.asleep |= 1 << id
      node.asleepFootprints[id] = footprint
    }
  }

  /** Whether choosing `thread` at `node` preempts one that could go on. */
  private cost(node: Node, thread: number): number {
    return thread !== node.previous && node.previous >= 0 && ((node.run >> node.previous) & 1) === 1 && ((node.run >> thread) & 1) === 1 ? 1 : 0
  }

  private byDefault(node: Node, mask: number): number {
    const { run, previous } = node
    const ready = mask & run
    if (ready === 0) return lowest(mask)
    if (previous < 0) return lowest(ready)
    if ((ready >> previous) & 1) return previous
    const later = ready & ~((2 << previous) - 1)
    return lowest(later !== 0 ? later : ready)
  }

  private pick(node: Node, mask: number): number {
    const { previous } = node
    const stays = previous >= 0 && ((node.run >> previous) & 1) === 1
    if (stays && (node.preemptions >= this.bound || this.random.below(4) !== 0)) return previous
    const candidates = node.run !== 0 && this.random.below(4) !== 0 ? node.run : mask
    let skip = this.random.below(bitCount(candidates))
    let rest = candidates
    while (skip-- > 0) rest &= rest - 1
    return lowest(rest)
  }

  private pickByPriority(run: number, environment: number): number {
    let mask = run !== 0 ? run : environment
    if (environment !== 0 && this.random.below(8) === 0) mask = environment
    const best = this.mostUrgent(mask)
    const change = this.changes.indexOf(this.depth)
    if (change < 0) return best
    this.priorities[best] = -1 - change
    return this.mostUrgent(mask)
  }

  private mostUrgent(mask: number): number {
    let best = -1
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const id = lowest(rest)
      this.priorities[id] ??= this.random.next()
      if (best < 0 || this.priorities[id] > this.priorities[best]!) best = id
    }
    return best
  }

  /** Records that the current event accesses a cell. */
  touch(cell: Cell, write: boolean): void {
    const node = this.current!
    if (node.open && this.strategy === 'dpor') this.record(node, cell, write)
    if (write) {
      cell.lastWrite = node
      for (let i = 0; i < cell.lastReads.length; i++) cell.lastReads[i] = null
    } else cell.lastReads[node.thread] = node
  }

  private record(node: Node, cell: Cell, write: boolean): void {
    const { cells, writes } = node.footprint
    cells.push(cell)
    writes.push(write)
    const last = cell.lastWrite
    if (last !== null && last.thread !== node.thread) this.conflict(node, last)
    if (!write) return
    for (const read of cell.lastReads) if (read !== null && read.thread !== node.thread) this.conflict(node, read)
  }

  private conflict(node: Node, earlier: Node): void {
    if (earlier.index > node.before[earlier.thread]!) node.races.push(earlier)
    join(node.clock, earlier.clock)
  }

  /** The current event happens after everything that these clocks cover, and could not have happened before it. */
  order(clock: readonly number[]): void {
    const node = this.current!
    if (!node.open || this.strategy !== 'dpor') return
    node.before = node.before.slice()
    join(node.before, clock)
    join(node.clock, clock)
  }

  /** The current event is over: its races become backtrack points. */
  close(): void {
    const node = this.current
    if (node === null || !node.open) return
    node.open = false
    if (node.races.length === 0) return
    const races = node.races
    node.races = []
    for (const earlier of races) {
      if (this.sleeping) this.addSource(earlier, node)
      else this.addBounded(earlier, node.thread)
    }
  }

  /**
   * Some actor that can start the reversal of the race has to be tried at `earlier`: one whose next event there depends on none of
   * those that come before `later` without depending on `earlier`. The later actor itself counts only if there are none: its event may
   * touch other cells once it comes first (a failed compareExchange succeeds, a `wait` sleeps).
   */
  private addSource(earlier: Node, later: Node): void {
    const firsts: Node[] = []
    let initials = 0
    let from = this.depth - 1
    while (this.nodes[from] !== earlier) from--
    for (let i = from + 1; i < this.depth; i++) {
      const node = this.nodes[i]!
      if (node.options !== 0 || node === later || node.clock[earlier.thread]! >= earlier.index) continue
      if (firsts.some((first) => first.thread === node.thread)) continue
      if (!firsts.some((first) => node.clock[first.thread]! >= first.index)) initials |= 1 << node.thread
      firsts.push(node)
    }
    if (firsts.length === 0) initials = 1 << later.thread
    const possible = initials & (earlier.run | earlier.environment)
    if (possible === 0 || (possible & (earlier.backtrack | earlier.asleep)) !== 0) return
    earlier.backtrack |= 1 << lowest(possible)
  }

  /**
   * The thread is tried before `earlier`, and at the last point before that where it costs no more than what was done there: where
   * nobody could go on anyway, or where another thread took over.
   */
  private addBounded(earlier: Node, thread: number): void {
    this.addThread(earlier, thread)
    if (this.bound === Infinity || isFree(earlier) || earlier.thread !== earlier.previous) return
    let at = this.depth - 1
    while (this.nodes[at] !== earlier) at--
    earlier.starters |= 1 << thread
    this.addStart(at, earlier.thread, thread)
  }

  /** Tries `thread` where the time of `runner`, who ran up to the node at this place, began. */
  private addStart(at: number, runner: number, thread: number): void {
    let start: Node | null = null
    while (at-- > 0) {
      const node = this.nodes[at]!
      if (node.options !== 0) continue
      if (node.thread !== runner) break
      start = node
      if (isFree(node)) break
      node.starters |= 1 << thread
    }
    if (start !== null) this.addThread(start, thread)
  }

  private addThread(node: Node, thread: number): void {
    const all = node.run | node.environment
    node.backtrack |= (all >> thread) & 1 ? 1 << thread : all
  }

  /** Goes to the next execution of the search; false when there is none. */
  next(): boolean {
    if (this.depth > this.longest) this.longest = this.depth
    if (this.strategy === 'random' || this.strategy === 'pct') return true
    if (this.strategy === 'replay') return false
    const { nodes } = this
    while (nodes.length > 0) {
      const node = nodes[nodes.length - 1]!
      if (node.options !== 0 ? this.nextChoice(node) : this.nextThread(node)) return true
      this.leave(node)
      nodes.pop()
    }
    return false
  }

  private nextChoice(node: Node): boolean {
    if (node.value + 1 >= node.options) return false
    node.value++
    for (let i = this.nodes.length - 2; i >= 0; i--) {
      const owner = this.nodes[i]!
      if (owner.options !== 0) continue
      // The event that this choice belongs to may go on differently: record it again, on top of what it did with other values.
      owner.open = true
      owner.races = []
      break
    }
    return true
  }

  private nextThread(node: Node): boolean {
    node.done |= 1 << node.thread
    if (this.strategy === 'dpor') node.asleepFootprints[node.thread] = node.footprint
    for (let rest = node.backtrack & ~node.done & ~node.asleep; rest !== 0; rest &= rest - 1) {
      const id = lowest(rest)
      if (node.preemptions + this.cost(node, id) > this.bound) {
        this.bounded = true
        continue
      }
      this.states++
      node.thread = id
      node.open = true
      node.races = []
      node.footprint = { cells: [], writes: [] }
      return true
    }
    return false
  }

  /** The decisions of the current execution, in a form that does not depend on which operations were scheduling points. */
  taken(): Schedule {
    const segments: Segment[] = []
    const choices: number[] = []
    let open: { thread: number; until: number } | null = null
    for (const node of this.nodes.slice(0, this.depth)) {
      if (node.options !== 0) {
        choices.push(node.value)
        continue
      }
      const runs = ((node.run >> node.thread) & 1) === 1
      if (open !== null) open.until = node.left
      if (runs && open?.thread === node.thread && segments[segments.length - 1] === open) continue
      if (runs) segments.push((open = { thread: node.thread, until: 0 }))
      else segments.push({ thread: node.thread - this.threads.length, until: 0 })
    }
    if (open !== null) open.until = Infinity
    while (choices.length > 0 && choices[choices.length - 1] === 0) choices.pop()
    return { segments, choices }
  }
}

/** Whether switching threads here is no preemption. */
function isFree({ run, previous }: Node): boolean {
  return previous < 0 || ((run >> previous) & 1) === 0
}

function join(into: number[], from: readonly number[]): void {
  for (let i = 0; i < into.length; i++) if (from[i]! > into[i]!) into[i] = from[i]!
}

function dependent(a: Footprint, b: Footprint): boolean {
  for (let i = 0; i < a.cells.length; i++) {
    for (let j = 0; j < b.cells.length; j++) if (a.cells[i] === b.cells[j] && (a.writes[i]! || b.writes[j]!)) return true
  }
  return false
}
