/**
 * Driving a scheduler from the event loop: turns while a promise waits for its fibers, and none otherwise.
 *
 * Invariants E1 While somebody waits and a fiber is runnable, a turn is queued or the scheduler's loop runs.
 *            E2 Turns follow one another as microtasks for no longer than a time slice; then the event loop has a turn of its own. So fibers that
 *               pass promises which are settled already can't starve timers and sockets.
 *            E3 The process is held while somebody waits.
 */
import { defer, effect } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'

/** What is driven. */
export interface Driven {
  /** Whether a fiber may be runnable, and the loop isn't running already. */
  wantsTurn(): boolean
  /** Whether nothing is runnable, and its simulated clock may jump: when promises have had their turn. */
  canJump(): boolean
  /** Runs fibers for at most a time slice; returns how long it took, in ms. */
  runTurn(): number
}

export class EventLoop {
  private waiting = 0
  private isQueued = false
  /** Time that turns took since the event loop last had one of its own, in ms. */
  private spent = 0
  private letGo: (() => void) | undefined

  constructor(
    private readonly driven: Driven,
    private readonly timeSlice: number,
  ) {}

  /** Whether a promise waits for fibers. */
  get isWaitedFor(): boolean {
    return this.waiting > 0
  }

  /** A promise waits for fibers, until `release`. */
  hold(): void {
    if (this.waiting++ > 0) return
    this.letGo = effect(() => getHost().hold())
    this.queueTurn()
  }

  release(): void {
    if (--this.waiting > 0) return
    effect(() => this.letGo?.())
    this.letGo = undefined
  }

  /** Has a turn follow what runs now, if one is wanted. */
  queueTurn(): void {
    if (this.isQueued || this.waiting === 0) return
    const wantsTurn = this.driven.wantsTurn()
    if (!wantsTurn && !this.driven.canJump()) return
    this.isQueued = true
    if (wantsTurn && this.spent < this.timeSlice) defer(this.turn)
    else {
      this.spent = 0
      effect(() => getHost().nextTurn(this.turn))
    }
  }

  private readonly turn = (): void => {
    this.isQueued = false
    if (this.waiting === 0 || !(this.driven.wantsTurn() || this.driven.canJump())) return
    this.spent += this.driven.runTurn()
    this.queueTurn()
  }
}
