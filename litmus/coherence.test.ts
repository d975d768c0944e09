import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test('coherence: two loads of one word never go back in time', async () => {
  const outcomes = await runProgram('coherence', 'atomic', 2, 2)
  const forbidden = ['1 0', '2 0', '2 1']
  printOutcomes('CoRR  x=1; x=2  |  r0=x; r1=x', outcomes, forbidden)
  for (const label of forbidden) expect(outcomes.has(label)).toBe(false)
})

test('two adds never read the same value', async () => {
  const outcomes = await runProgram('coherence', 'add', 2, 2)
  const forbidden = ['0 0', '1 1']
  printOutcomes('RMW  r0=add(x)  |  r1=add(x)', outcomes, forbidden)
  for (const label of forbidden) expect(outcomes.has(label)).toBe(false)
})

test('a word is claimed by exactly one of two compare-exchanges', async () => {
  const outcomes = await runProgram('coherence', 'claim', 2, 2)
  const forbidden = ['0 0', '1 1']
  printOutcomes('CAS  r0=claim(x)  |  r1=claim(x)', outcomes, forbidden)
  for (const label of forbidden) expect(outcomes.has(label)).toBe(false)
})
