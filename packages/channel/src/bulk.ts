/** Many values of a scalar codec at once: they lie in the ring as in a typed array, and are copied as one. */
import type { Codec, Region } from '@heddle/atomics'
import { copy } from '@heddle/atomics/ops'

/** Up to this many values a loop beats a bulk copy's fixed cost (measured, V8: some 100 ns for the view that the copy needs). */
const LOOP_VALUES = 24

type View = Int32Array | Uint32Array | Float64Array | BigInt64Array

const SCALARS: ReadonlySet<string> = /* @__PURE__ */ new Set(['i32', 'u32', 'f64', 'bigint64'])

/** The region as an array of what the codec writes; undefined for codecs that are not scalar. */
function viewOf(region: Region, kind: string): View | undefined {
  switch (kind) {
    case 'i32':
      return region.words
    case 'u32':
      return new Uint32Array(region.buffer, 0, region.words.length)
    case 'f64':
      return region.floats
    case 'bigint64':
      return region.words64
    default:
      return undefined
  }
}

/** Whether the codec is one of a number: it calls nothing of the caller's. */
export function isScalar(codec: Codec<never>): boolean {
  return SCALARS.has(codec.kind)
}

/** How many values of one codec go in and out. Whoever calls has the slots for itself: plain accesses. */
export class Bulk<T> {
  private constructor(
    private readonly region: Region,
    private readonly codec: Codec<T>,
    private readonly view: View,
  ) {}

  static of<T>(region: Region, codec: Codec<T>): Bulk<T> | undefined {
    const view = viewOf(region, codec.kind)
    return view === undefined ? undefined : new Bulk(region, codec, view)
  }

  /** Writes `count` values from `from` on. @throws what the codec throws for one of them; those before it are written then */
  write(at: number, values: ArrayLike<T>, from: number, count: number): void {
    const { region, codec, view } = this
    if (count > LOOP_VALUES && values.constructor === view.constructor) copy(view as Int32Array, at / codec.bytes, values as never, from, count)
    else for (let i = 0; i < count; i++) codec.write(region, at + i * codec.bytes, values[from + i]!)
  }

  /** Reads `count` values into a list, from `to` on. */
  read(at: number, into: { [index: number]: T }, to: number, count: number): void {
    const { region, codec, view } = this
    if (count > LOOP_VALUES && into.constructor === view.constructor)
      copy(into as never as Int32Array, to, view as Int32Array, at / codec.bytes, count)
    else for (let i = 0; i < count; i++) into[to + i] = codec.read(region, at + i * codec.bytes)
  }
}
