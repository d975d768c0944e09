import { expect, it } from 'vitest'
import { AtomicBigInt64, AtomicBool, AtomicCounter, AtomicInt32, AtomicUint32, Region } from '../src/index.js'
import { inWorkers } from './primitives.js'

const WORKERS = 4
const ROUNDS = Number(process.env.HEDDLE_STRESS_SECONDS ?? 1) * 20_000

it('no update of a cell or counter is lost', async () => {
  const region = Region.create({ bytes: 1 << 20 })
  const int = new AtomicInt32({ region })
  const uint = new AtomicUint32({ region })
  const bool = new AtomicBool({ region })
  const big = new AtomicBigInt64({ region })
  const guarded = new AtomicInt32({ region })
  const won = new AtomicInt32({ region })
  const counter = new AtomicCounter({ region })
  const handles = {
    int: int.toHandle(),
    uint: uint.toHandle(),
    bool: bool.toHandle(),
    big: big.toHandle(),
    guarded: guarded.toHandle(),
    won: won.toHandle(),
    counter: counter.toHandle(),
  }
  await inWorkers(WORKERS, { role: 'cells', handles, rounds: ROUNDS })
  expect(big.load()).toBe(BigInt(WORKERS * ROUNDS) * 0x1_0000_0001n)
  expect(uint.load()).toBe((WORKERS * ROUNDS * 0xffff_ffff) % 2 ** 32)
  const fives = Math.ceil(ROUNDS / 3)
  expect(counter.sum()).toBe(WORKERS * (fives * 5_000_000_000 - (ROUNDS - fives)))
  expect(int.load()).toBe(WORKERS * ROUNDS)
  expect(guarded.load()).toBe(WORKERS * ROUNDS + won.load())
})
