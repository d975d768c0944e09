/** Calls that failed while nobody waited for them. */
import { getHost } from '@heddle/park/internal'
import type { Call } from './call.js'

/** Tells, a turn of the event loop later, of those that still nobody has looked at. */
export class Unseen {
  private calls: Call[] = []

  constructor(private readonly tell: (call: Call) => void) {}

  /** One that failed. */
  add(call: Call): void {
    if (this.calls.push(call) > 1) return
    getHost().nextTurn(() => {
      const { calls } = this
      this.calls = []
      for (const one of calls) if (one.isUnseen === true) this.tell(one)
    })
  }
}
