/**
 * The modelled implementation of heddle's `ops`: every access to shared memory goes to the real buffer, at the moment that the
 * search decides, and only once.
 *
 * Each operation reads the same way: replayed → the logged result; else arrive, be scheduled if it is visible, act, keep the
 * books (races, dependence, log).
 */
import type { AgentLocal, Ops } from '@heddle/atomics/ops-model'
import { ADD, AND, BUFFER, CAS, CHOOSE, COPY, EFFECT, EXCHANGE, FILL, GET, LOAD, MARK, NAMES, NOTIFY, NOW, OR, PAUSE, PEEK, RANDOM, SET, STORE, SUB, TIMER, WAIT, WAIT_ASYNC, XOR } from './codes.js'
import { Judge } from './judge.js'
import type { Machine } from './machine.js'
import { type BufferCells, type Cell, PLAIN_READ, PLAIN_WRITE } from './memory.js'
import { native, type View } from './native.js'
import { PENDING, READS, type Thread, type Waiter, WAITING } from './thread.js'

type Words = Int32Array
export type Value = number | bigint
export type IntegerView = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array

const MODIFY: Record<number, (view: never, index: number, value: never) => Value> = {
  [ADD]: native.add as never,
  [SUB]: native.sub as never,
  [AND]: native.and as never,
  [OR]: native.or as never,
  [XOR]: native.xor as never,
  [EXCHANGE]: native.exchange as never,
}

/** Buffers are zeroed for every execution. */
const MAX_BUFFER = 2 ** 24

/** An effect in the log: its outcome, and where the log goes on behind it. */
interface Effect {
  /** -1: it was suspended in its middle. */
  end: number
  nextCallback: number
  threw: boolean
  outcome: unknown
}

export class ModelledOps {
  private readonly pool = new Map<number, SharedArrayBuffer[]>()
  private readonly used: SharedArrayBuffer[] = []

  private readonly judge: Judge

  constructor(private readonly machine: Machine) {
    this.judge = new Judge(machine)
  }

  /** Takes the buffers of the former execution back. */
  recycle(): void {
    for (const buffer of this.used) {
      const list = this.pool.get(buffer.byteLength)
      if (list === undefined) this.pool.set(buffer.byteLength, [buffer])
      else list.push(buffer)
    }
    this.used.length = 0
  }

  // Atomics.

  load<T extends Value>(view: IntegerView, index: number): T {
    const { machine } = this
    const thread = machine.current
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) return native.load(view as Words, index) as T
    if (thread.position < thread.length) return machine.replay(thread, LOAD, index) as T
    machine.arrive(thread)
    const cell = this.cellOf(cells, view, index)
    const visible = machine.admit(thread, cell, false)
    const value = native.load(view as Words, index) as Value
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) machine.search.touch(cell, false)
    this.sees(thread, cell)
    return this.done(thread, LOAD, view, index, value, cell) as T
  }

  store<T extends Value>(view: IntegerView, index: number, value: T): T {
    const { machine } = this
    const thread = machine.current
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) return native.store(view as Words, index, value as number) as T
    if (thread.position < thread.length) return machine.replay(thread, STORE, index) as T
    machine.arrive(thread)
    const cell = this.cellOf(cells, view, index)
    machine.fate.deathPoint(thread)
    const visible = machine.admit(thread, cell, true)
    const before = native.load(view as Words, index) as Value
    const result = native.store(view as Words, index, value as number) as Value
    this.judge.writeAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) machine.search.touch(cell, true)
    if (before !== native.load(view as Words, index)) this.changed(thread, cell)
    return this.done(thread, STORE, view, index, result, cell) as T
  }

  modify<T extends Value>(operation: number, view: IntegerView, index: number, value: T): T {
    const { machine } = this
    const thread = machine.current
    const act = MODIFY[operation]!
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) return act(view as never, index, value as never) as T
    if (thread.position < thread.length) return machine.replay(thread, operation, index) as T
    machine.arrive(thread)
    const cell = this.cellOf(cells, view, index)
    machine.fate.deathPoint(thread)
    const visible = machine.admit(thread, cell, true)
    const before = act(view as never, index, value as never)
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    this.judge.writeAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) machine.search.touch(cell, true)
    if (before !== native.load(view as Words, index)) this.changed(thread, cell)
    else this.sees(thread, cell)
    return this.done(thread, operation, view, index, before, cell, value) as T
  }

  compareExchange<T extends Value>(view: IntegerView, index: number, expected: T, replacement: T): T {
    const { machine } = this
    const thread = machine.current
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) return native.compareExchange(view as Words, index, expected as number, replacement as number) as T
    if (thread.position < thread.length) return machine.replay(thread, CAS, index) as T
    machine.arrive(thread)
    const cell = this.cellOf(cells, view, index)
    machine.fate.deathPoint(thread)
    const succeeds = native.load(view as Words, index) === expected
    const visible = machine.admit(thread, cell, succeeds)
    const before = native.compareExchange(view as Words, index, expected as number, replacement as number) as Value
    const after = native.load(view as Words, index) as Value
    const wrote = after !== before || before === normal(view, expected)
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (wrote) this.judge.writeAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) {
      if (wrote && !cell.written) machine.isVisible(thread, cell, true)
      machine.search.touch(cell, wrote)
    }
    if (after !== before) this.changed(thread, cell)
    else this.sees(thread, cell)
    return this.done(thread, CAS, view, index, before, cell, machine.tracer === null ? undefined : `${expected} → ${replacement}`) as T
  }

  // Waiting.

  wait(view: Words | BigInt64Array, index: number, expected: Value, timeout = Infinity): 'ok' | 'not-equal' | 'timed-out' {
    const { machine } = this
    const thread = machine.current
    if (thread === null) throw new Error('heddle model: the body and its final check can not wait; only threads can')
    if (thread.position < thread.length) return machine.replay(thread, WAIT, index) as 'ok' | 'not-equal' | 'timed-out'
    machine.arrive(thread)
    thread.pauses = 0
    const cell = this.beginWait(thread, view, index, expected)
    const value = native.load(view as Words, index) as Value
    if (value !== normal(view, expected)) {
      this.sees(thread, cell)
      return this.done(thread, WAIT, view, index, 'not-equal', cell) as 'not-equal'
    }
    if (!(timeout > 0)) return this.done(thread, WAIT, view, index, 'timed-out', cell) as 'timed-out'
    const queue = cell.queue(machine.execution)
    const waiter: Waiter = { thread, queue, view, index, expected: value, id: -1, deadline: machine.clock + timeout, clock: machine.search.current!.clock }
    machine.fate.expect(waiter)
    thread.state = WAITING
    const at = thread.length
    machine.note(thread, WAIT, index, PENDING)
    machine.tracer?.(thread, 'wait', cell.label, 'sleeps', `while ${expected}${timeout === Infinity ? '' : `, at most ${timeout} ms`}`)
    machine.handOver(thread)
    thread.log[at] = thread.wakeResult
    machine.tracer?.(thread, 'wait', cell.label, thread.wakeResult, 'returns')
    return thread.wakeResult
  }

  waitAsync(view: Words, index: number, expected: number, timeout = Infinity): ReturnType<NonNullable<Ops['waitAsync']>> {
    const { machine } = this
    const thread = machine.current
    if (thread === null) throw new Error('heddle model: the body and its final check can not wait; only threads can')
    let result: 'not-equal' | 'timed-out' | number
    if (thread.position < thread.length) result = machine.replay(thread, WAIT_ASYNC, index) as typeof result
    else {
      machine.arrive(thread)
      const cell = this.beginWait(thread, view, index, expected)
      const value = native.load(view, index)
      if (value !== normal(view, expected)) result = 'not-equal'
      else if (!(timeout > 0)) result = 'timed-out'
      else {
        result = thread.nextCallback
        const queue = cell.queue(machine.execution)
        const waiter: Waiter = { thread, queue, view, index, expected: value, id: result, deadline: machine.clock + timeout, clock: machine.search.current!.clock }
        machine.fate.expect(waiter)
          }
      this.done(thread, WAIT_ASYNC, view, index, result, cell)
    }
    if (typeof result === 'string') return { async: false, value: result }
    return { async: true, value: this.thenable(thread, thread.nextCallback++) }
  }

  /** What `waitAsync` gives in place of a promise: runs its callbacks in a turn of the thread. */
  private thenable(thread: Thread, id: number): PromiseLike<'ok' | 'timed-out'> {
    const callbacks: ((outcome: 'ok' | 'timed-out') => unknown)[] = []
    let settled: 'ok' | 'timed-out' | undefined
    thread.callbacks.set(id, (outcome) => {
      settled = outcome
      for (const callback of callbacks) callback(outcome)
    })
    return {
      then: (onSettled?: ((outcome: 'ok' | 'timed-out') => unknown) | null) => {
        if (onSettled) {
          if (settled === undefined) callbacks.push(onSettled)
          else thread.microtasks.push(() => onSettled(settled!))
        }
        return undefined as never
      },
    }
  }

  private beginWait(thread: Thread, view: IntegerView, index: number, expected: Value): Cell {
    const { machine } = this
    const cells = machine.cells(view)
    if (cells === null) throw new TypeError('a wait needs a view of a SharedArrayBuffer')
    const cell = this.cellOf(cells, view, index)
    if (thread.preparing) {
      if (native.load(view as Words, index) === normal(view, expected)) throw new Error('heddle model: what runs before a thread can not wait')
      return cell
    }
    machine.isVisible(thread, cell, false)
    machine.point(thread)
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    machine.search.touch(cell, false)
    return cell
  }

  notify(view: Words | BigInt64Array, index: number, count = Infinity): number {
    const { machine } = this
    const thread = machine.current
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) return 0
    if (thread.position < thread.length) return machine.replay(thread, NOTIFY, index) as number
    machine.arrive(thread)
    const cell = this.cellOf(cells, view, index)
    machine.fate.deathPoint(thread)
    const queue = cell.queue(machine.execution)
    const visible = machine.admit(thread, queue, false)
    let woken = 0
    if (queue.waiters.length > 0) {
      while (queue.waiters.length > 0 && woken < count) {
        const at = machine.options.notifyOrder === 'any' && queue.waiters.length > 1 && count < queue.waiters.length + woken ? machine.search.choose(queue.waiters.length) : 0
        machine.fate.wake(queue.waiters[at]!, 'ok', thread)
        woken++
      }
      thread.hb[thread.id]!++
      this.changed(thread, null)
    } else if (visible) machine.search.touch(queue, false)
    return this.done(thread, NOTIFY, view, index, woken, cell, count === Infinity ? 'all' : count) as number
  }

  pause(): void {
    const { machine } = this
    const thread = machine.current
    if (thread === null) return
    if (thread.position < thread.length) {
      machine.replay(thread, PAUSE, 0)
      return
    }
    machine.arrive(thread)
    if (thread.readCount > 0) {
      thread.pauses++
      if (thread.pauses > 1 && !thread.preparing && thread.freedAt !== thread.length) machine.spin(thread, READS)
      thread.readCount = 0
    }
    machine.note(thread, PAUSE, 0, undefined)
  }

  /** The thread saw a value: if it spins, it waits for another. */
  private sees(thread: Thread, cell: Cell): void {
    const at = thread.readCount++ & (READS - 1)
    thread.readCells[at] = cell
    thread.readVersions[at] = cell.version
  }

  /** The thread changed something: it does not merely spin. */
  private changed(thread: Thread, cell: Cell | null): void {
    if (cell !== null) cell.version++
    thread.pauses = 0
    thread.stuck = 0
    thread.readCount = 0
    const { cycles } = thread
    cycles[1] = cycles[2] = cycles[3] = cycles[4] = 0
  }

  // Plain accesses.

  get(view: View, index: number, operation = GET): Value {
    const { machine } = this
    const thread = machine.current
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) return view[index]!
    if (thread.position < thread.length) return machine.replay(thread, operation, index) as Value
    machine.arrive(thread)
    if (!thread.preparing) {
      if (operation === PEEK) this.peekable(thread, this.cellOf(cells, view, index))
      else this.judge.plain(thread, cells, view.byteOffset + index * view.BYTES_PER_ELEMENT, view.BYTES_PER_ELEMENT, PLAIN_READ)
    }
    const value = view[index]!
    const cell = this.cellOf(cells, view, index)
    this.sees(thread, cell)
    return this.done(thread, operation, view, index, value, cell) as Value
  }

  private peekable(thread: Thread, cell: Cell): void {
    const { machine } = this
    if (!cell.peeked) {
      cell.peeked = true
      if (cell.hiddenPlain && cell.written && (cell.multi || cell.first !== thread.id)) machine.stale = true
    }
    if (machine.admit(thread, cell, false)) machine.search.touch(cell, false)
  }

  set(view: View, index: number, value: Value): void {
    const { machine } = this
    const thread = machine.current
    const cells = thread === null ? null : machine.cells(view)
    if (thread === null || cells === null) {
      view[index] = value
      return
    }
    if (thread.position < thread.length) {
      machine.replay(thread, SET, index)
      return
    }
    machine.arrive(thread)
    machine.fate.deathPoint(thread)
    if (!thread.preparing) this.judge.plain(thread, cells, view.byteOffset + index * view.BYTES_PER_ELEMENT, view.BYTES_PER_ELEMENT, PLAIN_WRITE)
    const before = view[index]
    view[index] = value
    const cell = this.cellOf(cells, view, index)
    if (before !== view[index]) this.changed(thread, cell)
    this.done(thread, SET, view, index, value, cell)
  }

  copy(target: ArrayBufferView & { BYTES_PER_ELEMENT: number }, targetIndex: number, source: typeof target, sourceIndex: number, length: number): void {
    const { machine } = this
    const thread = machine.current
    type Any = Int32Array
    const act = (from: Any): void => (target as Any).set(from, targetIndex)
    const part = (): Any => (source as Any).subarray(sourceIndex, sourceIndex + length)
    const to = machine.cells(target)
    const from = machine.cells(source)
    if (thread === null || (to === null && from === null)) return act(part())
    if (thread.position < thread.length) {
      const logged = machine.replay(thread, COPY, sourceIndex)
      if (to === null) act(logged as Any)
      return
    }
    machine.arrive(thread)
    const bytes = length * target.BYTES_PER_ELEMENT
    if (to !== null) machine.fate.deathPoint(thread)
    if (!thread.preparing && bytes > 0) {
      if (from !== null) this.judge.plain(thread, from, source.byteOffset + sourceIndex * source.BYTES_PER_ELEMENT, bytes, PLAIN_READ)
      if (to !== null) this.judge.plain(thread, to, target.byteOffset + targetIndex * target.BYTES_PER_ELEMENT, bytes, PLAIN_WRITE)
    }
    const data = part()
    act(data)
    if (to !== null) this.changed(thread, null)
    this.done(thread, COPY, source, sourceIndex, to === null ? data.slice() : undefined, null)
  }

  fill(target: Uint8Array, index: number, length: number, value: number): void {
    const { machine } = this
    const thread = machine.current
    const cells = machine.cells(target)
    if (thread === null || cells === null) {
      target.fill(value, index, index + length)
      return
    }
    if (thread.position < thread.length) {
      machine.replay(thread, FILL, index)
      return
    }
    machine.arrive(thread)
    machine.fate.deathPoint(thread)
    if (!thread.preparing && length > 0) this.judge.plain(thread, cells, target.byteOffset + index * target.BYTES_PER_ELEMENT, length * target.BYTES_PER_ELEMENT, PLAIN_WRITE)
    target.fill(value, index, index + length)
    this.changed(thread, null)
    this.done(thread, FILL, target, index, undefined, null)
  }

  // The rest of the world.

  /** An operation that touches no shared memory: done once, logged. */
  private once<T>(operation: number, act: (thread: Thread | null) => T): T {
    const { machine } = this
    const thread = machine.current
    if (thread === null) return act(null)
    if (thread.position < thread.length) return machine.replay(thread, operation, 0) as T
    machine.arrive(thread)
    const value = act(thread)
    machine.note(thread, operation, 0, value)
    return value
  }

  now(): number {
    return this.once(NOW, (thread) => (thread === null ? this.machine.clock : this.machine.now(thread)))
  }

  advance(milliseconds: number): void {
    this.once(NOW, (thread) => this.machine.advance(thread, milliseconds))
  }

  random(): number {
    return this.once(RANDOM, (thread) => (thread === null ? this.machine.setupRandom.next() : Math.imul(thread.length + 1, 0x9e3779b1 ^ Math.imul(thread.id + 1, 0x85ebca6b)) >>> 0))
  }

  createBuffer(bytes: number): SharedArrayBuffer {
    if (bytes > MAX_BUFFER) throw new RangeError(`heddle model: a buffer of ${bytes} bytes in every execution would take for ever: use the context's \`region\`, or a smaller one (at most ${MAX_BUFFER})`)
    return this.once(BUFFER, () => {
      const buffer = this.pool.get(bytes)?.pop()
      if (buffer !== undefined) new Uint8Array(buffer).fill(0)
      const made = buffer ?? new SharedArrayBuffer(bytes)
      this.used.push(made)
      return made
    })
  }

  /**
   * Runs what has consequences outside of shared memory: once, replays have its result. If it does operations itself and another
   * thread takes over in its middle, it is run again up to there, like any code of a thread.
   */
  effect<T>(run: () => T): T {
    const { machine } = this
    const thread = machine.current
    if (thread === null) return run()
    let effect: Effect
    if (thread.position < thread.length) {
      effect = machine.replay(thread, EFFECT, 0) as Effect
      if (effect.end >= 0) {
        thread.position = effect.end
        thread.nextCallback = effect.nextCallback
        if (effect.threw) throw effect.outcome
        return effect.outcome as T
      }
    } else {
      machine.arrive(thread)
      effect = { end: -1, nextCallback: 0, threw: false, outcome: undefined }
      machine.note(thread, EFFECT, 0, effect)
    }
    try {
      effect.outcome = run()
    } catch (error) {
      if (thread.unwinding) throw error
      effect.threw = true
      effect.outcome = error
    }
    effect.end = thread.length
    effect.nextCallback = thread.nextCallback
    if (effect.threw) throw effect.outcome
    return effect.outcome as T
  }

  /** A value of the search's choosing. */
  choose(options: number): number {
    return this.once(CHOOSE, (thread) => {
      const value = this.machine.choose(thread, options)
      if (thread !== null) this.machine.tracer?.(thread, 'choose', '', value, `of ${options}`)
      return value
    })
  }

  /** The start or the end of a recorded call: ends come before the starts that follow them, in every equivalent interleaving. */
  mark(end: boolean, act: (time: number) => number): number {
    return this.once(MARK, (thread) => {
      const { machine } = this
      machine.point(thread!)
      machine.search.touch(machine.historyCell, end)
      return act(machine.steps)
    })
  }

  /** A callback of the running thread after so many virtual milliseconds; returns its number. */
  setTimer(callback: () => void, milliseconds: number): number {
    const thread = this.machine.current
    if (thread === null) throw new Error('unreachable: a modelled timer outside of a thread')
    const id = thread.nextCallback++
    this.once(TIMER, () => {
      this.machine.fate.expect({ thread, queue: null, view: null, index: 0, expected: 0, id, deadline: this.machine.clock + Math.max(0, milliseconds), clock: this.machine.search.current!.clock })
      })
    thread.callbacks.set(id, callback)
    return id
  }

  clearTimer(id: number): void {
    const thread = this.machine.current
    if (thread === null) return
    thread.callbacks.delete(id)
    this.once(TIMER, () => this.machine.fate.clear(thread, id))
  }

  queueMicrotask(callback: () => void): void {
    this.machine.current!.microtasks.push(callback)
  }

  /** Whether a modelled thread is running, rather than the body or its final check. */
  get inThread(): boolean {
    return this.machine.current !== null
  }

  agentLocal<T>(init: () => T): AgentLocal<T> {
    return new ModelLocal(this.machine, init)
  }

  private cellOf(cells: BufferCells, view: IntegerView | View, index: number): Cell {
    if (index < 0 || index >= view.length || !Number.isInteger(index)) throw new RangeError(`index ${index} is outside of a view of ${view.length} elements`)
    return cells.cell((view.byteOffset + index * view.BYTES_PER_ELEMENT) >> 2, this.machine.execution)
  }

  private done(thread: Thread, operation: number, _view: unknown, index: number, value: unknown, cell: Cell | null, detail?: unknown): unknown {
    this.machine.note(thread, operation, index, value)
    this.machine.tracer?.(thread, NAMES[operation]!, cell?.label ?? '', value, detail === undefined ? '' : String(detail))
    return value
  }
}

/** A value of each run of each thread, and of the body. */
class ModelLocal<T> implements AgentLocal<T> {
  constructor(
    private readonly machine: Machine,
    private readonly init: () => T,
  ) {}
  get(): T {
    const map = this.map()
    if (map.has(this)) return map.get(this) as T
    const value = this.init()
    map.set(this, value)
    return value
  }
  set(value: T): void {
    this.map().set(this, value)
  }
  private map(): Map<object, unknown> {
    const thread = this.machine.current
    return thread === null ? this.machine.locals : (thread.locals ??= new Map<object, unknown>())
  }
}

/** The value as the view would hold it. */
function normal(view: IntegerView, value: Value): Value {
  if (typeof value === 'bigint') return view instanceof BigUint64Array ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value)
  if (view instanceof Int32Array) return value | 0
  return new (view.constructor as new (values: number[]) => Int32Array)([value])[0]!
}
