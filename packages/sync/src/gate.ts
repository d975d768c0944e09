/**
 * Waiting until a word says that the gate is open: what Latch, WaitGroup and manual-reset Event are made of.
 *
 * Layout     +0 word: closed while (word & mask) is not 0; the bits above `shift`, if any, count how often the gate was opened · +4 queue
 * Invariants E1 Opening, and counting it, is one compare-exchange of the word; who opened wakes everybody in the queue after it, with
 *               the count as the token.
 *            E2 A waiter notes the count when it enqueues. It goes on when the gate is open, or was opened since: by the word, or by a
 *               token that is later than its note. So who waited at an opening goes on, also when the gate was closed again at once,
 *               and a token that a reaper passes on from a dead waiter lets nobody through too early.
 * Pairs      The opener writes the word, then looks at the queue; a waiter looks at the word under the queue's lock before it enqueues.
 * Progress   An opener that dies before it woke anybody is made up for by its reaper: everybody looks again.
 */
import { load, store } from '@heddle/atomics/ops'
import {
  type Agent,
  caseOf,
  CASE_RECHECK,
  claimMany,
  deliver,
  enqueue,
  enqueueAgain,
  lockIfThere,
  lockQueue,
  mayHaveWaiters,
  Operation,
  takeTicket,
  unlink,
  unlockPinned,
  unlockQueue,
  W_LOCK,
  W_STATE,
  W_TOKEN,
} from '@heddle/park/internal'

/** How a gate's word is read. */
export interface GateShape {
  /** Closed while any of these bits is set. */
  readonly mask: number
  /** Where the count of openings begins; 32: none is kept. */
  readonly shift: number
}

function epochOf(word: number, { shift }: GateShape): number {
  return shift === 32 ? 0 : word >>> shift
}

/** Whether `epoch` comes after `since`, in a count that wraps. */
function isAfter(epoch: number, since: number, { shift }: GateShape): boolean {
  return shift !== 32 && (epoch - since) << shift > 0
}

/** The word with one opening more. */
export function nextEpoch(word: number, { shift }: GateShape): number {
  return shift === 32 ? word : (word + (1 << shift)) | 0
}

/**
 * Wakes everybody who waits at a gate, after the word was changed to `word`.
 * @param isThere whether the gate lives: who finds it open may dispose of it before its opener gets here
 */
export function wakeAll(agent: () => Agent, words: Int32Array, at: number, word: number, shape: GateShape, isThere: () => boolean): void {
  const q = at + 1
  if (!mayHaveWaiters(words, q)) return
  const mine = agent()
  const claimed: number[] = []
  if (!lockIfThere(mine, q, isThere)) return
  claimMany(mine, q, epochOf(word, shape), Infinity, claimed)
  unlockPinned(mine, q)
  for (const main of claimed) deliver(mine, main)
}

/** Waits until the gate is open. */
export class GateOperation extends Operation<void> {
  private since = 0

  constructor(
    agent: Agent,
    private readonly at: number,
    private readonly shape: GateShape,
  ) {
    super(agent)
  }

  begin(): boolean {
    const { agent, at, record } = this
    const { words } = agent
    const q = at + 1
    store(words, record + W_LOCK, 0)
    lockQueue(agent, q)
    const word = load(words, at)
    this.since = epochOf(word, this.shape)
    const open = (word & this.shape.mask) === 0
    if (!open) enqueue(words, q, record, takeTicket(words, q))
    unlockQueue(agent, q)
    return open
  }

  resume(state: number): boolean {
    const { agent, at, record, shape } = this
    const { words } = agent
    const q = at + 1
    if (caseOf(state) !== CASE_RECHECK && isAfter(load(words, record + W_TOKEN), this.since, shape)) return true
    lockQueue(agent, q)
    const word = load(words, at)
    const chosen = caseOf(load(words, record + W_STATE)) !== CASE_RECHECK && isAfter(load(words, record + W_TOKEN), this.since, shape)
    const open = chosen || (word & shape.mask) === 0 || epochOf(word, shape) !== this.since
    if (open) unlink(words, q, record)
    else enqueueAgain(words, q, record)
    unlockQueue(agent, q)
    return open
  }

  /** Nothing was consumed. */
  override undo(): boolean {
    return true
  }
}
