/**
 * Keeps the two ends of a ring out of each other's cache lines.
 *
 * Source     Temporal slipping (J. Giacomoni et al., "FastForward", PPoPP 2008): two ends that are equally fast stay as close as they once came, and then
 *            each message moves a line of states there and back. Whoever comes close waits a moment until the other is some lines away.
 * Invariants S1 Only hints: nothing is held back, and nothing depends on a rest. A message that was sent can be received at once; who receives for a while and
 *               comes close takes at most RESTS rests (ten microseconds or so) before it goes on with what is there.
 *            S2 A rest that changed nothing doubles the lines that are entered without one, up to 1 << MOST_MISSES: on one thread, or where the
 *               other end is slow, it costs well under a nanosecond a message.
 * Cost       A plain read for each LINE slots; every verb may rest here, those that never wait, too.
 */
import { now, peek } from '@heddle/atomics/ops'
import { rest } from '@heddle/park/internal'
import { isFree } from './slot-state.js'

/** Slots whose states share a line. */
const LINE = 16
/** How far ahead the other end should be, in slots: at most that, and a quarter of the ring. */
const AHEAD = 128
/** A smaller ring has no room for two ends that keep apart. */
const LEAST_CAPACITY = 128
/** Rests until whoever waits goes on all the same. */
const RESTS = 16
/** Turns of one rest: shorter ones take the line from whoever writes it too often. */
const TURNS = 1024
/** Some engines' pause takes several times longer than others'. */
const MOST_MS = 0.012
const MOST_MISSES = 10

/** Whether an end that moves on to this slot enters a line. */
export function entersLine(index: number): boolean {
  return (index & (LINE - 1)) === 0
}

/** Rests for a moment, time and again, until it is worth another try; never for long. @returns whether it is */
export function soon(ready: () => boolean): boolean {
  let until = 0
  for (let rests = 0; rests < RESTS && rest(TURNS); rests++) {
    if (ready()) return true
    const time = now()
    if (until === 0) until = time + MOST_MS
    else if (time >= until) return false
  }
  return false
}

/** One agent at one end of one ring. */
export class Pace {
  /** It entered a line, and has not looked ahead since. */
  isDue = false
  private misses = 0
  private skipped = 0

  /** Waits until the other end is not close, if that is soon. `sends`: the other end is the receivers'. */
  slip(words: Int32Array, states: number, capacity: number, index: number, sends: boolean): void {
    this.isDue = false
    if (capacity < LEAST_CAPACITY) return
    if (this.skipped > 0) {
      this.skipped--
      return
    }
    const ahead = index + Math.min(AHEAD, capacity >> 2)
    const far = states + (ahead < capacity ? ahead : ahead - capacity)
    const isApart = (): boolean => isFree(peek(words, far)) === sends
    if (isApart()) return
    if (soon(isApart)) this.misses = 0
    else {
      if (this.misses < MOST_MISSES) this.misses++
      this.skipped = 1 << this.misses
    }
  }
}
