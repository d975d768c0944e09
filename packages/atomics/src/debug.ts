/**
 * The allocator of a `debug: true` region: red zones, a quarantine for freed memory, and the stack of each allocation.
 *
 * Source     Red zones and quarantine as in AddressSanitizer (Serebryany et al., USENIX ATC 2012), by patterns instead of shadow memory.
 * Layout     A block's payload p holds:
 *            +0 at · +4 mark · +8 bytes asked for · +12 tag of the allocating agent · +16 serial · +20 state · +24 next in quarantine · +28 length of the stack's text
 *            +32 … at  front red zone (at = p + 64, or p + align if that is more) · at … user's bytes · back red zone, 16 to 19 bytes · stack's text
 *   state    LIVE         the user's
 *            FREEING      being filled with the pattern; found under the lock, its agent died meanwhile: whoever rebuilds fills it again
 *            QUARANTINED  filled, kept until QUARANTINE_BYTES of younger garbage are behind it, or until the region is full
 * Invariants I1 Everything here happens under the allocator's lock, except what users do to their memory.
 *            I2 State is the truth, the quarantine's links and figures are hints that `afterRebuild` derives from it.
 * Finds      a write next to a block (up to the zones' width, when it changes a byte): at `free` and `check`;
 *            a write to freed memory: when the block leaves the quarantine, and at `check`;
 *            a double free, while the block is in quarantine or not given out again.
 * Can't find reads (they see the pattern: -572662528 in every word), writes that jump over the zones or restore the pattern, and
 *            writes to memory that was given out again.
 */
import { copy, fill, get, getByte, set } from '#ops'
import { type AgentIdentity, ownerId } from './agents.js'
import { Allocator, type Leak, type RegionStats, checkRequest, nameWord, notAllocated, pendingWord } from './allocator.js'
import { InvalidArgumentError, MemoryDamageError } from './errors.js'
import { DEBUG_CONTROL, HEADER_BYTES, blockSizeFor } from './heap.js'
import { H_BYTES, OWNER_GENERATION_SHIFT } from './layout.js'

const QUARANTINE_HEAD = DEBUG_CONTROL
const QUARANTINE_TAIL = DEBUG_CONTROL + 1
const HELD_BYTES = DEBUG_CONTROL + 2
const HELD_BLOCKS = DEBUG_CONTROL + 3
const SERIAL = DEBUG_CONTROL + 4

const D_AT = 0
const D_MARK = 1
const D_BYTES = 2
const D_TAG = 3
const D_SERIAL = 4
const D_STATE = 5
const D_NEXT = 6
const D_STACK = 7
const RECORD_BYTES = 32

const LIVE = 1
const FREEING = 2
const QUARANTINED = 3

/** Smallest distance from a block's payload to the user's bytes. */
const PREFIX = 64
const BACK_ZONE = 16
const ZONE_BYTE = 0xfd
const ZONE_WORD = 0xfdfdfdfd | 0
/** Its low byte is 0, which is no kind of shared object: what stands in freed memory is never taken for one. */
const FREED_WORD = 0xdddddd00 | 0
const MAX_STACK = 600
const QUARANTINE_BYTES = 4 * 1024 * 1024

/** Allocator of a debug region. Slow: for tests. */
export class DebugAllocator extends Allocator {
  override alloc(bytes: number, align: number, name = 0): number {
    checkRequest(bytes, align)
    const stack = stackHere()
    const prefix = Math.max(PREFIX, align)
    const total = prefix + bytes + BACK_ZONE + 3 + stack.length
    const { words, heap } = this
    const me = this.lock()
    const pending = pendingWord(me.at)
    set(words, nameWord(me.at), name)
    const problems: string[] = []
    const take = (): number => (total > get(words, H_BYTES) ? 0 : heap.take(blockSizeFor(total), align, pending))
    let block = take()
    if (block === 0) {
      this.evict(0, problems)
      if (problems.length > 0) {
        this.unlock(me)
        throw new MemoryDamageError(problems)
      }
      block = take()
    }
    if (block === 0) this.refuse(me, bytes, align)
    const payload = block + HEADER_BYTES
    const record = payload >> 2
    const at = payload + prefix
    set(words, record + D_STATE, 0)
    set(words, record + D_AT, at)
    set(words, record + D_MARK, this.recordMark(at))
    set(words, record + D_BYTES, bytes)
    set(words, record + D_TAG, me.tag)
    set(words, record + D_SERIAL, this.nextSerial())
    set(words, record + D_NEXT, 0)
    set(words, record + D_STACK, stack.length)
    const text = payload + stackOffset(prefix, bytes)
    fill(words, (payload + RECORD_BYTES) >> 2, (text - payload - RECORD_BYTES) >> 2, ZONE_WORD)
    fill(this.region.bytes, at, bytes, 0)
    copy(this.region.bytes, text, stack, 0, stack.length)
    set(words, record + D_STATE, LIVE)
    this.unlock(me)
    this.done(me, at, name)
    return at
  }

  override free(at: number): void {
    this.discard(this.lock(), at, 0)
  }

  override freeFrom(name: number): void {
    const me = this.lock()
    const at = get(this.words, name)
    if (at === 0) this.unlock(me)
    else this.discard(me, at, name)
  }

  protected override addressOf(block: number): number {
    return get(this.words, ((block + HEADER_BYTES) >> 2) + D_AT)
  }

  /** Under the lock, which it gives up. */
  private discard(me: AgentIdentity, at: number, name: number): void {
    const { words } = this
    const payload = this.payloadOf(at)
    const record = payload >> 2
    const state = payload === 0 ? 0 : get(words, record + D_STATE)
    if (state !== LIVE) {
      const stack = payload === 0 ? '' : this.stackOf(payload)
      this.unlock(me)
      throw new InvalidArgumentError(notAllocated(at, payload !== 0) + (stack === '' ? '' : `; it was allocated\n${stack}`))
    }
    const problems = this.zoneProblems(payload)
    if (name !== 0) this.unname(me, payload - HEADER_BYTES, name)
    set(words, record + D_SERIAL, this.nextSerial())
    set(words, record + D_STATE, FREEING)
    // It is in quarantine from here on, whoever puts it there (`afterRebuild`).
    if (name !== 0) set(words, pendingWord(me.at), 0)
    this.bury(payload)
    this.evict(Math.min(QUARANTINE_BYTES, this.heap.figures().capacity >> 3), problems)
    this.unlock(me)
    if (problems.length > 0) throw new MemoryDamageError(problems)
  }

  override stats(): RegionStats {
    const stats = super.stats()
    const [held, blocks] = this.locked(() => [get(this.words, HELD_BYTES), get(this.words, HELD_BLOCKS)] as const)
    return { ...stats, used: stats.used - held, free: stats.free + held, blocks: stats.blocks - blocks }
  }

  override check(): string[] {
    return this.locked(() => {
      const problems = this.heap.check()
      this.heap.forEachUsed((block) => {
        const payload = block + HEADER_BYTES
        if (!this.isRecord(payload)) problems.push(`the debug record at byte ${payload} was overwritten`)
        else if (get(this.words, (payload >> 2) + D_STATE) === LIVE) problems.push(...this.zoneProblems(payload))
        else problems.push(...this.graveProblems(payload))
      })
      return problems
    })
  }

  override leaks(): Leak[] {
    return this.locked(() => {
      const leaks: Leak[] = []
      this.heap.forEachUsed((block) => {
        const payload = block + HEADER_BYTES
        const record = payload >> 2
        if (!this.isRecord(payload) || get(this.words, record + D_STATE) !== LIVE) return
        const tag = get(this.words, record + D_TAG)
        leaks.push({
          at: get(this.words, record + D_AT),
          bytes: get(this.words, record + D_BYTES),
          agent: { id: ownerId(tag), generation: tag >>> OWNER_GENERATION_SHIFT },
          stack: this.stackOf(payload),
        })
      })
      return leaks
    })
  }

  protected override afterRebuild(): void {
    const { words } = this
    const graves: number[] = []
    this.heap.forEachUsed((block) => {
      const payload = block + HEADER_BYTES
      if (this.isRecord(payload) && get(words, (payload >> 2) + D_STATE) !== LIVE) graves.push(payload)
    })
    // Serials wrap: their differences order them.
    graves.sort((a, b) => (get(words, (a >> 2) + D_SERIAL) - get(words, (b >> 2) + D_SERIAL)) | 0)
    for (const word of [QUARANTINE_HEAD, QUARANTINE_TAIL, HELD_BYTES, HELD_BLOCKS]) set(words, word, 0)
    for (const payload of graves) this.bury(payload)
  }

  /** Puts a block behind the others in quarantine. */
  private bury(payload: number): void {
    const { words } = this
    const record = payload >> 2
    if (get(words, record + D_STATE) === FREEING) {
      fill(words, (payload + RECORD_BYTES) >> 2, (this.textOf(payload) - payload - RECORD_BYTES) >> 2, FREED_WORD)
      set(words, record + D_STATE, QUARANTINED)
    }
    set(words, record + D_NEXT, 0)
    const tail = get(words, QUARANTINE_TAIL)
    set(words, tail === 0 ? QUARANTINE_HEAD : (tail >> 2) + D_NEXT, payload)
    set(words, QUARANTINE_TAIL, payload)
    set(words, HELD_BYTES, get(words, HELD_BYTES) + this.heap.sizeOf(payload - HEADER_BYTES))
    set(words, HELD_BLOCKS, get(words, HELD_BLOCKS) + 1)
  }

  /** Gives the oldest blocks in quarantine back to the heap until at most `limit` bytes are held. */
  private evict(limit: number, problems: string[]): void {
    const { words, heap } = this
    while (get(words, HELD_BYTES) > limit) {
      const payload = get(words, QUARANTINE_HEAD)
      const next = get(words, (payload >> 2) + D_NEXT)
      problems.push(...this.graveProblems(payload))
      set(words, QUARANTINE_HEAD, next)
      if (next === 0) set(words, QUARANTINE_TAIL, 0)
      set(words, HELD_BYTES, get(words, HELD_BYTES) - heap.sizeOf(payload - HEADER_BYTES))
      set(words, HELD_BLOCKS, get(words, HELD_BLOCKS) - 1)
      heap.release(payload - HEADER_BYTES)
    }
  }

  private zoneProblems(payload: number): string[] {
    const { words } = this
    const { bytes } = this.region
    const record = payload >> 2
    const at = get(words, record + D_AT)
    const end = at + get(words, record + D_BYTES)
    const text = this.textOf(payload)
    let where = ''
    for (let i = (payload + RECORD_BYTES) >> 2; i < at >> 2; i++) if (get(words, i) !== ZONE_WORD) where = `within ${at - (i << 2)} bytes before`
    for (let i = end; i < text && where === ''; i++) if (getByte(bytes, i) !== ZONE_BYTE) where = `${i - end} bytes behind the end of`
    if (where !== '') return [`a write went ${where} the block at byte ${at} (${end - at} bytes), allocated\n${this.stackOf(payload)}`]
    return []
  }

  private graveProblems(payload: number): string[] {
    const { words } = this
    const text = this.textOf(payload) >> 2
    const at = get(words, (payload >> 2) + D_AT)
    for (let i = (payload + RECORD_BYTES) >> 2; i < text; i++) {
      if (get(words, i) !== FREED_WORD)
        return [`the freed block at byte ${at} was written to at offset ${(i << 2) - at}; it was allocated\n${this.stackOf(payload)}`]
    }
    return []
  }

  /** The payload whose user's bytes begin at `at`; 0 for none. */
  private payloadOf(at: number): number {
    for (let prefix = PREFIX; prefix <= 4096; prefix *= 2) {
      const payload = at - prefix
      if (this.heap.probe(payload) === 1 && this.isRecord(payload) && get(this.words, (payload >> 2) + D_AT) === at) return payload
    }
    return 0
  }

  private isRecord(payload: number): boolean {
    return get(this.words, (payload >> 2) + D_MARK) === this.recordMark(get(this.words, (payload >> 2) + D_AT))
  }

  private recordMark(at: number): number {
    return Math.imul(at ^ Number.parseInt(this.region.id.slice(0, 8), 16), 0x85ebca6b) | 1
  }

  private textOf(payload: number): number {
    const record = payload >> 2
    return payload + stackOffset(get(this.words, record + D_AT) - payload, get(this.words, record + D_BYTES))
  }

  private stackOf(payload: number): string {
    // Copied first: browsers don't decode shared memory.
    const stack = new Uint8Array(get(this.words, (payload >> 2) + D_STACK))
    copy(stack, 0, this.region.bytes.subarray(this.textOf(payload)), 0, stack.length)
    return new TextDecoder().decode(stack)
  }

  private nextSerial(): number {
    const serial = (get(this.words, SERIAL) + 1) | 0
    set(this.words, SERIAL, serial)
    return serial
  }
}

/** Where the stack's text begins, from the payload. */
function stackOffset(prefix: number, bytes: number): number {
  return (prefix + bytes + BACK_ZONE + 3) & ~3
}

/** The stack of whoever called Region.alloc, in UTF-8, cut to whole lines. */
function stackHere(): Uint8Array {
  const lines = (new Error('allocation').stack ?? '').split('\n')
  // V8 puts a line with the error's message first; then come this function, DebugAllocator.alloc and Region.alloc.
  const frames = lines.slice(lines[0]?.startsWith('Error') === true ? 4 : 3)
  let text = ''
  for (const frame of frames) {
    if (text.length + frame.length >= MAX_STACK) break
    text += (text === '' ? '' : '\n') + frame
  }
  return new TextEncoder().encode(text)
}
