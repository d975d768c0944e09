/**
 * A region: one SharedArrayBuffer with a header, an allocator and a table of agents.
 *
 * Layout     layout.ts.
 * Invariants I1 The header is written before the buffer can reach another agent, and never changes except where it says so.
 *            I2 One agent has one `Region` object for a region, however many copies of the buffer reach it: copies share an id.
 */
import { agentLocal, createBuffer, load, random, store } from '#ops'
import { type AgentIdentity, registerAgent } from './agents.js'
import { Allocator, type RegionStats } from './allocator.js'
import { InvalidArgumentError, RegionFormatError } from './errors.js'
import {
  AGENT_BYTES,
  AGENT_TABLE_AT,
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
  MAGIC,
  MAX_AGENTS,
  VERSION,
} from './layout.js'

/** Settings of a new region. */
export interface RegionOptions {
  /** Size in bytes, fixed for the region's life; memory is committed by the system when it is first touched. Default 256 MiB, at most 2 GiB - 64 KiB. */
  bytes?: number
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

/** One agent's regions by id, and its default. */
const known = agentLocal(() => ({ byId: new Map<string, Region>(), fallback: undefined as Region | undefined }))

/** Shared memory that every primitive of heddle lives in. */
export class Region {
  /** Random, equal in every agent: copies of the buffer are one region. */
  readonly id: string
  readonly words: Int32Array
  readonly words64: BigInt64Array
  readonly bytes: Uint8Array
  readonly floats: Float64Array
  /** How many agents may use it at one time. */
  readonly agents: number
  readonly debug: boolean
  readonly metrics: boolean
  readonly diagnostics: boolean
  /** The calling agent in this region; registers it on first use. */
  readonly self = agentLocal<AgentIdentity>(() => registerAgent(this.words))
  private readonly allocator: Allocator

  private constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
    this.words64 = new BigInt64Array(buffer, 0, buffer.byteLength >> 3)
    this.bytes = new Uint8Array(buffer)
    this.floats = new Float64Array(buffer, 0, buffer.byteLength >> 3)
    this.id = readId(this.words)
    const flags = load(this.words, H_FLAGS)
    this.agents = load(this.words, H_AGENTS)
    this.debug = (flags & FLAG_DEBUG) !== 0
    this.metrics = (flags & FLAG_METRICS) !== 0
    this.diagnostics = (flags & FLAG_DIAGNOSTICS) !== 0
    this.allocator = new Allocator(this)
    known.get().byId.set(this.id, this)
  }

  /**
   * Makes a region in a new buffer.
   * @throws InvalidArgumentError for a size or a number of agents out of range.
   */
  static create(options: RegionOptions = {}): Region {
    const bytes = options.bytes ?? DEFAULT_BYTES
    const agents = options.agents ?? 128
    if (!Number.isInteger(agents) || agents < 1 || agents > MAX_AGENTS) throw new InvalidArgumentError(`agents must be an integer from 1 to ${MAX_AGENTS}, got ${agents}`)
    const heap = AGENT_TABLE_AT + agents * AGENT_BYTES
    if (!Number.isInteger(bytes) || bytes < heap + 4096 || bytes > MAX_BYTES) {
      throw new InvalidArgumentError(`bytes must be an integer from ${heap + 4096} (for ${agents} agents) to ${MAX_BYTES}, got ${bytes}`)
    }
    const buffer = createBuffer(Math.ceil(bytes / 64) * 64)
    const words = new Int32Array(buffer)
    store(words, H_VERSION, VERSION)
    store(words, H_BYTES, buffer.byteLength)
    store(words, H_FLAGS, (options.debug === true ? FLAG_DEBUG : 0) | (options.metrics === true ? FLAG_METRICS : 0) | (options.diagnostics === true ? FLAG_DIAGNOSTICS : 0))
    store(words, H_ID_LOW, random() | 0)
    store(words, H_ID_HIGH, random() | 0)
    store(words, H_AGENTS, agents)
    store(words, H_HEAP, heap)
    Allocator.format(words)
    store(words, H_MAGIC, MAGIC)
    return new Region(buffer)
  }

  /**
   * Opens a region made elsewhere. Any copy of its buffer gives the same `Region` object in one agent.
   * @throws RegionFormatError for a buffer that is no region, of another version, or cut short.
   */
  static attach(buffer: SharedArrayBuffer): Region {
    if (!(buffer instanceof SharedArrayBuffer)) throw new RegionFormatError('a region is attached from a SharedArrayBuffer')
    if (buffer.byteLength < AGENT_TABLE_AT) throw new RegionFormatError(`a buffer of ${buffer.byteLength} bytes is too small for a region`)
    const words = new Int32Array(buffer, 0, AGENT_TABLE_AT >> 2)
    if (load(words, H_MAGIC) !== MAGIC) throw new RegionFormatError('the buffer is not a heddle region: its first word is not the magic number')
    const version = load(words, H_VERSION)
    if (version !== VERSION) throw new RegionFormatError(`the region has layout version ${version}, this code reads version ${VERSION}: use one version of heddle in all agents`)
    const bytes = load(words, H_BYTES)
    if (bytes > buffer.byteLength) throw new RegionFormatError(`the region says ${bytes} bytes, the buffer has ${buffer.byteLength}`)
    return known.get().byId.get(readId(words)) ?? new Region(buffer)
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
   * Allocates zeroed memory; returns its byte offset. Never blocks longer than the allocator's short lock.
   * @param bytes at least 1
   * @param align a power of two from 4 to 4096; default 8
   * @throws RegionFullError
   */
  alloc(bytes: number, align = 8): number {
    return this.allocator.alloc(bytes, align)
  }

  /**
   * Gives back what `alloc` returned.
   * @throws InvalidArgumentError for an address that is no live allocation of this region.
   */
  free(at: number): void {
    this.allocator.free(at)
  }

  /** Figures of the allocator, in bytes. */
  stats(): RegionStats {
    return this.allocator.stats()
  }
}

function readId(words: Int32Array): string {
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
  return hex(load(words, H_ID_HIGH)) + hex(load(words, H_ID_LOW))
}
