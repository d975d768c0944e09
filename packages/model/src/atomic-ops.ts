/**
 * The modelled `Atomics`: every access to shared memory goes to the real buffer, at the moment that the search decides, and only once.
 *
 * Each operation reads the same way: replayed → the logged result; else arrive, be scheduled if it is visible, act, keep the
 * books (races, dependence, log).
 */
import type { Ops } from '@heddle/atomics/ops-model'
import { ADD, AND, CAS, EXCHANGE, LOAD, NAMES, NOTIFY, OR, PAUSE, STORE, SUB, WAIT, WAIT_ASYNC, XOR } from './codes.js'
import { Judge } from './judge.js'
import type { Machine } from './machine.js'
import type { BufferCells, Cell } from './memory.js'
import { native, type View } from './native.js'
import { PENDING, READS, type Thread, type Waiter, WAITING } from './thread.js'

type Words = Int32Array
export type Value = number | bigint
export type IntegerView = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array

/** In a thread's hash: its store changed the word (the log has what was stored only). */
const CHANGED = 0x5bd1e995

const MODIFY: Record<number, (view: never, index: number, value: never) => Value> = {
  [ADD]: native.add as never,
  [SUB]: native.sub as never,
  [AND]: native.and as never,
  [OR]: native.or as never,
  [XOR]: native.xor as never,
  [EXCHANGE]: native.exchange as never,
}

export class AtomicOps {
  protected readonly judge: Judge

  constructor(protected readonly machine: Machine) {
    this.judge = new Judge(machine)
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
    const upper = upperOf(cells, view, index, machine.execution)
    const visible = machine.admit(thread, cell, false, upper)
    const value = native.load(view as Words, index) as Value
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) machine.search.touch(cell, false)
    this.sees(thread, cell)
    if (upper !== null) this.readUpper(thread, upper, visible)
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
    const upper = upperOf(cells, view, index, machine.execution)
    const visible = machine.admit(thread, cell, true, upper)
    const before = native.load(view as Words, index) as Value
    const result = native.store(view as Words, index, value as number) as Value
    this.judge.writeAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) machine.search.touch(cell, true)
    if (upper !== null) this.writeUpper(thread, upper, visible)
    if (before !== native.load(view as Words, index)) this.wrote(thread, cells, cell, view, index)
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
    const upper = upperOf(cells, view, index, machine.execution)
    const visible = machine.admit(thread, cell, true, upper)
    const before = act(view as never, index, value as never)
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    this.judge.writeAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) machine.search.touch(cell, true)
    if (upper !== null) {
      this.readUpper(thread, upper, visible)
      this.writeUpper(thread, upper, visible)
    }
    if (before !== native.load(view as Words, index)) this.wrote(thread, cells, cell, view, index)
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
    const upper = upperOf(cells, view, index, machine.execution)
    const visible = machine.admit(thread, cell, succeeds, upper)
    const before = native.compareExchange(view as Words, index, expected as number, replacement as number) as Value
    const after = native.load(view as Words, index) as Value
    const wrote = after !== before || before === normal(view, expected)
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (wrote) this.judge.writeAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    if (visible) {
      if (wrote && !cell.written) machine.isVisible(thread, cell, true)
      machine.search.touch(cell, wrote)
    }
    if (upper !== null) {
      this.readUpper(thread, upper, visible)
      if (wrote) {
        if (visible && !upper.written) machine.isVisible(thread, upper, true)
        this.writeUpper(thread, upper, visible)
      }
    }
    if (after !== before) this.wrote(thread, cells, cell, view, index)
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
    const waiter: Waiter = {
      thread,
      queue,
      view,
      index,
      expected: value,
      id: -1,
      deadline: machine.clock + timeout,
      clock: machine.search.current!.clock,
    }
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
        const waiter: Waiter = {
          thread,
          queue,
          view,
          index,
          expected: value,
          id: result,
          deadline: machine.clock + timeout,
          clock: machine.search.current!.clock,
        }
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
    const upper = upperOf(cells, view, index, machine.execution)
    machine.isVisible(thread, cell, false)
    if (upper !== null) machine.isVisible(thread, upper, false)
    machine.point(thread)
    this.judge.readAtomic(thread, cell, view.BYTES_PER_ELEMENT)
    machine.search.touch(cell, false)
    if (upper !== null) this.readUpper(thread, upper, true)
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
        const at =
          machine.options.notifyOrder === 'any' && queue.waiters.length > 1 && count < queue.waiters.length + woken
            ? machine.search.choose(queue.waiters.length)
            : 0
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
  protected sees(thread: Thread, cell: Cell): void {
    const at = thread.readCount++ & (READS - 1)
    thread.readCells[at] = cell
    thread.readVersions[at] = cell.version
  }

  /** The upper word of a 64-bit access: a word like the lower one, to whoever accesses it by itself. */
  private readUpper(thread: Thread, upper: Cell, visible: boolean): void {
    this.judge.readAtomic(thread, upper, 8)
    if (visible) this.machine.search.touch(upper, false)
    this.sees(thread, upper)
  }

  private writeUpper(thread: Thread, upper: Cell, visible: boolean): void {
    this.judge.writeAtomic(thread, upper, 8)
    if (visible) this.machine.search.touch(upper, true)
    upper.version++
  }

  /** The thread changed a word. */
  private wrote(thread: Thread, cells: BufferCells, cell: Cell, view: IntegerView, index: number): void {
    this.changed(thread, cell)
    this.machine.wrote(cells, view.byteOffset + index * view.BYTES_PER_ELEMENT, view.BYTES_PER_ELEMENT)
  }

  /** The thread changed something: it does not merely spin. */
  protected changed(thread: Thread, cell: Cell | null): void {
    if (cell !== null) cell.version++
    if (this.machine.caching) thread.lanes.add(CHANGED)
    thread.pauses = 0
    thread.stuck = 0
    thread.readCount = 0
    const { cycles } = thread
    cycles[1] = cycles[2] = cycles[3] = cycles[4] = 0
  }

  protected cellOf(cells: BufferCells, view: IntegerView | View, index: number): Cell {
    if (index < 0 || index >= view.length || !Number.isInteger(index))
      throw new RangeError(`index ${index} is outside of a view of ${view.length} elements`)
    return cells.cell((view.byteOffset + index * view.BYTES_PER_ELEMENT) >> 2, this.machine.execution)
  }

  protected done(thread: Thread, operation: number, _view: unknown, index: number, value: unknown, cell: Cell | null, detail?: unknown): unknown {
    this.machine.note(thread, operation, index, value)
    this.machine.tracer?.(thread, NAMES[operation]!, cell?.label ?? '', value, detail === undefined ? '' : String(detail))
    return value
  }
}

/** The cell of a 64-bit element's second word; null for narrower ones. */
function upperOf(cells: BufferCells, view: IntegerView, index: number, execution: number): Cell | null {
  return view.BYTES_PER_ELEMENT === 8 ? cells.cell((view.byteOffset >> 2) + index * 2 + 1, execution) : null
}

/** The value as the view would hold it. */
function normal(view: IntegerView, value: Value): Value {
  if (typeof value === 'bigint') return view instanceof BigUint64Array ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value)
  if (view instanceof Int32Array) return value | 0
  return new (view.constructor as new (values: number[]) => Int32Array)([value])[0]!
}
