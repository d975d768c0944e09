import type { Body, FindingKind, ModelOptions } from '../../src/index.js'

/** A planted bug and its correct twin: `build(false)` has the bug, `build(true)` has not. */
export interface Specimen {
  readonly name: string
  /** The kind that the checker has to report. */
  readonly kind: FindingKind
  readonly options?: ModelOptions
  readonly build: (correct: boolean) => Body
}

/** So many zeroed shared words. */
export const words = (count: number): Int32Array => new Int32Array(new SharedArrayBuffer(count * 4))

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

/** Drepper's mutex2: the lock that other specimens stand on. */
export class Lock {
  constructor(
    private readonly view: Int32Array,
    private readonly at: number,
  ) {}
  lock(): void {
    let state = Atomics.compareExchange(this.view, this.at, 0, 1)
    if (state === 0) return
    if (state !== 2) state = Atomics.exchange(this.view, this.at, 2)
    while (state !== 0) {
      Atomics.wait(this.view, this.at, 2)
      state = Atomics.exchange(this.view, this.at, 2)
    }
  }
  unlock(): void {
    if (Atomics.exchange(this.view, this.at, 0) === 2) Atomics.notify(this.view, this.at, 1)
  }
}
