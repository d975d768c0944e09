/** Keeps a worker from collecting calls while it loads a module for one of them. */
import { getHost } from '@heddle/park/internal'

/** How long a worker that loads a module takes no other call. */
const LOAD_PATIENCE_MS = 50

/**
 * Closed while a module is being loaded, since a worker that loads would collect the pool's calls faster than the others run them; but not for long, since
 * a module may never be there. Calls that need it and were taken all the same are held back, and everybody's again when it is there.
 */
export class LoadGate {
  private loads = 0
  private impatient = false
  private timer: (() => void) | undefined
  private readonly held = new Set<number>()

  constructor(
    /** The worker goes on. */
    private readonly goOn: () => void,
    /** The call in a slot is everybody's again. */
    private readonly giveBack: (slot: number) => void,
  ) {}

  /** Whether the worker is to take no call now. */
  get isClosed(): boolean {
    return this.loads > 0 && !this.impatient
  }

  /** Whether a module is being loaded. */
  get isLoading(): boolean {
    return this.loads > 0
  }

  /** A module is being loaded, until `end`. */
  begin(): void {
    if (this.loads++ > 0) return
    this.timer = getHost().setTimer(() => {
      this.impatient = true
      this.goOn()
    }, LOAD_PATIENCE_MS)
  }

  /** A module is there, or is known not to come. What is held goes first: the call that it was loaded for may take long. */
  end(): void {
    for (const slot of [...this.held]) this.release(slot)
    if (--this.loads > 0) return
    this.timer?.()
    this.timer = undefined
    this.impatient = false
    this.goOn()
  }

  /** A call waits here for a module. */
  hold(slot: number): void {
    this.held.add(slot)
  }

  /** It waits here no more. */
  forget(slot: number): void {
    this.held.delete(slot)
  }

  /** It is everybody's again, unless it is already. */
  release(slot: number): void {
    if (this.held.delete(slot)) this.giveBack(slot)
  }
}
