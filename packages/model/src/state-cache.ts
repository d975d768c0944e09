/**
 * States that the search has left behind, each with what its subtree did: a state that is met again is not explored again.
 *
 * Source     Stateful dynamic partial-order reduction: Yang, Chen, Gopalakrishnan, Kirby, SPIN 2008. With the bound and the sleep set:
 *            a state counts as known only if it was left with no more preemptions spent and nothing asleep that is awake now (Godefroid).
 * Invariants C1 A state is entered when it is first met, and known from when the search leaves it: by then its subtree is complete within
 *               the bound. Depth first, and a thread's log only grows, so no state is met again below itself.
 *            C2 `accesses` of a known state has every access of every event below it. The races of those with the events before a
 *               revisit are what the revisit would have found: search.ts takes each for one, unless the actor's last event already comes
 *               after. That is more than exploring would give, and never less.
 *            C3 What one state's subtree did is shared with its parent's where that adds nothing.
 * Rejected   Dropping revisits without C2 (unsound: a backtrack point above the revisit goes missing).
 */
import type { Cell } from './memory.js'

/** Accesses of a subtree: for each cell, bit masks of the actors that read it, and that write it. */
export class Accesses {
  readonly cells = new Map<Cell, readonly [reads: number, writes: number]>()
}

/** What is known of a state. */
export interface Known {
  /** Bits of its fingerprint that the key has no room for. */
  readonly check: number
  preemptions: number
  asleep: number
  /** Null until the search leaves it. */
  accesses: Accesses | null
  /** Actors that have to be tried where the running thread's time began (search.ts, `addBounded`), for something below. */
  starters: number
}

/** States kept: about 100 bytes each, and what their subtrees did. */
const MOST_STATES = 2 ** 20

export const NOTHING = new Accesses()

/** Both, as one of the two where it has the other. */
export function union(a: Accesses, b: Accesses): Accesses {
  if (a === b || b.cells.size === 0) return a
  if (a.cells.size === 0) return b
  const [large, small] = a.cells.size >= b.cells.size ? [a, b] : [b, a]
  let result: Accesses | null = null
  for (const [cell, [reads, writes]] of small.cells) {
    const [ownReads, ownWrites] = large.cells.get(cell) ?? [0, 0]
    if ((reads & ~ownReads) === 0 && (writes & ~ownWrites) === 0) continue
    if (result === null) {
      result = new Accesses()
      for (const [known, masks] of large.cells) result.cells.set(known, masks)
    }
    result.cells.set(cell, [ownReads | reads, ownWrites | writes])
  }
  return result ?? large
}

/** The accesses of one more event. */
export function withEvent(accesses: Accesses, actor: number, cells: readonly Cell[], writes: readonly boolean[]): Accesses {
  let result = accesses
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i]!
    const bit = 1 << actor
    const [ownReads, ownWrites] = result.cells.get(cell) ?? [0, 0]
    const write = writes[i]!
    if (((write ? ownWrites : ownReads) & bit) !== 0) continue
    if (result === accesses) {
      result = new Accesses()
      for (const [known, masks] of accesses.cells) result.cells.set(known, masks)
    }
    result.cells.set(cell, write ? [ownReads, ownWrites | bit] : [ownReads | bit, ownWrites])
  }
  return result
}

export class StateCache {
  private readonly states = new Map<number, Known>()

  clear(): void {
    this.states.clear()
  }

  /** What is known of the state with this fingerprint, run by whom `previous` says, if anything. */
  find(a: number, b: number): Known | undefined {
    const known = this.states.get(key(a, b))
    return known !== undefined && known.check === (b & 0x7ff) ? known : undefined
  }

  /** Enters a state that the search begins to explore; undefined when there is no room. */
  enter(a: number, b: number, preemptions: number, asleep: number): Known | undefined {
    if (this.states.size >= MOST_STATES) return undefined
    const known: Known = { check: b & 0x7ff, preemptions, asleep, accesses: null, starters: 0 }
    this.states.set(key(a, b), known)
    return known
  }
}

/** 53 bits. */
const key = (a: number, b: number): number => (a >>> 0) * 2 ** 21 + (b >>> 11)
