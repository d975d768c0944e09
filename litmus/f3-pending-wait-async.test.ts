import { once } from 'node:events'
import { expect, test } from 'vitest'
import { runProcess, startWorker } from './src/run.js'

const WORDS = 'const words = new Int32Array(new SharedArrayBuffer(4))'

test('F3: a pending waitAsync keeps no process alive', async () => {
  const { code, stdout } = await runProcess(`
    ${WORDS}
    void Atomics.waitAsync(words, 0, 0).value.then(() => console.log('woken'))
    console.log('waiting')`)
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'waiting\n' })
})

test('F3: a top-level await of a pending waitAsync ends the process with code 13', async () => {
  const { code, stdout } = await runProcess(`
    ${WORDS}
    console.log('waiting')
    await Atomics.waitAsync(words, 0, 0).value
    console.log('woken')`)
  expect({ code, stdout }).toEqual({ code: 13, stdout: 'waiting\n' })
})

test('F3: a pending waitAsync keeps no worker alive', async () => {
  const worker = startWorker('waiter', { role: 'abandon', buffer: new SharedArrayBuffer(16) })
  const [code] = (await once(worker, 'exit')) as [number]
  expect(code).toBe(0)
})
