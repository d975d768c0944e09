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
 *               it is tried wherever it is possible and not asleep. It costs no preemption, so it may sleep under a bound too (B3).
 * Bound      Why the reduction loses nothing that is within the bound. Coons et al. show it for backtrack points of two kinds: where a race
 *            says so, and where the turn of the thread that is interrupted there began (a turn: what one thread does without a switch
 *            that costs something). Trying the other thread there costs no preemption that the reversed execution had not spent, so what
 *            can be had only by a switch that the bound cuts is reached in another way, if it is within the bound at all. What is ours:
 *            B1 What happens to a thread (a timeout, a death) is no switch: the thread that ran before it goes on after it at no cost. So it
 *               ends no turn, and the way back to a turn's beginning leads through it; if it is itself one side of a race, the turn is
 *               that of the thread that it came into.
 *            B2 As the other side of a race it is tried in place, at no cost, and the turn's beginning is not needed.
 *            B3 What sleeps at a point has been tried before: all that starts with it from here is an order of what was explored
 *               there, with as many preemptions. Not so where something comes before it that it depends on: that thread
 *               may have been cut there by the bound, and not here. So where a race asks for a sleeper, those
 *               are tried of which it came after something (Flanagan and Godefroid's E without the sleeper).
 *            `test/bodies.model.test.ts` and `test/soundness.model.test.ts` compare with searches that leave nothing out within the same bound.
 */
import { mix } from './lanes.js'
import type { Cell } from './memory.js'
import { join } from './native.js'
import { cost, dependent, happens, isFree, Node } from './node.js'
import { Random } from './random.js'
import { type Accesses, StateCache, union, withEvent } from './state-cache.js'
import type { Thread } from './thread.js'

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

export type Strategy = 'dpor' | 'full' | 'random' | 'pct' | 'replay'

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
      node.preemptions = parent.preemptions + cost(parent, parent.thread)
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
      else this.addBounded(earlier, node.thread, node)
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
   * The actor is tried before `earlier`, and at the last point before that where it costs no more than what was done there: where
   * nobody could go on anyway, or where another thread took over. If it sleeps there, what starts with it has been explored, but not what
   * comes before it and depends on it (B3): those actors of which it came after something are tried. Without `later`, the event itself: all.
   */
  private addBounded(earlier: Node, actor: number, later?: Node): void {
    if (((earlier.asleep >> actor) & 1) === 0) return this.addWithStart(earlier, actor)
    const all = earlier.run | earlier.environment
    let others = all & ~earlier.asleep
    if (later !== undefined) {
      let before = 0
      for (let i = this.depth - 1; this.nodes[i] !== earlier; i--) {
        const node = this.nodes[i]!
        const isBetween =
          node.options === 0 && node !== later && node.clock[earlier.thread]! < earlier.index && later.clock[node.thread]! >= node.index
        if (isBetween) before |= 1 << node.thread
      }
      if (before === 0 || (before & all) !== 0) others = before & all
    }
    for (let rest = others; rest !== 0; rest &= rest - 1) this.addWithStart(earlier, lowest(rest))
  }

  private addWithStart(earlier: Node, actor: number): void {
    this.addActor(earlier, actor)
    const isCheap = isFree(earlier) || (earlier.thread !== earlier.previous && !happens(earlier)) || ((earlier.environment >> actor) & 1) === 1
    if (this.bound === Infinity || isCheap) return
    let at = this.depth - 1
    while (this.nodes[at] !== earlier) at--
    earlier.starters |= 1 << actor
    this.addStart(at, earlier.previous, actor)
  }

  /** Tries the actor where the time of `runner`, who ran up to the node at this place, began. */
  private addStart(at: number, runner: number, actor: number): void {
    let start: Node | null = null
    while (at-- > 0) {
      const node = this.nodes[at]!
      if (node.options !== 0) continue
      if (node.thread !== runner && (node.previous !== runner || isFree(node) || !happens(node))) break
      start = node
      if (isFree(node)) break
      node.starters |= 1 << actor
    }
    if (start !== null) this.addActor(start, actor)
  }

  private addActor(node: Node, actor: number): void {
    const all = node.run | node.environment
    node.backtrack |= (all >> actor) & 1 ? 1 << actor : all
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
      if (node.preemptions + cost(node, id) > this.bound) {
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
