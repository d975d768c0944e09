import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test.each(['store', 'compareExchange', 'or'])('message passing by %s: who sees the flag sees the plain payload', async (program) => {
  const outcomes = await runProgram('message-passing', program, 2, 2)
  printOutcomes(`MP  payload=1; ${program}(flag)  |  r0=flag; r1=payload`, outcomes, ['1 0'])
  expect(outcomes.has('1 0')).toBe(false)
})
