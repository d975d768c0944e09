import { expect, test } from 'vitest'
import { printOutcomes, runProgram } from './src/run.js'

test('plain accesses under a compare-exchange lock: no update is lost, whichever way the lock is released', async () => {
  const outcomes = await runProgram('plain-access', 'lock', 2, 2)
  const forbidden = ['0 0', '1 1']
  printOutcomes('LOCK  r0=n++  |  r1=n++', outcomes, forbidden)
  for (const label of outcomes.keys()) expect(['0 1', '1 0']).toContain(label)
})

test('a 64-bit float written plainly is whole for a reader that saw the flag', async () => {
  const outcomes = await runProgram('plain-access', 'float', 2, 2)
  printOutcomes('MP  float=pi; flag=1  |  r0=flag; r1=float is pi', outcomes, ['1 0'])
  expect(outcomes.has('1 0')).toBe(false)
})

test('bytes copied in bulk are whole for a reader that saw the flag', async () => {
  const outcomes = await runProgram('plain-access', 'copy', 2, 2)
  printOutcomes('MP  bytes.set(32); flag=1  |  r0=flag; r1=all 32 bytes there', outcomes, ['1 0'])
  expect(outcomes.has('1 0')).toBe(false)
})

test('a racing plain read of an aligned 32-bit word is not torn', async () => {
  const outcomes = await runProgram('plain-access', 'tear', 2, 1)
  printOutcomes('TEAR  x=pattern  |  r0=x (3: torn)', outcomes, ['3'])
  expect(outcomes.has('3')).toBe(false)
})
