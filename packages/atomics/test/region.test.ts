import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { agentRecord, registerAgent } from '../src/agents.js'
import { AgentLimitError, InvalidArgumentError, Region, RegionFormatError, RegionFullError } from '../src/index.js'
import { AGENT_TABLE_AT, H_AGENTS, H_BYTES, H_HEAP, H_MAGIC, H_VERSION, MAGIC, PHASE_MASK, PHASE_RETIRED, STATUS_SHIFT } from '../src/layout.js'
import { declareDead, isZero, releaseSlot, statusOf } from './support.js'

/** What this file needs of it; neither our library settings nor the oldest types of Node declare it. */
declare const WebAssembly: {
  Memory: new (o: { initial: number; maximum: number; shared: true }) => { buffer: SharedArrayBuffer; grow(pages: number): void }
}

describe('create', () => {
  it('rounds the size up to whole cache lines and starts empty', () => {
    const region = Region.create({ bytes: 100_001 })
    expect(region.buffer.byteLength).toBe(100_032)
    expect(region.stats()).toMatchObject({ bytes: 100_032, used: 0, blocks: 0 })
    expect(region.agents).toBe(128)
    expect(region).toMatchObject({ debug: false, metrics: false, diagnostics: false })
    expect(Region.create({ bytes: 1 << 20, debug: true, metrics: true, diagnostics: true })).toMatchObject({
      debug: true,
      metrics: true,
      diagnostics: true,
    })
  })

  it('accepts the smallest region that it names', () => {
    for (const agents of [1, 255]) {
      const bytes = AGENT_TABLE_AT + agents * 384 + 4096
      expect(Region.create({ bytes, agents }).stats().free).toBeGreaterThan(4000)
      expect(() => Region.create({ bytes: bytes - 1, agents })).toThrow(InvalidArgumentError)
    }
  })

  it.each([0, -1, 1.5, 256, Number.NaN, '4' as unknown as number])('refuses %s agents', (agents) => {
    expect(() => Region.create({ bytes: 1 << 20, agents })).toThrow(/agents must be an integer from 1 to 255/)
  })

  it.each([0, -1, 1000, 2 ** 20 + 0.5, 2 ** 31, Number.NaN, Infinity])('refuses %s bytes', (bytes) => {
    expect(() => Region.create({ bytes })).toThrow(InvalidArgumentError)
  })

  it('gives each region an id of its own', () => {
    const ids = Array.from({ length: 50 }, () => Region.create({ bytes: 1 << 20 }).id)
    expect(new Set(ids).size).toBe(50)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/)
  })
})

describe('create in a given buffer', () => {
  it('works in a shared WebAssembly.Memory, beside the memory that the module keeps', () => {
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 16, shared: true })
    const { buffer } = memory
    const region = Region.create({ buffer, bytes: 128 * 1024, agents: 4 })
    expect(region.buffer).toBe(buffer)
    expect(region.stats().bytes).toBe(128 * 1024)
    // The module's own half is visible, and never allocated.
    expect(region.bytes.length).toBe(256 * 1024)
    const { largest } = region.stats()
    expect(region.alloc(largest) + largest).toBeLessThanOrEqual(128 * 1024)
    expect(Region.attach(memory.buffer)).toBe(region)
    memory.grow(2)
    expect(Region.attach(memory.buffer)).toBe(region)
    region.check()
  })

  it('zeroes what it gives out, whatever was in the buffer', () => {
    const buffer = new SharedArrayBuffer(64 * 1024)
    new Uint8Array(buffer).fill(0xee)
    const region = Region.create({ buffer, agents: 2 })
    for (const bytes of [1, 100, 5000, region.stats().largest - 6000]) expect(isZero(region, region.alloc(bytes), bytes)).toBe(true)
    region.check()
    expect(registerAgent(region.words)).toMatchObject({ id: 2, generation: 0 })
  })

  it('refuses a region, what is no shared buffer, and more bytes than there are', () => {
    const region = Region.create({ bytes: 1 << 20 })
    const at = region.alloc(8)
    expect(() => Region.create({ buffer: region.buffer })).toThrow(/already/)
    region.free(at)
    expect(() => Region.create({ buffer: new ArrayBuffer(1 << 20) as unknown as SharedArrayBuffer })).toThrow(InvalidArgumentError)
    expect(() => Region.create({ buffer: new SharedArrayBuffer(1 << 20), bytes: (1 << 20) + 64 })).toThrow(/the buffer's size/)
    expect(() => Region.create({ buffer: new SharedArrayBuffer(0) })).toThrow(InvalidArgumentError)
  })

  it('keeps its size in a growable buffer', () => {
    const Growable = SharedArrayBuffer as unknown as new (
      bytes: number,
      options: { maxByteLength: number },
    ) => SharedArrayBuffer & { grow(bytes: number): void }
    const buffer = new Growable(128 * 1024, { maxByteLength: 256 * 1024 })
    const region = Region.create({ buffer, agents: 4 })
    buffer.grow(256 * 1024)
    expect(region.bytes.length).toBe(128 * 1024)
    expect(() => region.alloc(128 * 1024)).toThrow(RegionFullError)
    expect(Region.attach(buffer)).toBe(region)
  })
})

describe('attach', () => {
  const broken = (word: number, value: number): SharedArrayBuffer => {
    const buffer = new SharedArrayBuffer(1 << 20)
    const region = Region.create({ buffer, agents: 4 })
    region.words[word] = value
    return buffer
  }

  it('gives the same Region for every copy of the buffer', () => {
    const region = Region.create({ bytes: 1 << 20 })
    const copy = structuredClone(region.buffer)
    expect(copy).not.toBe(region.buffer)
    expect(Region.attach(copy)).toBe(region)
    expect(Region.attach(region.buffer)).toBe(region)
  })

  it('opens a buffer of another realm', () => {
    const buffer = runInNewContext('new SharedArrayBuffer(1 << 20)') as SharedArrayBuffer
    expect(buffer instanceof SharedArrayBuffer).toBe(false)
    const region = Region.create({ buffer, agents: 4 })
    expect(Region.attach(buffer)).toBe(region)
  })

  it.each([
    ['nothing', undefined],
    ['an ArrayBuffer', new ArrayBuffer(1 << 20)],
    ['a view', new Int32Array(new SharedArrayBuffer(1 << 20))],
    ['a handle', { buffer: new SharedArrayBuffer(1 << 20) }],
    ['an empty buffer', new SharedArrayBuffer(0)],
    ['a small buffer', new SharedArrayBuffer(1000)],
    ['a zeroed buffer', new SharedArrayBuffer(1 << 20)],
    ['another magic number', broken(H_MAGIC, MAGIC + 1)],
    ['another version', broken(H_VERSION, 99)],
    ['more bytes than the buffer has', broken(H_BYTES, 1 << 21)],
    ['negative bytes', broken(H_BYTES, -64)],
    ['no agents', broken(H_AGENTS, 0)],
    ['too many agents', broken(H_AGENTS, 5000)],
    ['a heap elsewhere', broken(H_HEAP, 64)],
  ])('refuses %s', (_name, buffer) => {
    expect(() => Region.attach(buffer as SharedArrayBuffer)).toThrow(RegionFormatError)
  })

  it('names both versions', () => {
    expect(() => Region.attach(broken(H_VERSION, 99))).toThrow(/version 99.*version 1/)
  })
})

describe('default', () => {
  it('is one for the agent, and replaceable', () => {
    const first = Region.default
    expect(Region.default).toBe(first)
    const mine = Region.create({ bytes: 1 << 20 })
    Region.useAsDefault(mine)
    expect(Region.default).toBe(mine)
    Region.useAsDefault(first)
  })
})

describe('agents', () => {
  it('registers on first use, once', () => {
    const region = Region.create({ bytes: 1 << 20, agents: 2 })
    expect(statusOf(region, 1)).toBe(0)
    region.alloc(8)
    expect(statusOf(region, 1)).toBe(1)
    expect(region.self.get()).toBe(region.self.get())
    expect(region.self.get()).toMatchObject({ id: 1, generation: 0, at: agentRecord(1) })
    expect(statusOf(region, 2)).toBe(0)
  })

  it('refuses the agent that has no slot left, until one is given back', () => {
    const region = Region.create({ bytes: 1 << 20, agents: 3 })
    const agents = [1, 2, 3].map(() => registerAgent(region.words))
    expect(agents.map(({ id }) => id)).toEqual([1, 2, 3])
    expect(new Set(agents.map(({ tag }) => tag)).size).toBe(3)
    let error: unknown
    try {
      region.alloc(8)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(AgentLimitError)
    expect(error).toMatchObject({ code: 'ERR_AGENT_LIMIT', message: expect.stringContaining('3') as string })
    declareDead(region, agents[1]!)
    expect(() => region.alloc(8)).toThrow(AgentLimitError)
    releaseSlot(region, agents[1]!)
    expect(region.alloc(8)).toBeGreaterThan(0)
    expect(region.self.get()).toMatchObject({ id: 2, generation: 1 })
    expect(region.self.get().tag).not.toBe(agents[1]!.tag)
  })

  it('never gives out a retired slot', () => {
    const region = Region.create({ bytes: 1 << 20, agents: 2 })
    region.words[agentRecord(1) >> 2] = (0xffff << STATUS_SHIFT) | PHASE_RETIRED
    expect(registerAgent(region.words).id).toBe(2)
    expect(() => registerAgent(region.words)).toThrow(AgentLimitError)
    expect(statusOf(region, 1) & PHASE_MASK).toBe(PHASE_RETIRED)
  })
})
