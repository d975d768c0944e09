/** Bitset, slots, counter, SeqLock, box and struct, with nobody else at work. */
import { AtomicBitset, AtomicCounter, f64, i32, Region, SeqLock, SharedBox, SlotAllocator, struct } from '@heddle/atomics'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { bareWord, ITERATIONS } from './bare.js'

const common = { isolation: 'shared', iterations: ITERATIONS } as const
const smallRegion = (): Region => Region.create({ bytes: 1 << 20 })
const SIZE = 1024

/** Members are set in an order that jumps about, and claimed one at a time. */
export const bitset: Case = {
  ...common,
  name: 'AtomicBitset.set + claimFirst, 1,024 members',
  unit: 'member',
  floor: 'bare or + and',
  contenders: [
    contender({
      name: 'bare or + and',
      setup: () => new Int32Array(new SharedArrayBuffer(SIZE / 8)),
      run: (words, n) => {
        let claimed = 0
        for (let i = 0; i < n; i++) {
          const member = (i * 37) & (SIZE - 1)
          const bit = 1 << (member & 31)
          Atomics.or(words, member >>> 5, bit)
          if ((Atomics.and(words, member >>> 5, ~bit) & bit) !== 0) claimed += member
        }
        return claimed
      },
      check: checkMembers,
    }),
    contender({
      name: 'heddle',
      setup: () => new AtomicBitset(SIZE, { region: smallRegion() }),
      run: (set, n) => {
        let claimed = 0
        for (let i = 0; i < n; i++) {
          set.set((i * 37) & (SIZE - 1))
          claimed += set.claimFirst()
        }
        return claimed
      },
      check: checkMembers,
    }),
  ],
}

function checkMembers(claimed: number, n: number): void {
  let expected = 0
  for (let i = 0; i < n; i++) expected += (i * 37) & (SIZE - 1)
  expectEqual(claimed, expected)
}

/** The floor does what a free stack can't do with less: one exchange of its head to take, one to give back. */
export const slots: Case = {
  ...common,
  name: 'SlotAllocator.acquire + release',
  unit: 'slot',
  floor: 'bare 64-bit compareExchange, twice',
  contenders: [
    contender({
      name: 'bare 64-bit compareExchange, twice',
      setup: () => new BigInt64Array(new SharedArrayBuffer(64)),
      run: (words, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          if (Atomics.compareExchange(words, 0, 0n, 1n) === 0n) taken++
          Atomics.compareExchange(words, 0, 1n, 0n)
        }
        return taken
      },
      check: (result, n) => expectEqual(result, n),
    }),
    contender({
      name: 'heddle',
      setup: () => new SlotAllocator(SIZE, { region: smallRegion() }),
      run: (slots, n) => {
        let taken = 0
        for (let i = 0; i < n; i++) {
          const slot = slots.acquire()
          if (slot >= 0) taken++
          slots.release(slot)
        }
        return taken
      },
      check: (result, n, slots) => {
        expectEqual(result, n)
        expectEqual(slots.isHeld(0), false)
      },
    }),
  ],
}

export const counter: Case = {
  ...common,
  name: 'AtomicCounter.add',
  unit: 'addition',
  floor: 'bare 64-bit add',
  contenders: [
    contender({
      name: 'bare 64-bit add',
      setup: () => new BigInt64Array(new SharedArrayBuffer(64)),
      run: (words, n) => {
        const before = Atomics.load(words, 0)
        for (let i = 0; i < n; i++) Atomics.add(words, 0, 1n)
        return Number(Atomics.load(words, 0) - before)
      },
      check: (result, n) => expectEqual(result, n),
    }),
    contender({
      name: 'heddle',
      setup: () => new AtomicCounter({ region: smallRegion() }),
      run: (counter, n) => {
        const before = counter.sum()
        for (let i = 0; i < n; i++) counter.add()
        return counter.sum() - before
      },
      check: (result, n) => expectEqual(result, n),
    }),
  ],
}

/** Two floats: four words between two looks at the version. */
export const seqLock: Case = {
  ...common,
  name: 'SeqLock.read, two floats',
  unit: 'read',
  floor: 'bare loads of six words',
  contenders: [
    contender({
      name: 'bare loads of six words',
      setup: () => {
        const words = new Int32Array(new SharedArrayBuffer(64))
        words.set(new Int32Array(new Float64Array([1, 2]).buffer), 4)
        const copy = new Float64Array(2)
        return { words, copy, copyWords: new Int32Array(copy.buffer) }
      },
      run: ({ words, copy, copyWords }, n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          const version = Atomics.load(words, 0)
          for (let k = 0; k < 4; k++) copyWords[k] = Atomics.load(words, 4 + k)
          if (Atomics.load(words, 0) === version) sum += copy[0]! + copy[1]!
        }
        return sum
      },
      check: (result, n) => expectEqual(result, 3 * n),
    }),
    contender({
      name: 'heddle',
      setup: () => new SeqLock(struct({ x: f64, y: f64 }), { region: smallRegion(), value: { x: 1, y: 2 } }),
      run: (lock, n) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          const { x, y } = lock.read()
          sum += x + y
        }
        return sum
      },
      check: (result, n) => expectEqual(result, 3 * n),
    }),
  ],
}

export const box: Case = {
  ...common,
  name: 'SharedBox.clone + release',
  unit: 'reference',
  floor: 'bare add + sub',
  contenders: [
    contender({
      name: 'bare add + sub',
      setup: () => bareWord(1),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          seen += Atomics.add(words, at, 1)
          Atomics.sub(words, at, 1)
        }
        return seen
      },
      check: (result, n) => expectEqual(result, n),
    }),
    contender({
      name: 'heddle',
      setup: () => new SharedBox({ codec: i32, region: smallRegion() }, 7),
      run: (box, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const reference = box.clone()
          seen += reference === box ? 0 : 1
          reference.release()
        }
        return seen
      },
      check: (result, n, box) => {
        expectEqual(result, n)
        expectEqual(box.count, 1, 'count of references')
      },
    }),
  ],
}

export const structField: Case = {
  ...common,
  name: 'struct, a field read and written',
  unit: 'field',
  floor: 'bare Float64Array',
  contenders: [
    contender({
      name: 'bare Float64Array',
      setup: () => new Float64Array(new SharedArrayBuffer(64)),
      run: (floats, n) => {
        const before = floats[1]!
        for (let i = 0; i < n; i++) floats[1] = floats[1]! + 1
        return floats[1]! - before
      },
      check: (result, n) => expectEqual(result, n),
    }),
    contender({
      name: 'heddle',
      setup: () => new (struct({ id: i32, x: f64 }))({ region: smallRegion() }),
      run: (view, n) => {
        const before = view.x
        for (let i = 0; i < n; i++) view.x += 1
        return view.x - before
      },
      check: (result, n) => expectEqual(result, n),
    }),
  ],
}
