/**
 * Where a receiver of its own stands in a channel whose every receiver gets every message: what its handle names.
 *
 * Layout     A block of region memory: +0 header (the Receiver's) · +4 next in the channel's list · +8 the channel · +12 state · +16 position
 *   state           meaning                                              next
 *   USED            a receiver's, as long as the header is not 0         a tag, when the header is 0
 *   tag             being made into a receiver's by that agent           USED; another tag when the agent is dead and the header is 0
 * Invariants S1 Blocks stay in the list until the channel is disposed of, which frees them: an agent that dies leaks none for longer. One that was
 *               disposed of is used again.
 *            S2 The position is written by the agent that made the receiver, and read by whoever opens it: an opening is a receiver of its own
 *               that begins where the other one stands.
 */
import type { Region } from '@heddle/atomics'
import { isOwnerAlive, LOCKED_BIT } from '@heddle/atomics/internal'
import { agentLocal, compareExchange, get, load, set, store } from '@heddle/atomics/ops'
import { Agent } from '@heddle/park/internal'
import { SUBSCRIPTIONS } from './layout.js'

/** Word indexes, from the block's start. */
const HEADER = 0
const NEXT = 1
const CHANNEL = 2
const STATE = 3
const POSITION = 4
const BYTES = 32
const ALIGN = 16

const USED = 2
/** Where a sender stands: before the first message. */
const START = 0

/** Byte offset of the channel of a receiver at byte offset `at`, when it is one with a position of its own; 0 for others. */
export function subscribedTo(region: Region, at: number): number {
  // Written before the receiver was made, and never changed while it lives; for others it is a word that is not in use.
  return get(region.words, (at >> 2) + CHANNEL)
}

/**
 * Takes a block for a receiver that begins at `position`; the caller then puts the header there. @returns its byte offset
 * @throws RegionFullError
 */
export function takeSubscription(region: Region, channelAt: number, position: number): number {
  const { words } = region
  const { tag } = Agent.of(region)
  const list = (channelAt >> 2) + SUBSCRIPTIONS
  for (let at = load(words, list); at !== 0; at = load(words, (at >> 2) + NEXT)) {
    if (!claimUnused(words, at >> 2, tag)) continue
    store(words, (at >> 2) + POSITION, position)
    return at
  }
  const at = region.alloc(BYTES, ALIGN)
  // Nobody else knows it yet: plain writes.
  set(words, (at >> 2) + CHANNEL, channelAt)
  set(words, (at >> 2) + STATE, tag)
  set(words, (at >> 2) + POSITION, position)
  for (;;) {
    const first = load(words, list)
    set(words, (at >> 2) + NEXT, first)
    if (compareExchange(words, list, first, at) === first) return at
  }
}

/** The header is in place. */
export function keepSubscription(region: Region, at: number): void {
  store(region.words, (at >> 2) + STATE, USED)
}

function claimUnused(words: Int32Array, block: number, tag: number): boolean {
  const state = load(words, block + STATE)
  if (load(words, block + HEADER) !== 0 || ((state & LOCKED_BIT) !== 0 && isOwnerAlive(words, state))) return false
  if (compareExchange(words, block + STATE, state, tag) !== state) return false
  if (load(words, block + HEADER) === 0) return true
  // Somebody took it meanwhile, and is through.
  store(words, block + STATE, USED)
  return false
}

/** Frees all blocks, when nobody uses the channel any more. */
export function dropSubscriptions(region: Region, channelAt: number): void {
  const { words } = region
  const list = (channelAt >> 2) + SUBSCRIPTIONS
  for (let at = load(words, list); at !== 0;) {
    const next = load(words, (at >> 2) + NEXT)
    store(words, (at >> 2) + HEADER, 0)
    region.free(at)
    at = next
  }
  store(words, list, 0)
}

/** Where one receiver object stands; each agent that uses it has its own. */
export interface Standing {
  position: number
  /** Missed so far, modulo 2^32. */
  missed: number
  /** Whether the block's position is this agent's to write (S2). */
  readonly isOwn: boolean
}

/** Places of one receiver object; `at` 0: a sender's, that receives nothing. */
export class Standings {
  private readonly local = agentLocal<Standing>(() => ({ position: this.begin(), missed: 0, isOwn: this.isOwn && this.isMine() }))
  private readonly block: number
  private readonly maker: number

  constructor(
    private readonly region: Region,
    at: number,
    private readonly isOwn: boolean,
  ) {
    this.block = at >> 2
    this.maker = isOwn ? Agent.of(region).tag : 0
  }

  get(): Standing {
    return this.local.get()
  }

  /** Moves on. */
  moveTo(standing: Standing, position: number): void {
    standing.position = position
    if (standing.isOwn) store(this.region.words, this.block + POSITION, position)
  }

  private begin(): number {
    return this.block === 0 ? START : load(this.region.words, this.block + POSITION)
  }

  private isMine(): boolean {
    return Agent.of(this.region).tag === this.maker
  }
}
