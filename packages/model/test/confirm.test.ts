import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { check, confirm } from '../src/index.js'
import { bodies } from './fixtures/bodies.js'

test.each([
  ['lost update', 'assertion', /counted 1/],
  ['a thread that throws', 'assertion', /saw the middle/],
  ['wait and wake', 'assertion', /slept and was woken/],
  ['notify before the wait', 'deadlock', /1 of 2 threads did not end, after 5 of 5 operations/],
] as const)('%s: what the model finds happens on real workers', async (name, kind, what) => {
  const { finding } = check(name, bodies[name]!)
  expect(finding?.kind).toBe(kind)
  const start = (): Worker => new Worker(new URL('.fixtures/confirm.js', import.meta.url), { workerData: name })
  const confirmation = await confirm(finding!.schedule, bodies[name]!, start, { timeout: 500 })
  expect(confirmation).toMatchObject({ expected: kind, confirmed: true })
  expect(confirmation.what).toMatch(what)
})

test('a schedule that passes ends on real workers, too', async () => {
  const start = (): Worker => new Worker(new URL('.fixtures/confirm.js', import.meta.url), { workerData: 'lost update' })
  expect(await confirm('h1:;A2.B+', bodies['lost update']!, start)).toMatchObject({ expected: undefined, confirmed: true })
})

test('schedules with deaths or timeouts are refused', async () => {
  const never = (): Worker => {
    throw new Error('started a worker')
  }
  await expect(confirm('h1:t;A1.A*', bodies['lost update']!, never)).rejects.toThrow(/real workers can not/)
})
