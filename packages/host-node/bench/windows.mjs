// `node packages/host-node/bench/windows.mjs`: what a call costs, in windows of a few milliseconds, so that a busy machine's quiet moments
// can be told from the others. For comparing with rivals: `npm run bench executor`.
import { loadavg } from 'node:os'
import { Executor } from '@heddle/executor'
import { nodeHost } from '@heddle/node'
import { work } from '../test/scenarios/tasks.mjs'

const executor = await Executor.start({ host: nodeHost, workers: 1 })
const quantile = (sorted, p) => sorted[Math.floor(p * (sorted.length - 1))]

async function flood(name, windows, call) {
  const calls = 10_000
  const rates = []
  for (let i = 0; i < windows; i++) {
    let left = calls
    const begun = performance.now()
    const one = async () => {
      while (left-- > 0) await call()
    }
    await Promise.all(Array.from({ length: 1000 }, one))
    rates.push(calls / (performance.now() - begun))
  }
  rates.sort((a, b) => a - b)
  console.log(`${name}, 1000 in flight: median ${quantile(rates, 0.5).toFixed(0)} K/s, 98th percentile ${quantile(rates, 0.98).toFixed(0)} K/s`)
}

const object = { id: 1, name: 'hello', ok: true }
const text = 'x'.repeat(1024)
await flood('trivial task', 300, () => executor.run(work.nothing))
await flood('small object', 100, () => executor.run(work.echo, object))
await flood('1 KB string', 100, () => executor.run(work.echo, text))

const times = []
for (let i = 0; i < 200; i++) {
  const begun = performance.now()
  for (let call = 0; call < 500; call++) await executor.run(work.nothing)
  times.push((performance.now() - begun) * 2)
}
times.sort((a, b) => a - b)
console.log(
  `one awaited call: median ${quantile(times, 0.5).toFixed(2)} µs, 2nd percentile ${quantile(times, 0.02).toFixed(2)} µs; load ${loadavg()[0].toFixed(1)}`,
)
