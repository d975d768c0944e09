import { Executor } from '@heddle/executor'
import { nodeHost } from '@heddle/node'
import { work } from './tasks.mjs'
const e = await Executor.start({ host: nodeHost, workers: 1 })
const best = { flight: 0, one: Infinity, object: 0, text: 0 }
const o = { id: 1, name: 'hello', ok: true }
const text = 'x'.repeat(1024)
async function flight(N, f) {
  let left = N
  const t = performance.now()
  const one = async () => {
    while (left-- > 0) await f()
  }
  await Promise.all(Array.from({ length: 1000 }, one))
  return N / (performance.now() - t)
}
const cpu0 = process.cpuUsage()
let n = 0
for (let i = 0; i < 6; i++) {
  await flight(50000, () => e.run(work.nothing))
  n += 50000
}
const cpu = process.cpuUsage(cpu0)
console.log('cpu ns/op', (((cpu.user + cpu.system) / n) * 1000).toFixed(0))
for (let round = 0; round < 12; round++) {
  best.flight = Math.max(best.flight, await flight(50000, () => e.run(work.nothing)))
  best.object = Math.max(best.object, await flight(30000, () => e.run(work.echo, o)))
  best.text = Math.max(best.text, await flight(30000, () => e.run(work.echo, text)))
  for (let j = 0; j < 10; j++) {
    const t = performance.now()
    for (let i = 0; i < 1000; i++) await e.run(work.nothing)
    best.one = Math.min(best.one, performance.now() - t)
  }
}
console.log(`K/s: flight ${best.flight.toFixed(0)} object ${best.object.toFixed(0)} text ${best.text.toFixed(0)} one ${best.one.toFixed(2)} us`)
