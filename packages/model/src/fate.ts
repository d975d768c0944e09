/**
 * What happens to threads rather than in them: waits that end, deadlines that pass, deaths; and what it means that nobody can go on.
 *
 * To the search, what may happen to thread i is an actor of its own, number `threads + i`: the thread may run on meanwhile (a timer
 * passes while it computes), and one must be able to sleep while the other is tried.
 *
 * Invariants I1 A waiter is in its queue and in its thread exactly until `wake` or `bury`.
 *            I2 An actor's event depends on the word's queue, on the clock, and on `cellOf(thread)`, which is written whenever
 *               something else may happen to the thread.
 *            I3 Who ends a wait takes the actor's event away, and with it what the event would have depended on: no race would show that
 *               another event should come first, the actor's second, and the end of the wait last. So the end of a wait with a time limit
 *               writes `closings` of its thread, and what the clock tells or the order of deaths depends on reads them.
 */
import type { Lanes } from './lanes.js'
import { Cell } from './memory.js'
import type { Machine } from './machine.js'
import { join, native } from './native.js'
import { DEAD, DONE, LOOPING, READY, SPINNING, type Thread, type Waiter, WAITING } from './thread.js'

/** So often a spinning thread that nobody can help is let go on, before that counts as a livelock. */
const FREE_SPINS = 60
/** Timeouts before their time in one thread and execution, with `timeouts: true`: a loop that waits for 1 ms again and again has to end. */
const EARLY_TIMEOUTS = 2

/** So many deadlines pass because nothing else can happen, then threads that seem to spin are let go on in between. */
const TIMED_ROUNDS = 3

interface Death {
  readonly thread: Thread
  readonly clock: readonly number[]
  readonly hb: readonly number[]
}

export class Fate {
  private readonly maxDeaths: number
  private readonly maxEarly: number
  private deaths = 0
  /** Deadlines that have passed since a thread that seems to spin was let go on. */
  private passed = 0
  private buried: Death[] = []
  private readonly cells: Cell[] = []
  private readonly closings: Cell[] = []
  private deathCell = new Cell('deaths', 1)
  private clockCell = new Cell('the clock', 1)
  private readonly turnClocks = new WeakMap<object, { clock: readonly number[]; hb: readonly number[] }>()

  constructor(private readonly machine: Machine) {
    const { deaths = 0, timeouts = 0 } = machine.options
    this.maxDeaths = Number(deaths)
    this.maxEarly = timeouts === true ? EARLY_TIMEOUTS : Number(timeouts)
  }

  /** Starts an execution with so many threads. */
  begin(count: number, execution: number): void {
    if (this.cells.length !== count) {
      this.cells.length = this.closings.length = 0
      for (let i = 0; i < count; i++) {
        this.cells.push(new Cell(`what may happen to thread ${i}`, count))
        this.closings.push(new Cell(`what can't happen to thread ${i} any more`, count))
      }
      this.deathCell = new Cell('deaths', count)
      this.clockCell = new Cell('the clock', count)
    }
    for (const cell of [this.deathCell, this.clockCell, ...this.cells, ...this.closings]) cell.in(execution)
    this.deaths = 0
    this.passed = 0
    this.buried = []
  }

  /** Adds to the state what no single thread has. */
  addTo(lanes: Lanes, races: boolean): void {
    lanes.add(this.deaths)
    lanes.add(this.passed)
    for (const { thread, hb } of this.buried) {
      lanes.add(thread.id)
      if (races) for (const epoch of hb) lanes.add(epoch)
    }
  }

  /** Stands for what may happen to a thread. */
  cellOf(thread: Thread): Cell {
    return this.cells[thread.id]!
  }

  // Waits.

  /** Whether the thread's actor has an event. */
  maySuffer(thread: Thread, runs: boolean): boolean {
    if (this.mayBeEarly(thread) && waitersOf(thread).some(({ deadline }) => deadline < Infinity)) return true
    if (thread.aborts.length > 0 && thread.state !== DONE && thread.state !== DEAD) return true
    if (runs || (thread.state !== WAITING && thread.state !== LOOPING)) return false
    return this.mayDie(thread) || this.mayWakeSpuriously(thread)
  }

  private mayBeEarly(thread: Thread): boolean {
    return thread.early < this.maxEarly
  }

  private mayWakeSpuriously(thread: Thread): boolean {
    return thread.state === WAITING && this.machine.options.spurious === true && thread.spurious === 0
  }

  /** Something happens to the thread; which, if there are several, is a choice. `forced`: its earliest deadline passes. */
  suffer(thread: Thread, forced: boolean): void {
    const { machine } = this
    const { search } = machine
    const waiters = waitersOf(thread).filter(({ deadline }) => deadline < Infinity)
    const earliest = Math.min(...waiters.map(({ deadline }) => deadline))
    const happenings: (() => void)[] = []
    for (const waiter of waiters) {
      if (forced ? waiter.deadline !== earliest : !this.mayBeEarly(thread)) continue
      happenings.push(() => {
        if (!forced) thread.early++
        search.order(waiter.clock)
        machine.clock = Math.max(machine.clock, waiter.deadline)
        this.touchClock(true)
        machine.tracer?.(thread, 'timeout', waiter.queue?.label ?? '', 'timed-out', '')
        this.wake(waiter, 'timed-out', null)
      })
    }
    if (!forced && this.mayWakeSpuriously(thread)) {
      happenings.push(() => {
        const { waiter } = thread
        thread.spurious++
        search.order(waiter!.clock)
        machine.tracer?.(thread, 'spurious wake', waiter!.queue!.label, 'ok', '')
        this.wake(waiter!, 'ok', null)
      })
    }
    if (!forced && !machine.canRun(thread) && this.mayDie(thread)) {
      happenings.push(() => {
        search.order(search.clockOf(thread.id))
        this.bury(thread)
      })
    }
    if (!forced) {
      for (const signal of thread.aborts) {
        happenings.push(() => {
          search.order(signal.clock)
          thread.aborts.splice(thread.aborts.indexOf(signal), 1)
          machine.tracer?.(thread, 'abort', '', '', '')
          this.queueTurn(thread, signal.id, 'ok', thread.hb)
        })
      }
    }
    happenings[happenings.length > 1 ? search.choose(happenings.length) : 0]!()
    // Afterwards: what the event comes after (what began the wait) is no race.
    search.touch(this.cellOf(thread), true)
  }

  /** Adds a waiter to its thread. */
  expect(waiter: Waiter): void {
    const { thread, queue } = waiter
    const { machine } = this
    // Its deadline was reckoned from the clock.
    if (this.clockMatters && waiter.deadline < Infinity && !thread.preparing) this.touchClock(false)
    if (queue !== null) {
      machine.isVisible(thread, queue, true)
      // A deadline that may pass early is somebody else who touches the queue.
      if (this.maxEarly > 0 && waiter.deadline < Infinity && !queue.multi) {
        queue.multi = true
        if (queue.hidden) machine.stale = true
      }
      machine.search.touch(queue, true)
      queue.waiters.push(waiter)
    }
    if (waiter.id < 0) thread.waiter = waiter
    else {
      thread.pending.push(waiter)
      machine.search.touch(this.cellOf(thread), true)
    }
  }

  /** Ends a wait. `by`: the notifier. */
  wake(waiter: Waiter, outcome: 'ok' | 'timed-out', by: Thread | null): void {
    const { thread, queue } = waiter
    const { search } = this.machine
    this.foreclose(waiter)
    if (queue !== null) {
      search.touch(queue, true)
      remove(queue.waiters, waiter)
    }
    const { clock } = search.current!
    const { hb } = by ?? thread
    if (this.machine.caching) {
      // Who woke it, as far as the race check will ask, and with what.
      if (this.machine.options.races !== false) for (const epoch of hb) thread.lanes.add(epoch)
      thread.lanes.add(outcome === 'ok' ? 1 : 2)
    }
    if (waiter.id < 0) {
      thread.waiter = null
      thread.state = READY
      thread.wakeResult = outcome
      thread.wakeClock = clock
      join(thread.hb, hb)
    } else {
      remove(thread.pending, waiter)
      // Turns come in the order of what called for them.
      search.touch(this.cellOf(thread), true)
      this.queueTurn(thread, waiter.id, outcome, hb)
    }
  }

  private queueTurn(thread: Thread, id: number, outcome: 'ok' | 'timed-out', hb: readonly number[]): void {
    const turn: [number, 'ok' | 'timed-out'] = [id, outcome]
    thread.turns.push(turn)
    this.turnClocks.set(turn, { clock: this.machine.search.current!.clock, hb: hb.slice() })
  }

  /** A signal of the thread may fire from now on. */
  mayAbort(thread: Thread, id: number): void {
    this.machine.search.touch(this.cellOf(thread), true)
    thread.aborts.push({ id, clock: this.machine.search.current!.clock })
  }

  /** The thread is about to take its first turn. */
  beginTurn(thread: Thread): void {
    const { clock, hb } = this.turnClocks.get(thread.turns[0]!)!
    this.machine.search.order(clock)
    join(thread.hb, hb)
  }

  /** Takes a timer back. */
  clear(thread: Thread, id: number): void {
    this.machine.search.touch(this.cellOf(thread), true)
    const at = thread.pending.findIndex((waiter) => waiter.id === id && waiter.queue === null)
    if (at >= 0) this.foreclose(thread.pending.splice(at, 1)[0]!)
    const turn = thread.turns.findIndex((entry) => entry[0] === id)
    if (turn >= 0) thread.turns.splice(turn, 1)
  }

  /** The running thread reads or changes the virtual clock. */
  touchClock(write: boolean): void {
    this.machine.search.touch(this.clockCell, write)
    this.touchClosings()
  }

  private touchClosings(): void {
    for (const cell of this.closings) this.machine.search.touch(cell, false)
  }

  /** A wait ends, or a timer is taken back: what could have happened to its thread can't any more. */
  private foreclose({ thread, deadline }: Waiter): void {
    if ((this.maxEarly > 0 && deadline < Infinity) || this.maxDeaths > 1) this.machine.search.touch(this.closings[thread.id]!, true)
  }

  /** Whether the order of clock readings and deadlines matters to the search. */
  get clockMatters(): boolean {
    return this.maxEarly > 0
  }

  // Nobody can go on.

  /** What happens because nothing else can: spinning threads go on, or a deadline passes. Null: the execution is over (with its failure, if that is a bug). */
  stalled(): { run: number; environment: number } | null {
    const { machine } = this
    const { threads } = machine
    const timed = threads.flatMap((thread) => waitersOf(thread)).filter(({ deadline }) => deadline < Infinity)
    const spinners = threads.filter(({ state }) => state === SPINNING)
    if (timed.length > 0 && (spinners.length === 0 || this.passed++ < TIMED_ROUNDS)) {
      // Those that may be early are tried as such.
      const late = timed.filter(({ thread }) => !this.mayBeEarly(thread))
      const earliest = Math.min(...late.map(({ deadline }) => deadline))
      let environment = 0
      for (const { thread, deadline } of late) if (deadline === earliest) environment |= 1 << (threads.length + thread.id)
      return { run: 0, environment }
    }
    // A signal that has not fired yet may end a wait: tried as what may happen.
    if (threads.some(({ state, aborts, pending }) => aborts.length > 0 && state === LOOPING && pending.length > 0)) return { run: 0, environment: 0 }
    const run = spinners.reduce((mask, { id }) => mask | (1 << id), 0)
    if (timed.length > 0) {
      // What looks like a spin loop may be one that ends by itself, while others wait for it a little at a time.
      this.passed = 0
      return { run, environment: 0 }
    }
    if (spinners.length === 0) {
      this.explainEnd()
      return null
    }
    const names = spinners.map(({ name }) => name).join(', ')
    if (spinners.filter((thread) => ++thread.stuck > FREE_SPINS).length > 0) {
      machine.fail(
        'livelock',
        spinners.length > 1
          ? `${names} spin for ever: nobody is left to change what they read`
          : `${names} spins for ever: nobody is left to change what it reads`,
      )
      return null
    }
    machine.clock += 2 ** Math.min(20, spinners[0]!.stuck)
    return { run, environment: 0 }
  }

  /** Everybody has finished, or somebody waits for ever. */
  private explainEnd(): void {
    const { machine } = this
    const stuck = machine.threads.filter(({ state, options }) => state === WAITING || (state === LOOPING && options.loop !== 'idle'))
    if (stuck.length === 0) return
    for (const { thread, view, index, expected, queue } of stuck.flatMap((one) => waitersOf(one))) {
      if (view === null) continue
      const value = native.load(view as Int32Array, index)
      if (value === expected) continue
      const word = queue!.label.replace('waiters of ', '')
      machine.fail('lost-wake', `thread ${thread.name} waits for ever for ${word} to change from ${expected}; it is ${value}, and nobody notified`)
      return
    }
    const ready = stuck.find((thread) => machine.outside(() => thread.options.until?.() === true))
    const names = stuck.map(({ name }) => name).join(', ')
    if (ready !== undefined) machine.fail('lost-wake', `thread ${ready.name} waits for ever, though what it waits for holds`)
    else machine.fail('deadlock', `${names} ${stuck.length > 1 ? 'wait' : 'waits'} for ever, and nobody else can go on`)
  }

  // Death.

  mayDie(thread: Thread): boolean {
    return this.deaths < this.maxDeaths && thread.options.mortal !== false && thread.options.reaper !== true && !thread.declaredDead
  }

  /** A point at which the running thread may die, or be declared dead. Asked once for each place in its log. */
  deathPoint(thread: Thread): void {
    if (thread.askedAt === thread.length || thread.preparing || !this.mayDie(thread)) return
    thread.askedAt = thread.length
    const { machine } = this
    const fate = machine.choose(thread, machine.options.zombies === true ? 3 : 2)
    if (fate === 0) return
    // As a zombie, too, it is picked anew: the reaper may come before its next operation.
    thread.granted = false
    if (fate === 2) {
      this.declareDead(thread)
      machine.tracer?.(thread, 'declared dead', '', '', 'and runs on')
      return
    }
    this.bury(thread)
    machine.handOver(thread)
    throw new Error('unreachable: a dead thread was picked')
  }

  private declareDead(thread: Thread): void {
    const { search } = this.machine
    this.deaths++
    thread.declaredDead = true
    if (this.maxDeaths > 1) {
      search.touch(this.deathCell, true)
      this.touchClosings()
    }
    this.buried.push({ thread, clock: search.current!.clock, hb: thread.hb.slice() })
    thread.hb[thread.id]!++
  }

  bury(thread: Thread): void {
    this.declareDead(thread)
    for (const waiter of waitersOf(thread)) {
      this.foreclose(waiter)
      if (waiter.queue === null) continue
      this.machine.search.touch(waiter.queue, true)
      remove(waiter.queue.waiters, waiter)
    }
    thread.waiter = null
    thread.pending.length = 0
    thread.state = DEAD
    this.machine.tracer?.(thread, 'dies', '', '', '')
  }

  /** Somebody died, and no reaper has finished its work. */
  get hasUnreaped(): boolean {
    const { threads } = this.machine
    return this.deaths > 0 && threads.filter(({ reaps, state }) => reaps >= 0 && state === DONE).length < this.deaths
  }

  get hasDead(): boolean {
    return this.buried.length > 0
  }

  /** The reaper takes the next dead. Who learns of a death from the host sees all that the dead one did. */
  reap(reaper: Thread): void {
    const { thread, clock, hb } = this.buried.shift()!
    reaper.reaps = thread.id
    this.machine.search.order(clock)
    join(reaper.hb, hb)
  }
}

function waitersOf(thread: Thread): readonly Waiter[] {
  return thread.waiter === null ? thread.pending : [thread.waiter, ...thread.pending]
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item)
  if (at >= 0) list.splice(at, 1)
}
