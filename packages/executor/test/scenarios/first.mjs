import { Executor } from '@heddle/executor'
import { nodeHost } from '../../../host-node/dist/index.js'
import { work } from './tasks.mjs'
const e = await Executor.start({ host: nodeHost, workers: 1 })
console.log(await e.run(work.add, 1, 2), await e.run(work.echo, { a: [1, 'x'] }), await e.run(work.later, 'y'))
for (let round = 0; round < 3; round++) {
  const N = 300000
  let t = performance.now()
  let left = N
  const one = async () => { while (left-- > 0) await e.run(work.nothing) }
  await Promise.all(Array.from({ length: 1000 }, one))
  let d = performance.now() - t
  console.log('1000 in flight', (N / d / 1000).toFixed(2), 'M/s')
  t = performance.now()
  for (let i = 0; i < 100000; i++) await e.run(work.nothing)
  d = performance.now() - t
  console.log('one by one', (d / 100000 * 1000).toFixed(2), 'us')
  const o = { id: 1, name: 'hello', ok: true }
  left = N
  t = performance.now()
  const two = async () => { while (left-- > 0) await e.run(work.echo, o) }
  await Promise.all(Array.from({ length: 1000 }, two))
  d = performance.now() - t
  console.log('small object', (N / d ).toFixed(0), 'K/s')
}
console.log(e.stats())
