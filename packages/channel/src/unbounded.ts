/**
 * The list of blocks of many senders and many receivers: as long as the region has room, a send never waits.
 *
 * Source     crossbeam-channel's `list` flavour: slots in linked blocks. Claims are in the slots, as in ring.ts, so that a dead agent's claim can
 *            be told from a slow one's; hazard pointers (Michael, 2004) per agent and block, not per access, guard what is given back.
 * Layout     layout.ts, with TAIL and HEAD the byte offsets of the senders' and the receivers' block; then a line of words (U_*), two words (pins)
 *            for each agent of the region, the first block, and the codec's kind.
 *            A block: +0 next · +4 lap · +8 next in the free list · +12 number in the list · +16 state words · slots, each the codec's, rounded up to its alignment
 *   state (of lap l)    the slot is                     next
 *   FREE l              not sent yet                    SENDING; END
 *   SENDING l owner     being written                   FULL, or HOLE when nothing was written; FREEING when its owner is dead
 *   FULL l              sent                            TAKING
 *   END l               closed: nothing comes from here on
 *   HOLE l              passed over by receivers        FREE l + 1
 *   TAKING l owner      being read                      FREE l + 1; FREEING first for codecs with memory outside the slot, and when its owner is dead
 *   FREE l + 1          done, ready for the block's next lap
 *   block               is                                                    next
 *   linked              between FIRST and TAIL; HEAD is one of these          retired, when HEAD is past it and all its slots are done
 *   retired             in the free list                                      linked again with the next lap, or given back to the region
 * Invariants U1 Position p + 1 is claimed only after p was (as N1 of ring.ts): a block is linked only when all slots of the last one were claimed by
 *               senders, HEAD moves only when all of its slots were claimed by receivers. So whoever falls behind may go on at TAIL, or at HEAD.
 *            U2 Links, FIRST, HEAD, TAIL and the free list change under the lock of the senders' queue (where nobody ever waits) only, in an
 *               order in which every prefix can be completed: `mend` does so after a holder died.
 *            U3 A cursor is (block, lap, index). A block's lap never comes again at its address while the channel lives (2^28 of them), and every
 *               state has its lap in it: so a cursor that is behind claims nothing, and then sees that the block's lap has changed.
 *            U4 A block is given back to the region only while no live agent's pins name it. An agent names a block, and uses it only if it is
 *               TAIL (or HEAD) after that: then it was not retired before, and who retires it later sees the pin. One pin for each end is enough
 *               for all openings of an agent, since a cursor is used only while the pin still names its block.
 *            U5 A slot's data are accessed only by the agent named in its claim: plain accesses, as N2 of ring.ts.
 *            U6 What a message has outside its slot belongs to the slot at every instant (N5 of ring.ts).
 *            U7 A block that is not linked yet, or no more, is named by U_SPARE, from before it is allocated until it is free (allocator.ts, I3, of
 *               atomics), and only while the lock is held: `mend` frees what it finds there.
 *            U8 Who finds the closed channel empty makes that final, as N6 of ring.ts: END in the slot where it stands, in place of FREE; behind the last
 *               slot of the last block U_END, under the lock: then no block is linked any more.
 * Pairs      FULL's store with TAKING's compare-exchange (the message); FREE's with SENDING's (the slot, lap after lap).
 * Progress   As ring.ts; once in a block's slots each end takes the lock. What died holding it is made up for by the next to take it.
 * Cost       A compare-exchange, a store and one plain load for each end; a block has 4 to 64 slots. Up to KEEP empty blocks stay for reuse.
 * Rejected   A count of finished slots in each block (crossbeam): an agent that dies before its count leaks the block, and all after it.
 *            An index that is claimed by fetch-and-add: who died with it can't be told from who is slow.
 */
import { type Codec, type Region, RegionFullError } from '@heddle/atomics'
import { A_STATUS, agentRecord, isOwnerAlive, PHASE_ALIVE, PHASE_MASK, recover } from '@heddle/atomics/internal'
import { add, agentLocal, compareExchange, get, load, peek, set, store } from '@heddle/atomics/ops'
import { Agent, lockQueue, unlockQueue } from '@heddle/park/internal'
import type { Buffer } from './buffered.js'
import { UnboundedFullError } from './errors.js'
import { BUSY, DONE, NOTHING, SPENT, UNDERWAY } from './flavor.js'
import { HEAD, HEAD_BYTES, LOST, SEND_QUEUE, TAIL } from './layout.js'
import { claimed, end, free, FREEING, full, hole, isClaim, LAP_BITS, phaseOfClaim, SENDING, tagOf, TAKING } from './slot-state.js'
import { EMPTY } from './symbols.js'

/** Words of the list, from the channel's start. */
const U_FIRST = HEAD_BYTES >> 2
const U_FREE = U_FIRST + 1
/** The highest lap that any block had. */
const U_LAPS = U_FIRST + 2
/** Byte offset of the block that is about to be linked, or freed (U7). */
const U_SPARE = U_FIRST + 3
/** 1: no block is linked any more (U8). */
const U_END = U_FIRST + 4
const PINS = U_FIRST + 16

/** Words of a block. */
const B_NEXT = 0
const B_LAP = 1
const B_FREE_NEXT = 2
const B_NUMBER = 3
const B_STATES = 4

const LINE = 64
const MAX_SLOTS = 64
const MIN_SLOTS = 4
/** Bytes that the slots of a block may take before it has fewer than MAX_SLOTS. */
const FULL_BLOCK_BYTES = 8192
/** Blocks that stay with the channel when they are empty. */
const KEEP = 4
const LAP_MASK = (1 << LAP_BITS) - 1

/** Where one agent is at one end. */
class ListCursor {
  /** Byte offset; -1: nowhere yet. */
  block = -1
  /** Word index of the block. */
  words = 0
  lap = 0
  index = 0
  /** Word index of the pin. */
  readonly pin: number
  constructor(
    readonly agent: Agent,
    pins: number,
    readonly end: typeof HEAD | typeof TAIL,
  ) {
    this.pin = pins + (agent.id - 1) * 2 + (end === TAIL ? 0 : 1)
  }
}

function roundUp(value: number, unit: number): number {
  return (value + unit - 1) & -unit
}

/** Where the first block is, from the channel's start. */
function firstBlockAt(agents: number): number {
  return roundUp((PINS + agents * 2) * 4, LINE)
}

/** Bytes of a list with its first block, from the channel's start to the codec's kind. */
export function unboundedBytes(codec: Codec<unknown>, agents: number): number {
  return roundUp(firstBlockAt(agents) + blockShape(codec).bytes, 4)
}

function blockShape(codec: Codec<unknown>): { slots: number; stride: number; slotsAt: number; bytes: number } {
  const stride = roundUp(codec.bytes, codec.align)
  const slots = Math.max(MIN_SLOTS, Math.min(MAX_SLOTS, Math.floor(FULL_BLOCK_BYTES / stride)))
  const slotsAt = roundUp((B_STATES + slots) * 4, 8)
  return { slots, stride, slotsAt, bytes: slotsAt + slots * stride }
}

/** Makes the first block the only one. Before the channel is published: plain writes. */
export function formatUnbounded(region: Region, at: number): void {
  const first = at + firstBlockAt(region.agents)
  for (const word of [U_FIRST, HEAD, TAIL]) set(region.words, (at >> 2) + word, first)
}

/** The list in a region, at the word index `base`. */
export class List<T> implements Buffer<T> {
  readonly capacity = Infinity
  private readonly words: Int32Array
  private readonly slots: number
  private readonly stride: number
  private readonly slotsAt: number
  private readonly bytes: number
  private readonly lock: number
  /** Byte offset of the first block, which is part of the channel's own memory. */
  private readonly embedded: number
  private readonly sending = agentLocal(() => new ListCursor(Agent.of(this.region), this.base + PINS, TAIL))
  private readonly receiving = agentLocal(() => new ListCursor(Agent.of(this.region), this.base + PINS, HEAD))

  constructor(
    readonly region: Region,
    private readonly base: number,
    private readonly codec: Codec<T>,
  ) {
    this.embedded = base * 4 + firstBlockAt(region.agents)
    this.words = region.words
    const { slots, stride, slotsAt, bytes } = blockShape(codec as Codec<unknown>)
    this.slots = slots
    this.stride = stride
    this.slotsAt = slotsAt
    this.bytes = bytes
    this.lock = base + SEND_QUEUE
  }

  /** Sends. @returns DONE or SPENT. @throws UnboundedFullError, and what the codec throws: then it leaves a hole */
  push(value: T): number {
    const { words, codec, region } = this
    const cursor = this.sending.get()
    // U4
    if (peek(words, cursor.pin) !== cursor.block) this.follow(cursor)
    for (;;) {
      if (cursor.index < this.slots) {
        const expected = free(cursor.lap)
        const mine = claimed(cursor.agent.tag, SENDING, cursor.lap)
        const found = compareExchange(words, cursor.words + B_STATES + cursor.index, expected, mine)
        if (found === expected) break
        if (found === end(cursor.lap)) return SPENT
        if (this.isCurrent(cursor)) cursor.index++
        else this.follow(cursor)
      } else if (!this.nextToSend(cursor, value)) return SPENT
    }
    const { lap, index } = cursor
    const state = cursor.words + B_STATES + index
    const at = cursor.block + this.slotsAt + index * this.stride
    // Moved on before the codec runs: what it calls may send here, too.
    cursor.index++
    try {
      codec.write(region, at, value)
    } catch (error) {
      store(words, state, hole(lap))
      throw error instanceof RegionFullError ? new UnboundedFullError(value, this.length, error) : error
    }
    store(words, state, full(lap))
    return DONE
  }

  pop(): T | typeof EMPTY | typeof BUSY {
    const { words, codec, region } = this
    const cursor = this.receiving.get()
    if (peek(words, cursor.pin) !== cursor.block) this.follow(cursor)
    const found = this.claimFull(cursor)
    if (found !== DONE) return found === NOTHING ? EMPTY : BUSY
    const { lap, index } = cursor
    const state = cursor.words + B_STATES + index
    const at = cursor.block + this.slotsAt + index * this.stride
    const done = free((lap + 1) & LAP_MASK)
    cursor.index++
    try {
      return codec.read(region, at)
    } finally {
      if (!codec.fixed) {
        store(words, state, claimed(cursor.agent.tag, FREEING, lap))
        codec.free?.(region, at)
      }
      store(words, state, done)
    }
  }

  canPush(): boolean {
    return true
  }

  look(): number {
    const { words } = this
    const cursor = this.receiving.get()
    if (peek(words, cursor.pin) !== cursor.block) this.follow(cursor)
    for (;;) {
      if (cursor.index === this.slots) {
        if (this.isCurrent(cursor)) return load(words, cursor.words + B_NEXT) === 0 ? NOTHING : DONE
        this.follow(cursor)
        continue
      }
      const state = load(words, cursor.words + B_STATES + cursor.index)
      if (state === full(cursor.lap)) return DONE
      if (!this.isCurrent(cursor)) this.follow(cursor)
      else if (state === free(cursor.lap) || state === end(cursor.lap)) return NOTHING
      else if (state === hole(cursor.lap)) return DONE
      else if (isClaim(state) && phaseOfClaim(state) === SENDING) return isOwnerAlive(words, tagOf(state)) ? UNDERWAY : DONE
      else cursor.index++
    }
  }

  /** U8 */
  seal(): number {
    const { words, base } = this
    const cursor = this.receiving.get()
    if (peek(words, cursor.pin) !== cursor.block) this.follow(cursor)
    if (cursor.index < this.slots) {
      const found = compareExchange(words, cursor.words + B_STATES + cursor.index, free(cursor.lap), end(cursor.lap))
      return found === free(cursor.lap) || found === end(cursor.lap) ? DONE : NOTHING
    }
    if (load(words, base + U_END) !== 0) return DONE
    this.locked(cursor.agent, () => {
      const isLast = load(words, base + TAIL) === cursor.block && this.isCurrent(cursor)
      if (isLast && load(words, cursor.words + B_NEXT) === 0) store(words, base + U_END, 1)
    })
    return load(words, base + U_END) === 0 ? NOTHING : DONE
  }

  /** No sender waits for room, and a receiver that stands at a message which this agent is writing waits for itself. */
  isOwn(sends: boolean): boolean {
    const { words } = this
    const cursor = this.receiving.get()
    if (sends || cursor.index >= this.slots || peek(words, cursor.pin) !== cursor.block) return false
    const state = load(words, cursor.words + B_STATES + cursor.index)
    return isClaim(state) && tagOf(state) === cursor.agent.tag
  }

  /** Messages in it, those being sent and received included. Exact while nobody does. */
  get length(): number {
    // The head first: what is sent meanwhile makes it longer, never negative.
    const head = this.walked(HEAD)
    const tail = this.walked(TAIL)
    return Math.max(0, ((tail.block - head.block) | 0) * this.slots + tail.slot - head.slot)
  }

  /** Frees every message's own memory and every block; nobody uses the list any more. */
  drop(): void {
    const { words, base } = this
    if (!this.codec.fixed) for (let found: unknown = this.pop(); found !== EMPTY && found !== BUSY; found = this.pop());
    const agent = Agent.of(this.region)
    lockQueue(agent, this.lock)
    this.mend()
    for (let block = load(words, base + U_FIRST); block !== 0; block = load(words, (block >> 2) + B_NEXT)) this.recoverAll(block)
    for (let block = load(words, base + U_FIRST); block !== 0; block = this.dropBlock(block, B_NEXT));
    for (let block = load(words, base + U_FREE); block !== 0; block = this.dropBlock(block, B_FREE_NEXT));
    unlockQueue(agent, this.lock)
  }

  /** What dead agents' messages own, when nobody uses the list any more. */
  private recoverAll(block: number): void {
    for (let i = 0; i < this.slots; i++) {
      const state = load(this.words, (block >> 2) + B_STATES + i)
      if (isClaim(state)) this.recoverAt(block, i, state)
    }
  }

  private recoverAt(block: number, index: number, state: number): void {
    recover(this.codec, this.region, block + this.slotsAt + index * this.stride, phaseOfClaim(state) === TAKING)
  }

  private dropBlock(block: number, link: number): number {
    const next = load(this.words, (block >> 2) + link)
    if (block !== this.embedded) this.region.free(block)
    return next
  }

  /** Claims the next message, if there is one: DONE, NOTHING or UNDERWAY. Passes over holes and what dead senders left. */
  private claimFull(cursor: ListCursor): number {
    const { words } = this
    const { tag } = cursor.agent
    for (;;) {
      if (cursor.index === this.slots) {
        if (!this.nextToReceive(cursor)) return NOTHING
        continue
      }
      const { lap } = cursor
      const index = cursor.words + B_STATES + cursor.index
      const state = compareExchange(words, index, full(lap), claimed(tag, TAKING, lap))
      if (state === full(lap)) return DONE
      if (!this.isCurrent(cursor)) this.follow(cursor)
      else if (state === free(lap) || state === end(lap)) return NOTHING
      else if (state === hole(lap)) this.pass(index, state, lap)
      else if (isClaim(state) && phaseOfClaim(state) === SENDING) {
        if (isOwnerAlive(words, tagOf(state))) return UNDERWAY
        const mine = claimed(tag, FREEING, lap)
        if (compareExchange(words, index, state, mine) !== state) continue
        add(words, this.base + LOST, 1)
        this.recoverAt(cursor.block, cursor.index, state)
        this.pass(index, mine, lap)
      } else cursor.index++
    }
  }

  /** A slot without a message is done. Whoever loses finds it so. */
  private pass(index: number, state: number, lap: number): void {
    compareExchange(this.words, index, state, free((lap + 1) & LAP_MASK))
  }

  /** Whether the cursor's block still has its lap. */
  private isCurrent(cursor: ListCursor): boolean {
    return load(this.words, cursor.words + B_LAP) === cursor.lap
  }

  /** The cursor goes to the block where its end is now (U1), and pins it (U4). */
  private follow(cursor: ListCursor): void {
    const { words } = this
    const named = this.base + cursor.end
    for (;;) {
      const block = load(words, named)
      store(words, cursor.pin, block)
      const lap = load(words, (block >> 2) + B_LAP)
      if (load(words, named) !== block) continue
      cursor.block = block
      cursor.words = block >> 2
      cursor.lap = lap
      cursor.index = 0
      return
    }
  }

  /** All slots of the cursor's block were claimed: on to TAIL, after a new block was linked if it is the last. @returns false at the end (U8) */
  private nextToSend(cursor: ListCursor, value: T): boolean {
    const { words, base } = this
    if (load(words, base + U_END) !== 0) return false
    if (load(words, base + TAIL) === cursor.block && this.isCurrent(cursor)) {
      try {
        this.locked(cursor.agent, () => {
          const isLast = load(words, base + TAIL) === cursor.block && this.isCurrent(cursor)
          if (isLast && load(words, base + U_END) === 0) this.append(cursor.block)
        })
      } catch (error) {
        throw error instanceof RegionFullError ? new UnboundedFullError(value, this.length, error) : error
      }
    }
    this.follow(cursor)
    return true
  }

  /** The same for receivers. @returns false when there is no block after this one */
  private nextToReceive(cursor: ListCursor): boolean {
    const { words, base } = this
    if (load(words, base + HEAD) === cursor.block && this.isCurrent(cursor)) {
      if (load(words, cursor.words + B_NEXT) === 0) return false
      this.locked(cursor.agent, () => {
        if (load(words, base + HEAD) !== cursor.block || !this.isCurrent(cursor)) return
        store(words, base + HEAD, load(words, cursor.words + B_NEXT))
        // Not in the way of giving it back.
        store(words, cursor.pin, 0)
        this.retire()
      })
    }
    this.follow(cursor)
    return true
  }

  private locked(agent: Agent, section: () => void): void {
    lockQueue(agent, this.lock)
    try {
      this.mend()
      section()
    } finally {
      unlockQueue(agent, this.lock)
    }
  }

  /** Completes what a holder of the lock had begun when it died (U2). Under the lock. */
  private mend(): void {
    const { words, base } = this
    const next = load(words, (load(words, base + TAIL) >> 2) + B_NEXT)
    if (next !== 0) this.enter(next)
    const first = load(words, base + U_FIRST)
    if (load(words, base + U_FREE) === first) store(words, base + U_FIRST, load(words, (first >> 2) + B_NEXT))
    const spare = get(words, base + U_SPARE)
    if (spare === 0) return
    this.region.adopt(base + U_SPARE)
    // About to be freed, but free blocks still are the channel's; or linked.
    if (spare === load(words, base + U_FREE) || spare === load(words, base + TAIL)) set(words, base + U_SPARE, 0)
    else this.region.freeFrom(base + U_SPARE)
  }

  /** Links a block after the last one. Under the lock. */
  private append(last: number): void {
    const { words, base } = this
    let block = load(words, base + U_FREE)
    if (block === 0) block = this.allocate()
    else {
      const index = block >> 2
      // All of its slots are FREE, for one lap: that one.
      const lap = load(words, index + B_STATES) >>> 4
      store(words, index + B_LAP, lap)
      store(words, index + B_NEXT, 0)
      if ((lap - load(words, base + U_LAPS)) << (32 - LAP_BITS) > 0) store(words, base + U_LAPS, lap)
    }
    store(words, (block >> 2) + B_NUMBER, (load(words, (last >> 2) + B_NUMBER) + 1) | 0)
    store(words, (last >> 2) + B_NEXT, block)
    this.enter(block)
  }

  /** The block is linked: it is not free any more, and the last. */
  private enter(block: number): void {
    const { words, base } = this
    if (load(words, base + U_FREE) === block) store(words, base + U_FREE, load(words, (block >> 2) + B_FREE_NEXT))
    store(words, base + TAIL, block)
    set(words, base + U_SPARE, 0)
  }

  /** A block whose lap no block had before (U3). Nobody else knows it yet: plain writes. @throws RegionFullError */
  private allocate(): number {
    const { words, base } = this
    const lap = (load(words, base + U_LAPS) + 1) & LAP_MASK
    const block = this.region.allocInto(base + U_SPARE, this.bytes, LINE)
    const index = block >> 2
    for (let i = 0; i < this.slots; i++) set(words, index + B_STATES + i, free(lap))
    set(words, index + B_LAP, lap)
    store(words, base + U_LAPS, lap)
    return block
  }

  /** Retires blocks from the first one on, as far as they are done. Under the lock. */
  private retire(): void {
    const { words, base } = this
    for (;;) {
      const block = load(words, base + U_FIRST)
      if (block === load(words, base + HEAD) || !this.isDone(block)) break
      store(words, (block >> 2) + B_FREE_NEXT, load(words, base + U_FREE))
      store(words, base + U_FREE, block)
      store(words, base + U_FIRST, load(words, (block >> 2) + B_NEXT))
    }
    this.trim()
  }

  /** Whether all slots of a block that receivers have left are done; what a dead receiver was reading is lost. */
  private isDone(block: number): boolean {
    const { words } = this
    const index = block >> 2
    const done = free((load(words, index + B_LAP) + 1) & LAP_MASK)
    for (let i = 0; i < this.slots; i++) {
      const state = load(words, index + B_STATES + i)
      if (state === done) continue
      if (!isClaim(state) || isOwnerAlive(words, tagOf(state))) return false
      add(words, this.base + LOST, 1)
      this.recoverAt(block, i, state)
      store(words, index + B_STATES + i, done)
    }
    return true
  }

  /** Gives back what is more than KEEP, unless somebody pins it. Under the lock. */
  private trim(): void {
    const { words, base } = this
    for (;;) {
      const block = load(words, base + U_FREE)
      let after = block
      for (let i = 0; i < KEEP && after !== 0; i++) after = load(words, (after >> 2) + B_FREE_NEXT)
      if (after === 0 || block === this.embedded || this.isPinned(block)) return
      set(words, base + U_SPARE, block)
      store(words, base + U_FREE, load(words, (block >> 2) + B_FREE_NEXT))
      this.region.freeFrom(base + U_SPARE)
    }
  }

  private isPinned(block: number): boolean {
    const { words, region } = this
    const pins = this.base + PINS
    for (let id = 1; id <= region.agents; id++) {
      const pin = pins + (id - 1) * 2
      if (load(words, pin) !== block && load(words, pin + 1) !== block) continue
      if ((load(words, (agentRecord(id) >> 2) + A_STATUS) & PHASE_MASK) === PHASE_ALIVE) return true
    }
    return false
  }

  /** Where one end is: the number of its block, and how many of its slots were claimed there. */
  private walked(of: typeof HEAD | typeof TAIL): { block: number; slot: number } {
    const { words } = this
    const cursor = of === HEAD ? this.receiving.get() : this.sending.get()
    this.follow(cursor)
    while (cursor.index < this.slots) {
      const state = load(words, cursor.words + B_STATES + cursor.index)
      const isNext = state === free(cursor.lap) || state === end(cursor.lap)
      const isOpen = isNext || (of === HEAD && (state === full(cursor.lap) || (isClaim(state) && phaseOfClaim(state) === SENDING)))
      if (isOpen || !this.isCurrent(cursor)) break
      cursor.index++
    }
    return { block: load(words, cursor.words + B_NUMBER), slot: cursor.index }
  }
}
