/** What a time case of a select looks at. */
import { now } from '@heddle/atomics/ops'

/** A time, or a row of times, of one agent. */
export class TimeSource<T> {
  private next: number
  private ended = false
  constructor(
    first: number,
    /** Milliseconds between two; 0: there is only one. */
    private readonly every: number,
    private readonly value: (at: number) => T,
  ) {
    this.next = first
  }
  /** When it is due, in ms as `now()`. */
  get deadline(): number {
    return this.next
  }
  get isDue(): boolean {
    return this.next <= now()
  }
  /** Whether nothing will come any more. */
  get isOver(): boolean {
    return this.ended
  }
  /** Takes what is due. Times that passed meanwhile are dropped. */
  take(): T {
    const at = this.next
    if (this.every === 0) this.end()
    else this.next = at + Math.max(1, Math.floor((now() - at) / this.every) + 1) * this.every
    return this.value(at)
  }
  /** Nothing comes any more. */
  end(): void {
    this.ended = true
    this.next = Infinity
  }
}
