import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test('store buffering: of two threads that each store and then load the other, one sees the store', async () => {
  const outcomes = await runProgram('store-buffering', 'atomic', 2, 2)
  printOutcomes('SB  x=1; r0=y  |  y=1; r1=x', outcomes, ['0 0'])
  expect(outcomes.has('0 0')).toBe(false)
})

test('store buffering, as sleep and wake use it: work that is published is seen by the sleeper, or the sleeper by the waker', async () => {
  const outcomes = await runProgram('store-buffering', 'sleep', 2, 2)
  printOutcomes('SB  mode=IDLE; r0=work  |  work|=1; r1=CAS(mode)', outcomes, ['0 0'])
  expect(outcomes.has('0 0')).toBe(false)
})

test('store buffering with plain accesses is allowed: printed to show what the harness can see', async () => {
  const outcomes = await runProgram('store-buffering', 'plain', 2, 2)
  printOutcomes('SB  plain, everything allowed', outcomes)
  for (const label of outcomes.keys()) expect(['0 0', '0 1', '1 0', '1 1']).toContain(label)
})
