import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test.each(['store', 'compareExchange', 'or'])('message passing by %s: who sees the flag sees the plain payload', async (program) => {
  const outcomes = await runProgram('message-passing', program, 2, 2)
  printOutcomes(`MP  payload=1; ${program}(flag)  |  r0=flag; r1=payload`, outcomes, ['1 0'])
  expect(outcomes.has('1 0')).toBe(false)
})

test('a sequence lock: a reader that saw one version before and after has both words of one write', async () => {
  const outcomes = await runProgram('message-passing', 'version', 2, 3)
  const forbidden = ['1 0 1', '1 0 2', '1 1 0', '1 1 2', '1 2 0', '1 2 1']
  printOutcomes('SEQ  slot=v, v; version=v  |  r0=same version; r1, r2=slot', outcomes, forbidden)
  for (const label of forbidden) expect(outcomes.has(label)).toBe(false)
})
