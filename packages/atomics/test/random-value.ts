/** Random structured values, for round trips. */

const TEXTS = [
  '',
  'a',
  'name',
  'a longer piece of plain text, past every inline limit of the string encoder',
  'grün',
  '日本語',
  '👍🏽',
  '\uFEFFbom',
  'lone \uD800 surrogate',
  '\u0000',
  'x'.repeat(300),
]
const NUMBERS = [0, -0, 1, -1, 127, 128, 255, 256, -128, 65_536, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53, 0.1, -1e300, NaN, Infinity, -Infinity]
const BIGS = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, -(2n ** 63n) - 1n, 2n ** 200n, -(3n ** 100n)]

/** A value of any kind that the codec takes; parts made earlier come back, so that there are shared parts and cycles. */
export function randomValue(below: (n: number) => number, depth = 4, made: object[] = []): unknown {
  const keep = <T extends object>(value: T): T => {
    made.push(value)
    return value
  }
  const inner = (): unknown => randomValue(below, depth - 1, made)
  const pick = <T>(of: readonly T[]): T => of[below(of.length)]!
  switch (below(depth > 0 ? 24 : 8)) {
    case 0:
      return undefined
    case 1:
      return null
    case 2:
      return below(2) === 0
    case 3:
      return pick(NUMBERS)
    case 4:
      return below(2 ** 31) - 2 ** 30
    case 5:
      return pick(BIGS)
    case 6:
    case 7:
      return pick(TEXTS)
    case 8:
    case 9:
    case 10: {
      const object = keep<Record<string, unknown>>({})
      for (let n = below(20); n > 0; n--) object[pick(TEXTS) + String(below(30))] = inner()
      return object
    }
    case 11:
    case 12: {
      const array = keep<unknown[]>([])
      for (let n = below(20); n > 0; n--) array.push(inner())
      return array
    }
    case 13: {
      const array = keep<unknown[]>(new Array(below(300)))
      for (let n = below(4); n > 0; n--) array[below(300)] = inner()
      return array
    }
    case 14:
      return keep(new Date(below(2 ** 31)))
    case 15:
      return keep(new RegExp(pick(['a+', '[x/]', '(?<n>\\d)']), pick(['', 'g', 'iu'])))
    case 16: {
      const map = keep(new Map<unknown, unknown>())
      for (let n = below(6); n > 0; n--) map.set(inner(), inner())
      return map
    }
    case 17: {
      const set = keep(new Set())
      for (let n = below(6); n > 0; n--) set.add(inner())
      return set
    }
    case 18: {
      const error = keep(new (pick([Error, TypeError, RangeError]))(pick(TEXTS), { cause: inner() }))
      Object.assign(error, { code: 'ERR_TEST', detail: inner() })
      return error
    }
    case 19:
      return keep(Uint8Array.from({ length: below(100) }, () => below(256)))
    case 20: {
      const floats = new Float64Array(below(20)).map(() => below(1000) / 7)
      return keep(pick([floats, new Int16Array(below(9)), new BigInt64Array([1n, -1n]), new DataView(new ArrayBuffer(below(9)))]))
    }
    case 21:
      return keep(new Uint8Array([1, 2, 3]).buffer)
    default:
      return made.length > 0 ? pick(made) : {}
  }
}
