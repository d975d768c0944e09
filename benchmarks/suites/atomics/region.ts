import { Region } from '@heddle/atomics'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { bareWord, ITERATIONS, lockPair } from './bare.js'

const FLOOR = 'bare compareExchange + exchange'

/** Allocating, with nobody else at the allocator. */
export const region: Case = {
  name: 'Region.alloc + free',
  unit: 'block',
  isolation: 'shared',
  iterations: ITERATIONS,
  floor: FLOOR,
  contenders: [
    contender({ name: FLOOR, setup: () => bareWord(), run: lockPair, check: (result, n) => expectEqual(result, n) }),
    contender({
      name: '16 bytes',
      target: { ns: 150 },
      setup: () => Region.create({ bytes: 1 << 20 }),
      run: (memory, n) => {
        let places = 0
        for (let i = 0; i < n; i++) {
          const at = memory.alloc(16)
          if (at > 0) places++
          memory.free(at)
        }
        return places
      },
      check: checkAll,
    }),
    contender({
      name: '16 to 1,024 bytes, 64 blocks held',
      setup: () => ({ memory: Region.create({ bytes: 1 << 20 }), held: new Int32Array(64) }),
      run: ({ memory, held }, n) => {
        let places = 0
        for (let i = 0; i < n; i++) {
          const slot = (i * 29) & 63
          if (held[slot] !== 0) memory.free(held[slot]!)
          held[slot] = memory.alloc(16 << ((i * 7) % 7))
          if (held[slot] > 0) places++
        }
        return places
      },
      check: (result, n) => expectEqual(result, n),
      teardown: ({ memory, held }) => {
        for (const at of held) if (at !== 0) memory.free(at)
        expectEqual(memory.stats().blocks, 0, 'number of blocks left')
      },
    }),
  ],
}

function checkAll(result: number, iterations: number, memory: Region): void {
  expectEqual(result, iterations)
  expectEqual(memory.stats().blocks, 0, 'number of blocks left')
}
