/**
 * A region's allocator: the lock around the heap (heap.ts), safe from any agent and from the death of one at any instruction.
 *
 * Source     The lock is Drepper's mutex2 ("Futexes Are Tricky") with the owner in the word, taken over from the dead like park's queue locks.
 * Layout     H_ALLOC_LOCK  0, or the holder's tag · bit 1 CONTENDED (somebody sleeps on the word: unlocking notifies)
 *            A_PENDING     in the agent's record: the block that it is taking or giving back; A_PENDING_OWNER: the tag that wrote it;
                          A_PENDING_NAME: the word that is to name the block, or does so no more; 0 for none
 * Invariants I1 The holder alone touches the heap. Who finds a holder that is not alive takes the lock over by compare-exchange and
 *               rebuilds all hints from the block headers before anything else.
 *            I2 A_PENDING names a block from before it becomes used until just before `alloc` returns (the memory is zeroed in between,
 *               outside the lock). It is 0 whenever the agent is not in `alloc`.
 *               So a block named by an owner that is dead was given to nobody, and becomes free: with the lock's take-over, when
 *               the reaper calls `reclaim`, or at the latest when the slot's next owner first uses the heap.
            I3 A block that `alloc` gives with a word to name it, and `freeFrom` takes, has an owner at every instant: the word that names it, or else A_PENDING, which
               names it from before that word does until after, and from before it does no more until it is free. So whoever settles a dead
               agent's A_PENDING frees the block only if the word in A_PENDING_NAME does not name it. That word is 0 before, and the one who takes
               it over from the dead agent calls `adopt` first, under the lock: nobody settles by a word that is in use again.
 * Pairs      unlock's compareExchange publishes the heap to the next successful lock. A dead holder's writes are ordered before the
 *            store of its status word by whoever learned of the death, which isOwnerAlive reads.
 *            The last store of A_PENDING (0) is seen by the load of whoever rebuilds.
 * Progress   A death inside alloc leaks nothing. One inside free leaves the block allocated up to the store that makes it free (mostly: while
 *            it waits for the lock), and free from then on; what nobody else knows is leaked.
 *            A death after alloc returned leaks what the caller had not yet stored, as with any allocator; with a word to name the block, and in `freeFrom`, a death leaks nothing.
 *            An exception that is not ours inside the lock (the stack overflowed) leaves it held by a live agent: that agent's next call
 *            takes it over from itself, others wait until then.
 *            Lock order among running agents is arbitrary; a waiter looks again at least every millisecond.
 * Rejected   The owner's tag in the block's header (a store more for each block, and a walk of the heap for each death).
 *            Zeroing under the lock (a large block takes milliseconds, and everybody waits).
 */
import { compareExchange, fill, get, limits, load, notify, pause, peek, set, store, wait } from '#ops'
import { type AgentIdentity, agentRecord, isOwnerAlive } from './agents.js'
import { canBlock } from './can-block.js'
import { InvalidArgumentError, MemoryDamageError, RegionFullError } from './errors.js'
import { HEADER_BYTES, Heap, blockSizeFor } from './heap.js'
import { A_PENDING, A_PENDING_NAME, H_AGENTS, H_AGENTS_USED, H_ALLOC_LOCK, H_BYTES, LINE_BYTES } from './layout.js'
import type { Region } from './region.js'

/** Figures of a region's memory, in bytes. */
export interface RegionStats {
  /** Size of the region. */
  bytes: number
  /** Held by live blocks, their headers (8 bytes each) and rounding (to 16) included. */
  used: number
  /** Not held: the heap's size less `used`. The region's own header and agent table are in neither. */
  free: number
  /** Live blocks. */
  blocks: number
  /** The most that one `alloc` of default alignment could get now. */
  largest: number
}

/** An allocation of a debug region that was not freed. */
export interface Leak {
  /** Byte offset that `alloc` returned. */
  at: number
  /** Bytes asked for. */
  bytes: number
  /** The agent that allocated it: its id and generation. */
  agent: { id: number; generation: number }
  /** Where: the text of its stack, cut to 600 characters. Kept in the region, so that any agent can report any block, also a dead agent's. */
  stack: string
}

const CONTENDED_BIT = 2
const MAX_ALIGN = 4096
/** Longest sleep on the lock word, in ms: a holder's death is noticed after at most this. */
const NAP = 1
/** Up to this many bytes, a loop is faster than a call of `fill`. */
const FILL_BY_HAND = 4 * LINE_BYTES

/** A region's allocator; holds no state of its own. */
export class Allocator {
  protected readonly heap: Heap
  protected readonly words: Int32Array

  constructor(protected readonly region: Region) {
    this.words = region.words
    this.heap = new Heap(region.words)
  }

  /**
   * @param name index of a word that is the caller's and 0: it owns the block from the first moment on, and holds its address when this returns (I3).
   *   0: none
   */
  alloc(bytes: number, align: number, name = 0): number {
    checkRequest(bytes, align)
    const { words, heap } = this
    const me = this.lock()
    set(words, nameWord(me.at), name)
    const top = heap.top
    const block = bytes > get(words, H_BYTES) ? 0 : heap.take(blockSizeFor(bytes), align, pendingWord(me.at))
    if (block === 0) this.refuse(me, bytes, align)
    const end = heap.dirtyEnd(block, top)
    this.unlock(me)
    const at = block + HEADER_BYTES
    if (end > at) zero(words, at, end - at)
    this.done(me, at, name)
    return at
  }

  free(at: number): void {
    const { heap } = this
    const me = this.lock()
    const state = heap.probe(at)
    if (state === 1) heap.release(at - HEADER_BYTES)
    this.unlock(me)
    if (state !== 1) throw new InvalidArgumentError(notAllocated(at, state === 0))
  }

  /** Gives back the block that the caller's word at `name` names, if any, and makes that 0, with an owner until the last moment (I3). */
  freeFrom(name: number): void {
    const { words, heap } = this
    const me = this.lock()
    const at = get(words, name)
    const state = at === 0 ? 1 : heap.probe(at)
    if (at !== 0 && state === 1) {
      this.unname(me, at - HEADER_BYTES, name)
      heap.release(at - HEADER_BYTES)
      set(words, pendingWord(me.at), 0)
    }
    this.unlock(me)
    if (state !== 1) throw new InvalidArgumentError(notAllocated(at, state === 0))
  }

  /** The word at `name` was a dead agent's, and is the caller's now: from here on it alone says what it owns (I3). */
  adopt(name: number): void {
    const { words } = this
    this.locked((me) => {
      const used = load(words, H_AGENTS_USED)
      for (let id = 1; id <= used; id++) if (get(words, nameWord(agentRecord(id))) === name) this.settle(id, me)
    })
  }

  stats(): RegionStats {
    return this.locked(() => {
      const { used, capacity, blocks, largest } = this.heap.figures()
      return { bytes: get(this.words, H_BYTES), used, free: capacity - used, blocks, largest }
    })
  }

  /** Contradictions in the heap's structure, as sentences. */
  check(): string[] {
    return this.locked(() => this.heap.check())
  }

  /** Frees the block that a dead agent of slot `id` was allocating, if any. For the reaper, before the slot is used again; safe to repeat. */
  reclaim(id: number): void {
    this.locked((me) => {
      this.settle(id, me)
    })
  }

  /** Allocations not freed; empty unless the region is a debug region. */
  leaks(): Leak[] {
    return []
  }

  /** Runs `section`, which throws nothing, under the lock. */
  protected locked<T>(section: (me: AgentIdentity) => T): T {
    const me = this.lock()
    const result = section(me)
    this.unlock(me)
    return result
  }

  /** Takes the lock; waits for a live holder. */
  protected lock(): AgentIdentity {
    const { words } = this
    const me = this.region.self.get()
    if (compareExchange(words, H_ALLOC_LOCK, 0, me.tag) !== 0) this.lockSlow(me)
    // Under the lock: nobody but a holder writes them.
    const pending = pendingWord(me.at)
    if (get(words, pending) !== 0 || get(words, pending + 1) !== me.tag) this.settle(me.id, me)
    return me
  }

  protected unlock(me: AgentIdentity): void {
    if (compareExchange(this.words, H_ALLOC_LOCK, me.tag, 0) === me.tag) return
    // Not ours any more: somebody declared this agent dead, and the word is another's business.
    if (compareExchange(this.words, H_ALLOC_LOCK, me.tag | CONTENDED_BIT, 0) === (me.tag | CONTENDED_BIT)) notify(this.words, H_ALLOC_LOCK, 1)
  }

  /** The block in hand is the caller's from here on, or its word's. */
  protected done(me: AgentIdentity, at: number, name: number): void {
    if (name !== 0) set(this.words, name, at)
    store(this.words, pendingWord(me.at), 0)
  }

  /** Under the lock: the block is not the word's any more, but this agent's to free (I3). */
  protected unname(me: AgentIdentity, block: number, name: number): void {
    const { words } = this
    set(words, nameWord(me.at), name)
    set(words, pendingWord(me.at), block)
    set(words, name, 0)
  }

  /** The address that `alloc` returned for a block. */
  protected addressOf(block: number): number {
    return block + HEADER_BYTES
  }

  /** Gives up the lock and throws. */
  protected refuse(me: AgentIdentity, bytes: number, align: number): never {
    const { used, capacity, blocks, largest } = this.heap.figures()
    this.unlock(me)
    throw new RegionFullError(
      `no room for ${bytes} bytes aligned to ${align}: the region has ${get(this.words, H_BYTES)} bytes, ${blocks} blocks hold ${used} of ${capacity}, ` +
        `the largest free block has ${largest}. Create it with more \`bytes\`, or dispose of what is not needed`,
    )
  }

  /** Hints of a subclass, derived anew. */
  protected afterRebuild(): void {}

  private lockSlow(me: AgentIdentity): void {
    const { words } = this
    let contended = 0
    for (let round = 0; ; round++) {
      const word = load(words, H_ALLOC_LOCK)
      if (word === 0) {
        if (compareExchange(words, H_ALLOC_LOCK, 0, me.tag | contended) === 0) return
      } else if ((word & ~CONTENDED_BIT) === me.tag || !isOwnerAlive(words, word)) {
        if (compareExchange(words, H_ALLOC_LOCK, word, me.tag | CONTENDED_BIT) === word) {
          this.takeOver(me)
          return
        }
      } else if (round < limits.queueSpin || !canBlock()) {
        pause()
      } else {
        const seen = word | CONTENDED_BIT
        if (word !== seen && compareExchange(words, H_ALLOC_LOCK, word, seen) !== word) continue
        // Whoever slept can't know whether others still do: it leaves the bit set for them.
        contended = CONTENDED_BIT
        wait(words, H_ALLOC_LOCK, seen, NAP)
      }
    }
  }

  /** Repairs what the former holder left. Died in here, too: the next one starts from the beginning. */
  private takeOver(me: AgentIdentity): void {
    const { words, heap } = this
    const agents = load(words, H_AGENTS)
    for (let id = 1; id <= agents; id++) {
      const pending = pendingWord(agentRecord(id))
      if (load(words, pending) === 0) continue
      const owner = load(words, pending + 1)
      if (owner !== me.tag && isOwnerAlive(words, owner)) continue
      if (this.isNamed(agentRecord(id))) store(words, pending, 0)
      else heap.abandon(pending)
    }
    const damaged = heap.rebuild()
    this.afterRebuild()
    if (damaged === 0) return
    this.unlock(me)
    throw new MemoryDamageError([`the block header at byte ${damaged} was overwritten; what follows it will not be reused`])
  }

  /** Under the lock, with the heap in order: frees the block that the slot's agent was allocating when it died or threw. */
  private settle(id: number, me: AgentIdentity): void {
    const { words, heap } = this
    const pending = pendingWord(agentRecord(id))
    if (id !== me.id && isOwnerAlive(words, load(words, pending + 1))) return
    const block = load(words, pending)
    if (block !== 0 && !this.isNamed(agentRecord(id)) && heap.probe(block + HEADER_BYTES) === 1) heap.release(block)
    store(words, pending, 0)
    if (id === me.id) store(words, pending + 1, me.tag)
  }

  /** Whether the block in an agent's A_PENDING is owned by a word (I3). */
  private isNamed(record: number): boolean {
    const { words } = this
    const name = get(words, nameWord(record))
    // Its next owner may write it already, when it found nothing there to adopt: then it names another block, since this one is not free.
    const at = name === 0 ? 0 : peek(words, name)
    return at !== 0 && at === this.addressOf(get(words, pendingWord(record)))
  }
}

/** What `free` says of an address that it refuses. */
export function notAllocated(at: number, wasFreed: boolean): string {
  return wasFreed ? `byte ${at} was freed already` : `byte ${at} is not the start of an allocation of this region`
}

/** @throws InvalidArgumentError */
export function checkRequest(bytes: number, align: number): void {
  if (!Number.isInteger(bytes) || bytes < 1) throw new InvalidArgumentError(`bytes must be a positive integer, got ${bytes}`)
  if (!Number.isInteger(align) || align < 4 || align > MAX_ALIGN || (align & (align - 1)) !== 0) {
    throw new InvalidArgumentError(`align must be a power of two from 4 to ${MAX_ALIGN}, got ${align}`)
  }
}

/** Zeroes memory that belongs to the caller alone. Both figures are multiples of 4. */
function zero(words: Int32Array, at: number, bytes: number): void {
  const from = at >> 2
  const to = (at + bytes) >> 2
  if (bytes > FILL_BY_HAND) fill(words, from, to - from, 0)
  else for (let index = from; index < to; index++) set(words, index, 0)
}

/** Index of A_PENDING in the record at byte `record`; A_PENDING_OWNER follows. */
export function pendingWord(record: number): number {
  return (record >> 2) + A_PENDING
}

/** Index of A_PENDING_NAME in the record at byte `record`. */
export function nameWord(record: number): number {
  return (record >> 2) + A_PENDING_NAME
}
