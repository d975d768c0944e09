/** A modelled thread and what it waits for. */
import { Lanes } from './lanes.js'
import type { Cell } from './memory.js'

export const NEW = 0
/** Has operations to do. */
export const READY = 1
/** In `wait`. */
export const WAITING = 2
/** In a spin loop that can do nothing until a word that it read changes. */
export const SPINNING = 3
/** Its function returned; callbacks may still come. */
export const LOOPING = 4
export const DONE = 5
export const DEAD = 6

/** One `wait`, `waitAsync` or timer that has not ended yet. */
export interface Waiter {
  readonly thread: Thread
  /** The word's queue; null for a timer. */
  readonly queue: Cell | null
  readonly view: Int32Array | BigInt64Array | null
  readonly index: number
  readonly expected: number | bigint
  /** Number of the callback; -1 for a blocking wait. */
  readonly id: number
  /** On the virtual clock. */
  readonly deadline: number
  /** Dependence clock of the event that began it. */
  readonly clock: readonly number[]
}

/** A word that a spinning thread watches, and how often it had changed when the thread read it. */
export interface Watched {
  readonly version: number
  readonly cell: Cell
}

/** Logged in place of the result of a `wait` that has not returned. */
export const PENDING = Symbol('pending')

/** What stops a modelled thread inside an operation. Thrown once for each suspension; carries nothing, so it is made once. */
export const SUSPENDED: { readonly message: string } = Object.freeze({
  message: 'heddle model: this modelled thread is suspended; let this pass (it is thrown again by every further operation)',
})

/** Settings of one thread. */
export interface SpawnOptions {
  /** In reports. */
  name?: string
  /** Whether the checker may kill it (`deaths`). Default true; false for reapers. */
  mortal?: boolean
  /** Runs only after another thread died, with that thread's index. */
  reaper?: boolean
  /** 'settle' (default): every `waitAsync` and timer that it started has to end, else the execution deadlocks. 'idle': some may stay. */
  loop?: 'settle' | 'idle'
  /**
   * Threads of one group are interchangeable: the same function, and nothing in it that tells which of them it is. They then start
   * in their order only, which spares the other orders.
   */
  twins?: string
  /** What its waits wait for. If it holds when nobody can go on, that is a lost wake rather than a deadlock. Reads shared memory; no effects. */
  until?: () => boolean
  /** Runs in the thread before any other thread starts, in one piece; default: registers the thread's agent in `region` when the body uses it. */
  before?: (() => void) | null
}

/** How many reads a thread remembers: the longest loop over different words that counts as a spin by `pause`. A power of two. */
export const READS = 32

export class Thread {
  state = NEW
  /** Results of the operations done so far, and which operations they were. */
  readonly log: unknown[] = []
  readonly signatures: number[] = []
  length = 0
  /** A hash of the log, and of what the thread saw that is not in it, for the state cache. */
  readonly lanes = new Lanes()
  /** Next entry of the log in this run of the function. */
  position = 0
  /** Its function is on the JS stack, at an operation. */
  live = false
  /** It was stopped: every further operation throws. */
  unwinding = false
  /** It was picked and has not yet performed the operation that it was picked for. */
  granted = false
  /** It was picked for a turn of its event loop. */
  turnGranted = false
  /** Its `before` runs for the first time: operations happen at once, without scheduling. */
  preparing = false
  result: unknown = undefined
  locals: Map<object, unknown> | null = null

  /** Language happens-before. */
  hb: number[]

  waiter: Waiter | null = null
  readonly pending: Waiter[] = []
  /** Callbacks whose turn has come: number and outcome. */
  readonly turns: [number, 'ok' | 'timed-out'][] = []
  /** Signals that may still fire: number of the callback, and the clock of the event that made it. */
  readonly aborts: { readonly id: number; readonly clock: readonly number[] }[] = []
  wakeResult: 'ok' | 'timed-out' = 'ok'
  /** Dependence clock of the event that woke it. */
  wakeClock: readonly number[] | null = null
  /** Length of the log when it was last asked whether it dies, and when it was last let go on from a spin. */
  askedAt = -1
  freedAt = -1
  watched: Watched[] = []
  /** The last words read since the last change or pause, with their versions then: a ring, and how many were put into it. */
  readonly readCells: Cell[] = []
  readonly readVersions: number[] = []
  readCount = 0
  pauses = 0
  stuck = 0
  /** For p = 1 … 4: how many last operations equal the one p before. */
  readonly cycles = [0, 0, 0, 0, 0]
  spurious = 0
  /** Timeouts before their time. */
  early = 0
  /** Declared dead (also while it runs on as a zombie). */
  declaredDead = false
  /** The thread of its group of twins that starts before it, and the dependence clock of its own first event. */
  elder: Thread | null = null
  started: readonly number[] | null = null
  /** For a reaper: whom it reaps. */
  reaps = -1

  // Of the current run of the function only.
  microtasks: (() => void)[] = []
  made: object[] = []
  callbacks = new Map<number, (outcome: 'ok' | 'timed-out') => void>()
  nextCallback = 0

  constructor(
    readonly id: number,
    readonly name: string,
    readonly run: (argument: number) => unknown,
    readonly options: SpawnOptions,
    threads: number,
  ) {
    this.hb = new Array<number>(threads).fill(0)
    this.hb[id] = 1
  }
}
