import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test('independent reads of independent writes: two readers agree on the order of two writes', async () => {
  const outcomes = await runProgram('iriw', 'atomic', 4, 4)
  printOutcomes('IRIW  x=1  |  y=1  |  r0=x; r1=y  |  r2=y; r3=x', outcomes, ['1 0 1 0'])
  expect(outcomes.has('1 0 1 0')).toBe(false)
})
