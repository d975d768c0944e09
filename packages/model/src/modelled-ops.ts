/** The rest of heddle's `ops`, modelled: plain accesses, bulk copies, and what is not memory. */
import type { AgentLocal } from '@heddle/atomics/ops-model'
import { AtomicOps, type Value } from './atomic-ops.js'
import { BUFFER, CHOOSE, COPY, EFFECT, FILL, GET, MARK, NOW, PEEK, RANDOM, SET, TIMER } from './codes.js'
import { mix } from './lanes.js'
import type { Machine } from './machine.js'
import { type Cell, PLAIN_READ, PLAIN_WRITE } from './memory.js'
import { nativeSharedArrayBuffer, type View } from './native.js'
import { ModelledSignal } from './signal.js'
import type { Thread } from './thread.js'

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

export class ModelledOps extends AtomicOps {
  private readonly pool = new Map<number, SharedArrayBuffer[]>()
  private readonly used: SharedArrayBuffer[] = []

  /** Takes the buffers of the former execution back. */
  recycle(): void {
    for (const buffer of this.used) {
      const list = this.pool.get(buffer.byteLength)
      if (list === undefined) this.pool.set(buffer.byteLength, [buffer])
      else list.push(buffer)
    }
    this.used.length = 0
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
    machine.wrote(cells, view.byteOffset + index * view.BYTES_PER_ELEMENT, view.BYTES_PER_ELEMENT)
    this.done(thread, SET, view, index, value, cell)
  }

  copy(
    target: ArrayBufferView & { BYTES_PER_ELEMENT: number },
    targetIndex: number,
    source: typeof target,
    sourceIndex: number,
    length: number,
  ): void {
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
    if (to !== null) {
      this.changed(thread, null)
      machine.wrote(to, target.byteOffset + targetIndex * target.BYTES_PER_ELEMENT, bytes)
    }
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
    if (!thread.preparing && length > 0)
      this.judge.plain(thread, cells, target.byteOffset + index * target.BYTES_PER_ELEMENT, length * target.BYTES_PER_ELEMENT, PLAIN_WRITE)
    target.fill(value, index, index + length)
    this.changed(thread, null)
    machine.wrote(cells, target.byteOffset + index * target.BYTES_PER_ELEMENT, length * target.BYTES_PER_ELEMENT)
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
    return this.once(RANDOM, (thread) =>
      thread === null ? this.machine.setupRandom.next() : Math.imul(thread.length + 1, 0x9e3779b1 ^ Math.imul(thread.id + 1, 0x85ebca6b)) >>> 0,
    )
  }

  createBuffer(bytes: number): SharedArrayBuffer {
    const { machine } = this
    if (bytes > MAX_BUFFER)
      throw new RangeError(
        `heddle model: a buffer of ${bytes} bytes in every execution would take for ever: use the context's \`region\`, or a smaller one (at most ${MAX_BUFFER})`,
      )
    return this.once(BUFFER, () => {
      const buffer = this.pool.get(bytes)?.pop()
      if (buffer !== undefined) new Uint8Array(buffer).fill(0)
      const made = buffer ?? new nativeSharedArrayBuffer(bytes)
      this.used.push(made)
      machine.buffers.note(made, machine.current?.id ?? -1)
      return made
    })
  }

  /** `new SharedArrayBuffer`: the body's own, or one that a thread has in all of its replays. */
  madeBuffer(args: unknown[], make: () => SharedArrayBuffer): SharedArrayBuffer {
    const { machine } = this
    if (machine.current !== null && args.length === 1) return this.createBuffer(Number(args[0]))
    const made = make()
    machine.buffers.note(made, machine.current?.id ?? -1)
    return made
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
        // What listens to something that is modelled (a timer, a signal, a wait) has to listen in this run of the thread, too.
        if (effect.nextCallback !== thread.nextCallback && !effect.threw) return run()
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
    if (machine.caching) thread.lanes.addValue(effect.threw ? String(effect.outcome) : typeof effect.outcome === 'object' ? null : effect.outcome)
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
      // Which calls had ended before this one began is all that a history's order says.
      if (end) machine.callsEnded = (machine.callsEnded + mix(thread!.id + 1, thread!.length)) | 0
      else if (machine.caching) thread!.lanes.add(machine.callsEnded)
      return act(machine.steps)
    })
  }

  /** A callback of the running thread after so many virtual milliseconds; returns its number. */
  setTimer(callback: () => void, milliseconds: number): number {
    const thread = this.machine.current
    if (thread === null) throw new Error('unreachable: a modelled timer outside of a thread')
    const id = thread.nextCallback++
    this.once(TIMER, () => {
      this.machine.fate.expect({
        thread,
        queue: null,
        view: null,
        index: 0,
        expected: 0,
        id,
        deadline: this.machine.clock + Math.max(0, milliseconds),
        clock: this.machine.search.current!.clock,
      })
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

  /** An object that may have to be put in order before its thread ends. Each run of a thread makes its own. */
  made(object: object): void {
    this.machine.current?.made.push(object)
    if (this.machine.current === null) this.machine.made.push(object)
  }

  /** An AbortSignal that may fire at any point of the running thread's life; or has to, when nothing else can end what it waits for. */
  abortSignal(): AbortSignal {
    const thread = this.machine.current
    if (thread === null) throw new Error('heddle model: abortSignal is for a thread: a signal fires in the thread that listens to it')
    const id = thread.nextCallback++
    this.once(TIMER, () => this.machine.fate.mayAbort(thread, id))
    const signal = new ModelledSignal(() => thread.nextCallback++)
    thread.callbacks.set(id, () => signal.fire())
    return signal as unknown as AbortSignal
  }

  /** Whether a modelled thread is running, rather than the body or its final check. */
  get inThread(): boolean {
    return this.machine.current !== null
  }

  agentLocal<T>(init: () => T): AgentLocal<T> {
    return new ModelLocal(this.machine, init)
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
