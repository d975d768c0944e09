import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test('load buffering: two threads never both read what the other stores afterwards', async () => {
  const outcomes = await runProgram('load-buffering', 'atomic', 2, 2)
  printOutcomes('LB  r0=x; y=1  |  r1=y; x=1', outcomes, ['1 1'])
  expect(outcomes.has('1 1')).toBe(false)
})
