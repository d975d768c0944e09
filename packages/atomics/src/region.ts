/**
 * A region: one SharedArrayBuffer with a header, an allocator and a table of agents.
 *
 * Layout     layout.ts.
 * Invariants I1 The header is written before the buffer can reach another agent, and never changes except where it says so.
 *            I2 One agent has one `Region` object for a region, however many copies of the buffer reach it: copies share an id.
 */
import { agentLocal, createBuffer, fill, load, random, store } from '#ops'
import { AgentIdentity, isOwnerAlive, isShared, registerAgent } from './agents.js'
import { Allocator, type Leak, type RegionStats } from './allocator.js'
import { DebugAllocator } from './debug.js'
import { capabilities } from './capabilities.js'
import { InvalidArgumentError, MemoryDamageError, RegionFormatError, SharedMemoryError } from './errors.js'
import { Heap } from './heap.js'
import {
  AGENT_BYTES,
  AGENT_TABLE_AT,
  FLAG_BORROWED,
  FLAG_DEBUG,
  FLAG_DIAGNOSTICS,
  FLAG_METRICS,
  H_AGENTS,
  H_BYTES,
  H_FLAGS,
  H_HEAP,
  H_ID_HIGH,
  H_ID_LOW,
  H_MAGIC,
  H_VERSION,
  LINE_BYTES,
  MAGIC,
  MAX_AGENTS,
  VERSION,
} from './layout.js'

/** Settings of a new region. */
export interface RegionOptions {
  /** Size in bytes, fixed for the region's life; memory is committed by the system when it is first touched. Default 256 MiB or the whole of `buffer`, at most 2 GiB - 64 KiB. */
  bytes?: number
  /**
   * Memory to make the region in, from its byte 0, instead of a new buffer: for instance a shared `WebAssembly.Memory`'s. What lies
   * behind `bytes` stays the caller's, and objects may be placed there with `init`. Contents of the first `bytes` are lost.
   * Blocks are zeroed when they are given out, also for the first time, since nothing is known of the memory. Grow a
   * `WebAssembly.Memory` before: a region sees the buffer that it was opened with.
   */
  buffer?: SharedArrayBuffer
  /** How many agents (JS threads) may use it at one time, 1 to 255. Default 128. */
  agents?: number
  /** Red zones, use-after-free detection and leak reports with allocation stacks. Slow; for tests. */
  debug?: boolean
  /** Locks in this region count acquisitions, waits and holds. */
  metrics?: boolean
  /** A wait that closes a cycle of owners throws `DeadlockError` that names the cycle. */
  diagnostics?: boolean
}

const DEFAULT_BYTES = 256 * 1024 * 1024
const MAX_BYTES = 2 ** 31 - 64 * 1024
/** The least that a heap is worth. */
const MIN_HEAP_BYTES = 4096

/** What an agent remembers of a region, also of one that it uses no more. */
interface Memory {
  readonly region: WeakRef<Region>
  /** The agent's slot, once it has one: who opens the region again later has it still. */
  slot: AgentIdentity | undefined
}

/**
 * One agent's regions by id, and its default. Regions that nobody uses any more can be collected; what stays of one is its id and slot.
 * `busy` are those that somebody uses whom a collector does not see (`holdRegion`), `watched` those where others may die who are this
 * agent's to reap (`watchRegions`).
 */
const known = agentLocal(() => ({
  byId: new Map<string, Memory>(),
  fallback: undefined as Region | undefined,
  busy: new Set<Region>(),
  watched: new Set<Region>(),
  watchers: 0,
  sweepAt: FIRST_SWEEP,
}))
/** How many regions an agent remembers before it first looks which it could forget. */
const FIRST_SWEEP = 16

/** The regions that this agent has made or opened, but for those that are collected. */
export function knownRegions(): Region[] {
  return [...known.get().byId.values()].flatMap(({ region }) => region.deref() ?? [])
}

/** Keeps a region from being collected until it is let go: something waits in it that only shared memory knows of. */
export function holdRegion(region: Region, isHeld: boolean): void {
  const { busy } = known.get()
  if (isHeld) busy.add(region)
  else busy.delete(region)
}

/**
 * Keeps regions from being collected while this agent is to reap others: those known now and those that come. One in which no other agent
 * has a slot may go all the same, once the agent has opened many others. @returns how to end it, once
 */
export function watchRegions(): () => void {
  const mine = known.get()
  mine.watchers++
  for (const region of knownRegions()) mine.watched.add(region)
  return () => {
    if (--mine.watchers === 0) mine.watched.clear()
  }
}

/** Remembers a region, and forgets some. */
function remember(region: Region): void {
  const mine = known.get()
  mine.byId.set(region.id, { region: new WeakRef(region), slot: mine.byId.get(region.id)?.slot })
  if (mine.watchers > 0) mine.watched.add(region)
  if (mine.byId.size < mine.sweepAt) return
  for (const one of mine.watched) if (one !== region && !isShared(one.words, mine.byId.get(one.id)?.slot?.id)) mine.watched.delete(one)
  for (const [id, { region: weak, slot }] of mine.byId) if (slot === undefined && weak.deref() === undefined) mine.byId.delete(id)
  mine.sweepAt = Math.max(FIRST_SWEEP, mine.byId.size * 2)
}

/**
 * Shared memory that every primitive of heddle lives in: one SharedArrayBuffer with a header, an allocator and a table of agents.
 *
 * Pass `region.buffer` to another agent and open it there with `Region.attach`. Byte offsets (`alloc`, `at`) mean the same in all agents.
 *
 * @example
 * const region = Region.create({ bytes: 1 << 20 })
 * const at = region.alloc(64, 64)
 * // in a worker: Region.attach(buffer).words[at >> 2]
 * region.free(at)
 */
export class Region {
  /** Random, equal in every agent: copies of the buffer are one region. */
  readonly id: string
  /** The memory in 32-bit words: index = byte offset / 4. */
  readonly words: Int32Array
  /** The memory in 64-bit integers: index = byte offset / 8. */
  readonly words64: BigInt64Array
  /** The memory in bytes. */
  readonly bytes: Uint8Array
  /** The memory in 64-bit floats: index = byte offset / 8. */
  readonly floats: Float64Array
  /** How many agents may use it at one time. */
  readonly agents: number
  /** Whether it was created with `debug: true`. */
  readonly debug: boolean
  /** Whether it was created with `metrics: true`. */
  readonly metrics: boolean
  /** Whether it was created with `diagnostics: true`. */
  readonly diagnostics: boolean
  /** The calling agent in this region; registers it on first use. */
  readonly self = agentLocal<AgentIdentity>(() => this.join())
  private readonly allocator: Allocator

  private constructor(readonly buffer: SharedArrayBuffer) {
    // Lengths are given, so that views of a growable buffer keep theirs and stay fast. Offsets are 32-bit, also in a larger buffer.
    const length = viewBytes(buffer)
    this.words = new Int32Array(buffer, 0, length >> 2)
    this.words64 = new BigInt64Array(buffer, 0, length >> 3)
    this.bytes = new Uint8Array(buffer, 0, length)
    this.floats = new Float64Array(buffer, 0, length >> 3)
    this.id = readId(this.words)
    const flags = load(this.words, H_FLAGS)
    this.agents = load(this.words, H_AGENTS)
    this.debug = (flags & FLAG_DEBUG) !== 0
    this.metrics = (flags & FLAG_METRICS) !== 0
    this.diagnostics = (flags & FLAG_DIAGNOSTICS) !== 0
    this.allocator = this.debug ? new DebugAllocator(this) : new Allocator(this)
    remember(this)
  }

  /**
   * Makes a region, in a new buffer or in `options.buffer`.
   * @throws InvalidArgumentError for a size or a number of agents out of range, and for a buffer that is a region already; SharedMemoryError
   *         where there is no shared memory.
   */
  static create(options: RegionOptions = {}): Region {
    const given = options.buffer
    if (given === undefined && typeof SharedArrayBuffer !== 'function') throw new SharedMemoryError(capabilities().missing[0]!)
    if (given !== undefined && !isSharedBuffer(given)) throw new InvalidArgumentError('buffer must be a SharedArrayBuffer')
    const agents = options.agents ?? 128
    if (!Number.isInteger(agents) || agents < 1 || agents > MAX_AGENTS)
      throw new InvalidArgumentError(`agents must be an integer from 1 to ${MAX_AGENTS}, got ${agents}`)
    const heap = AGENT_TABLE_AT + agents * AGENT_BYTES
    const most = given === undefined ? MAX_BYTES : viewBytes(given)
    const asked = options.bytes ?? (given === undefined ? DEFAULT_BYTES : most)
    if (!Number.isInteger(asked) || asked < heap + MIN_HEAP_BYTES || asked > most) {
      throw new InvalidArgumentError(
        `bytes must be an integer from ${heap + MIN_HEAP_BYTES} (for ${agents} agents) to ${most}${given === undefined ? '' : " (the buffer's size)"}, got ${asked}`,
      )
    }
    const buffer = given ?? createBuffer(Math.ceil(asked / LINE_BYTES) * LINE_BYTES)
    const words = new Int32Array(buffer, 0, viewBytes(buffer) >> 2)
    if (given !== undefined) {
      if (load(words, H_MAGIC) === MAGIC) throw new InvalidArgumentError('the buffer is a region already: open it with Region.attach')
      // The header's invariant I1: no other agent knows of the region yet.
      fill(words, 0, heap >> 2, 0)
    }
    store(words, H_VERSION, VERSION)
    store(words, H_BYTES, Math.floor((given === undefined ? buffer.byteLength : asked) / LINE_BYTES) * LINE_BYTES)
    store(
      words,
      H_FLAGS,
      (options.debug === true ? FLAG_DEBUG : 0) |
        (options.metrics === true ? FLAG_METRICS : 0) |
        (options.diagnostics === true ? FLAG_DIAGNOSTICS : 0) |
        (given === undefined ? 0 : FLAG_BORROWED),
    )
    store(words, H_ID_LOW, random() | 0)
    store(words, H_ID_HIGH, random() | 0)
    store(words, H_AGENTS, agents)
    store(words, H_HEAP, heap)
    Heap.format(words)
    store(words, H_MAGIC, MAGIC)
    return new Region(buffer)
  }

  /**
   * Opens a region made elsewhere. Any copy of its buffer gives the same `Region` object in one agent.
   * @throws RegionFormatError for a buffer that is no region, of another version, or cut short.
   */
  static attach(buffer: SharedArrayBuffer): Region {
    if (!isSharedBuffer(buffer)) throw new RegionFormatError('a region is attached from a SharedArrayBuffer')
    if (buffer.byteLength < AGENT_TABLE_AT) throw new RegionFormatError(`a buffer of ${buffer.byteLength} bytes is too small for a region`)
    const words = new Int32Array(buffer, 0, AGENT_TABLE_AT >> 2)
    if (load(words, H_MAGIC) !== MAGIC) throw new RegionFormatError('the buffer is not a heddle region: its first word is not the magic number')
    const version = load(words, H_VERSION)
    if (version !== VERSION)
      throw new RegionFormatError(
        `the region has layout version ${version}, this code reads version ${VERSION}: use one version of heddle in all agents`,
      )
    const bytes = load(words, H_BYTES)
    if (bytes > buffer.byteLength) throw new RegionFormatError(`the region says ${bytes} bytes, the buffer has ${buffer.byteLength}`)
    const agents = load(words, H_AGENTS)
    const heap = load(words, H_HEAP)
    if (agents < 1 || agents > MAX_AGENTS || heap !== AGENT_TABLE_AT + agents * AGENT_BYTES || bytes < heap + MIN_HEAP_BYTES) {
      throw new RegionFormatError(`the region's header contradicts itself: ${bytes} bytes, ${agents} agents, heap at byte ${heap}`)
    }
    return known.get().byId.get(readId(words))?.region.deref() ?? new Region(buffer)
  }

  /** The region that constructors use when none is given: made on first use, or set by `useAsDefault`. One per agent; an executor's workers share its region. */
  static get default(): Region {
    const mine = known.get()
    return (mine.fallback ??= Region.create())
  }

  /** Makes `region` this agent's default. */
  static useAsDefault(region: Region): void {
    known.get().fallback = region
  }

  /**
   * Allocates zeroed memory; returns its byte offset. Any agent may free it. Waits for the allocator's short lock only
   * (where the agent may not block, by spinning); about 60 ns for a small block, and the time to zero a large one unless it was never used.
   *
   * An agent that dies inside leaks nothing. One that dies after this has returned and before it has stored the address where others find it
   * leaks the block: nobody can know what it was for. That goes for heddle's own blocks, too (an object that is being made, an agent's next
   * chunk of waiter records): one block at most for each death at such a moment.
   * @param bytes 1 to the region's size
   * @param align a power of two from 4 to 4096; default 8. Blocks are aligned to 16 in any case.
   * @throws RegionFullError with the region's figures when there is no room; InvalidArgumentError for other arguments.
   * @throws AgentLimitError when this is the agent's first use of the region and every agent slot is taken.
   * @throws MemoryDamageError when an agent died inside the allocator and a block's header turns out to be overwritten.
   */
  alloc(bytes: number, align = 8): number {
    return this.allocator.alloc(bytes, align)
  }

  /**
   * Gives back what `alloc` returned, in this agent or another.
   * @throws InvalidArgumentError for an address that is no live allocation of this region, which changes nothing. A block that was
   *   freed and given out again can't be told from its former self: freeing it by its old address frees the new owner's memory.
   * @throws MemoryDamageError in a debug region, after freeing, when somebody wrote over the block's red zones or into freed memory.
   */
  free(at: number): void {
    this.allocator.free(at)
  }

  /**
   * As `alloc`, for a word of the caller's that is 0 and owns the block from the first moment on: it holds the block's address when this returns, and is
   * 0 when it throws. An agent that dies at any moment leaks nothing, as long as others find the word: who takes it over calls `adopt`, then `freeFrom`.
   * Plain accesses: until then, and until it is published, the word is this agent's alone.
   * @param name index of the word (byte offset / 4)
   * @throws as `alloc`
   */
  allocInto(name: number, bytes: number, align = 8): number {
    return this.allocator.alloc(bytes, align, name)
  }

  /**
   * Gives back the block whose address is in the word at index `name`, unless that is 0, and makes it 0. An agent that dies at any moment has freed it or
   * left it to the word.
   * @throws as `free`
   */
  freeFrom(name: number): void {
    this.allocator.freeFrom(name)
  }

  /** Takes over a word of `allocInto` and `freeFrom` from an agent that has died: it then names its block, or holds 0. For any other word it does nothing. */
  adopt(name: number): void {
    this.allocator.adopt(name)
  }

  /** Figures of the allocator, in bytes. Takes its lock. */
  stats(): RegionStats {
    return this.allocator.stats()
  }

  /**
   * Checks all blocks' headers and free lists; in a debug region red zones and freed memory as well. Linear in the number of blocks,
   * in a debug region in their bytes; holds the allocator's lock.
   * @throws MemoryDamageError with a sentence for each place that was overwritten.
   */
  check(): void {
    const problems = this.allocator.check()
    if (problems.length > 0) throw new MemoryDamageError(problems)
  }

  /** What was allocated and not freed, by any agent, with the stack of each allocation. Only a debug region knows; elsewhere empty. */
  leaks(): Leak[] {
    return this.allocator.leaks()
  }

  /**
   * Frees the block that a dead agent was allocating, if any. For the reaper, once the agent's status says that
   * it is dead and before its slot is given out again; safe to repeat.
   * @internal
   */
  reclaim(agentId: number): void {
    this.allocator.reclaim(agentId)
  }

  /** The agent's slot: the one that it had when it used the region before, or a new one. */
  private join(): AgentIdentity {
    const memory = known.get().byId.get(this.id)
    const former = memory?.slot
    const identity =
      former !== undefined && isOwnerAlive(this.words, former.tag)
        ? new AgentIdentity(former.id, former.generation, former.at)
        : registerAgent(this.words)
    // A copy: the one in use leads to all that the agent has in the region.
    if (memory !== undefined) memory.slot = new AgentIdentity(identity.id, identity.generation, identity.at)
    return identity
  }
}

/** Also for a buffer of another realm, such as a vm context's or a frame's, and where the constructor has no name. */
function isSharedBuffer(value: unknown): value is SharedArrayBuffer {
  return Object.prototype.toString.call(value) === '[object SharedArrayBuffer]'
}

/** How much of a buffer a region's views cover. */
function viewBytes(buffer: SharedArrayBuffer): number {
  return Math.min(buffer.byteLength, MAX_BYTES) & ~7
}

function readId(words: Int32Array): string {
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
  return hex(load(words, H_ID_HIGH)) + hex(load(words, H_ID_LOW))
}
