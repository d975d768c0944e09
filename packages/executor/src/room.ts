/** How many more of one agent's calls may wait for a worker. */

/** Where there is no limit: the number is changed at each call, and engines keep a small integer in the object itself. */
const MOST_ROOM = 2 ** 30 - 1

export class Room {
  /** How many may be added before they have to be counted again. */
  left = MOST_ROOM
  private limit = Infinity
  private readonly waiting: (() => void)[] = []

  constructor(
    /** How many wait. */
    private readonly count: () => number,
    /** Has this agent rung when one of its calls starts. */
    private readonly ask: () => void,
  ) {}

  /** Sets how many may wait. */
  setLimit(limit: number): void {
    this.limit = limit
    this.left = Math.min(limit, MOST_ROOM)
  }

  /** Whether one more may wait. */
  hasSome(): boolean {
    if (this.left > 0) return true
    return (this.left = Math.min(this.limit - this.count(), MOST_ROOM)) > 0
  }

  /** Calls back once when there may be room: at once, or when one of the calls has started or ended. */
  whenSome(callback: () => void): void {
    this.ask()
    if (this.hasSome()) callback()
    else this.waiting.push(callback)
  }

  /** A call has started or ended. */
  tell(): void {
    if (this.waiting.length > 0) for (const callback of this.waiting.splice(0)) this.whenSome(callback)
  }
}
