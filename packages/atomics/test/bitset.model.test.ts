/** Every place inside one operation at which another agent's operations can fall, one after another. */
import { describe, expect, it } from 'vitest'
import { AtomicBitset, Region } from '../src/index.js'
import { atEveryOperation, interleave } from './interleave.js'

const SIZES = [32, 1000, 40_000]
const region = Region.create({ bytes: 1 << 20 })

class Killed extends Error {}

const claims: [string, (bitset: AtomicBitset) => number[]][] = [
  [
    'claimFirst',
    (bitset) => {
      const member = bitset.claimFirst()
      return member < 0 ? [] : [member]
    },
  ],
  ['claimWord', membersOfWord],
]

function membersOfWord(bitset: AtomicBitset): number[] {
  const word = bitset.claimWord()
  const members: number[] = []
  for (let bits = word?.bits ?? 0; bits !== 0; bits &= bits - 1) members.push(word!.base + 31 - Math.clz32(bits & -bits))
  return members
}

function drain(bitset: AtomicBitset): number[] {
  const members: number[] = []
  for (let member = bitset.claimFirst(); member >= 0; member = bitset.claimFirst()) members.push(member)
  return members
}

/** Every word of every level is empty. */
function expectNoHints(bitset: AtomicBitset): void {
  const { words } = bitset.region
  for (let at = bitset.at + 128; at < bitset.at + AtomicBitset.bytesFor(bitset.size); at += 4) expect(words[at >> 2]).toBe(0)
}

describe.each(SIZES)('size %i', (size) => {
  const last = size - 1

  it.each(claims)('%s: a set in the middle of a claim that empties the word is not lost', (_name, claim) => {
    const operations = atEveryOperation((n) => {
      const bitset = new AtomicBitset(size, { region })
      bitset.set(last)
      const got: number[] = []
      const reached = interleave(() => got.push(...claim(bitset)), [n, () => bitset.set(last - 1)])
      const first = [...got]
      got.push(...drain(bitset))
      // A claim that began while there was a member did not come back with nothing.
      expect(first).not.toEqual([])
      expect(
        got.sort((a, b) => a - b),
        `before operation ${n}`,
      ).toEqual(reached ? [last - 1, last] : [last])
      bitset.dispose()
      return reached
    })
    expect(operations).toBeGreaterThan(2)
  })

  it.each(claims)('%s: does not say "empty" in the middle of another claim, while there is a member', (_name, claim) => {
    // The set, and later the claim of a third agent: the hint that the set saw may be gone by then.
    atEveryOperation(
      (n) =>
        atEveryOperation((later) => {
          const bitset = new AtomicBitset(size, { region })
          bitset.set(last)
          const outer: number[] = []
          const inner: number[] = []
          const reached = interleave(
            () => outer.push(...claim(bitset)),
            [n, () => bitset.set(last - 1)],
            [n + later, () => inner.push(...claim(bitset))],
          )
          if (reached && !outer.includes(last - 1)) expect(inner, `set before ${n}, claim before ${n + later}`).not.toEqual([])
          const all = [...outer, ...inner, ...drain(bitset)]
          if (reached) expect(all.sort((a, b) => a - b)).toEqual([last - 1, last])
          bitset.dispose()
          return reached
        }) > 0,
    )
  })

  it.each(['before', 'after'])('a clear of the rest, and a set %s it, in the middle of a clear leave the new member findable', (when) => {
    const fresh = last >> 1
    atEveryOperation((n) => {
      const bitset = new AtomicBitset(size, { region })
      bitset.set(last)
      bitset.set(0)
      const reached = interleave(
        () => bitset.clear(last),
        [
          n,
          () => {
            if (when === 'before') bitset.set(fresh)
            bitset.clear(0)
            if (when === 'after') bitset.set(fresh)
          },
        ],
      )
      if (reached) expect(drain(bitset), `before operation ${n}`).toEqual([fresh])
      bitset.dispose()
      return reached
    })
  })

  it('a claim in the middle of a set: the member is claimed once, and a hint that is left over does no harm', () => {
    atEveryOperation((n) => {
      const bitset = new AtomicBitset(size, { region })
      const got: number[] = []
      const reached = interleave(() => bitset.set(last), [n, () => got.push(...drain(bitset))])
      got.push(...drain(bitset))
      expect(got).toEqual([last])
      expect(bitset.claimFirst()).toBe(-1)
      expectNoHints(bitset)
      bitset.set(1)
      expect(bitset.claimFirst()).toBe(1)
      bitset.dispose()
      return reached
    })
  })

  it('a clear in the middle of a set: the hint that the set leaves is cleared by the next who looks', () => {
    atEveryOperation((n) => {
      const bitset = new AtomicBitset(size, { region })
      let cleared = false
      const reached = interleave(() => bitset.set(last), [n, () => (cleared = bitset.clear(last))])
      expect(drain(bitset)).toEqual(cleared ? [] : [last])
      expectNoHints(bitset)
      bitset.dispose()
      return reached
    })
  })

  it('a setter that dies at any operation: mend makes its member findable, and nothing else changes', () => {
    atEveryOperation((n) => {
      const bitset = new AtomicBitset(size, { region })
      let reached = false
      try {
        reached = interleave(
          () => bitset.set(last),
          [
            n,
            () => {
              throw new Killed()
            },
          ],
        )
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        reached = true
      }
      const isMember = bitset.test(last)
      bitset.mend()
      expect(drain(bitset)).toEqual(isMember ? [last] : [])
      bitset.dispose()
      return reached
    })
  })

  it('a claimer that dies at any operation: members set later are found, and "empty" is still answered', () => {
    atEveryOperation((n) => {
      const bitset = new AtomicBitset(size, { region })
      bitset.set(last)
      let reached = false
      try {
        reached = interleave(
          () => bitset.claimFirst(),
          [
            n,
            () => {
              throw new Killed()
            },
          ],
        )
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        reached = true
      }
      const isMember = bitset.test(last)
      expect(drain(bitset)).toEqual(isMember ? [last] : [])
      bitset.set(last - 1)
      bitset.set(0)
      expect(drain(bitset).sort((a, b) => a - b)).toEqual([0, last - 1])
      bitset.dispose()
      return reached
    })
  })
})
