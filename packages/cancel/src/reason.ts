/**
 * Reasons in shared memory: one encoded block for a cancelled subtree, counted by the nodes that name it.
 *
 * Layout     +0 count of nodes · +4 serial number · +8 length in bytes · +16 the encoded value (the value codec of atomics)
 * Invariants S1 A block is complete before a state word names it, and never changes: plain accesses. Who reads one has counted itself.
 *            S2 A reason that this agent gave or read before is the same object again, as long as anybody here still has it.
 */
import { registerErrorClass, RegionFullError, type Region } from '@heddle/atomics'
import { encodeValue, loadEncoded, storeEncoded } from '@heddle/atomics/internal'
import { get, set, store } from '@heddle/atomics/ops'
import { CancelledError, TimeoutError } from '@heddle/park'
import { takeSerial } from './pool.js'

const SERIAL = 1
const LENGTH = 2
const DATA_BYTES = 16
/** How many remembered reasons make it worth while to look for those that nobody has any more. */
const SWEEP_AT = 64

/** The reasons of one region that an agent has seen as objects, by serial number. */
export class Reasons {
  private readonly known = new Map<number, WeakRef<object>>()
  private sweepAt = SWEEP_AT

  constructor(private readonly region: Region) {
    registerErrorClass(CancelledError)
    registerErrorClass(TimeoutError)
  }

  /**
   * Puts a reason into a block that counts one node.
   * @returns its byte offset; 0 when the region is full: a cancel must not fail for that
   * @throws NotShareableError
   */
  write(reason: unknown): number {
    const { region } = this
    const { words } = region
    const encoded = encodeValue(portable(reason), { root: 'reason', region, counted: false })
    let block: number
    try {
      block = region.alloc(DATA_BYTES + ((encoded.length + 7) & ~7))
    } catch (error) {
      if (error instanceof RegionFullError) return 0
      throw error
    }
    const serial = takeSerial(region)
    const first = block >> 2
    set(words, first + SERIAL, serial)
    set(words, first + LENGTH, encoded.length)
    storeEncoded(region, block + DATA_BYTES, encoded)
    store(words, first, 1)
    this.remember(serial, reason)
    return block
  }

  /** What a block holds. The caller has counted itself. */
  read(block: number): unknown {
    const { region } = this
    const first = block >> 2
    const serial = get(region.words, first + SERIAL)
    const known = this.known.get(serial)?.deref()
    if (known !== undefined) return known
    const reason = loadEncoded(region, block + DATA_BYTES, get(region.words, first + LENGTH))
    this.remember(serial, reason)
    return reason
  }

  private remember(serial: number, reason: unknown): void {
    if (typeof reason !== 'object' || reason === null) return
    this.known.set(serial, new WeakRef(reason))
    if (this.known.size < this.sweepAt) return
    for (const [number, reference] of this.known) if (reference.deref() === undefined) this.known.delete(number)
    this.sweepAt = Math.max(SWEEP_AT, this.known.size * 2)
  }
}

/** A DOMException keeps its texts out of sight of codecs: an error that says the same travels in its place. */
function portable(reason: unknown): unknown {
  if (!(reason instanceof Error) || Object.hasOwn(reason, 'message') || reason.message === '') return reason
  const error = new Error(reason.message)
  const { name, stack, code } = reason as Error & { code?: unknown }
  Object.defineProperty(error, 'name', { value: name, enumerable: false, writable: true, configurable: true })
  if (stack !== undefined) error.stack = stack
  return code === undefined ? error : Object.assign(error, { code })
}
