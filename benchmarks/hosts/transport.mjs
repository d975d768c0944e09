/**
 * How fast calls and messages get from one thread to another and back: heddle against the host's own `postMessage`. Knows no runtime but by `heddle`;
 * see scripts/bench-hosts.mjs.
 */
import { channel, Executor, i32 } from 'heddle'
import { work } from './tasks.mjs'

/** A worker that echoes, and one round trip through it. */
async function openEcho() {
  const url = new URL('./echo.worker.mjs', import.meta.url)
  const isNode = globalThis.Worker === undefined
  const worker = isNode ? new (await import('node:worker_threads')).Worker(url) : new globalThis.Worker(url, { type: 'module' })
  let arrived = () => undefined
  if (isNode) worker.on('message', (value) => arrived(value))
  else worker.onmessage = ({ data }) => arrived(data)
  const trip = (value) =>
    new Promise((resolve) => {
      arrived = resolve
      worker.postMessage(value)
    })
  await trip(0)
  return { trip, close: () => worker.terminate() }
}

/** Nanoseconds for one, of the best of a few runs of about `ms`: others who use the machine make it only worse. */
async function fastest(run, ms) {
  let count = 1
  let best = Infinity
  for (let taken = 0; taken < ms;) {
    const begun = performance.now()
    await run(count)
    taken = performance.now() - begun
    if (taken < ms) count = Math.ceil(count * Math.min(8, Math.max(2, (ms * 1.1) / Math.max(taken, 0.01))))
  }
  for (let i = 0; i < 3; i++) {
    const begun = performance.now()
    await run(count)
    best = Math.min(best, ((performance.now() - begun) * 1e6) / count)
  }
  return best
}

/** @param {(row: { name: string, ns: number }) => void} report */
export async function measure(report, ms = 200) {
  const echo = await openEcho()
  const executor = await Executor.start({ workers: 1 })
  await executor.run(work.add, 1, 2)
  const check = (got, expected) => {
    if (got !== expected) throw new Error(`expected ${expected}, got ${got}`)
  }
  const kilobyte = new Uint8Array(1024)
  const block = new Uint8Array(100 * 1024)
  const each = (body) => async (n) => {
    for (let i = 0; i < n; i++) await body(i)
  }
  const rows = {
    'bare postMessage, there and back': each(async (i) => check(await echo.trip(i), i)),
    'a call, awaited': each(async (i) => check(await executor.run(work.add, i, 1), i + 1)),
    'an async call, awaited': each(async (i) => check(await executor.run(work.addLater, i, 1), i + 1)),
    'calls, 1,000 open': async (n) => {
      for (let left = n; left > 0; left -= 1000) {
        const calls = Array.from({ length: Math.min(1000, left) }, (_, i) => executor.run(work.add, i, 1))
        ;(await Promise.all(calls)).forEach((sum, i) => check(sum, i + 1))
      }
    },
    'bare postMessage of 1 KiB, there and back': each(async () => check((await echo.trip(kilobyte)).length, kilobyte.length)),
    'a call with 1 KiB': each(async () => check(await executor.run(work.size, kilobyte), kilobyte.length)),
    'a call with 100 KiB': each(async () => check(await executor.run(work.size, block), block.length)),
    'a message through a channel, sent by the main thread': async (n) => {
      const [sender, receiver] = channel({ codec: i32, capacity: 1024 })
      const sum = executor.run(work.sum, receiver)
      for (let i = 0; i < n; i++) if (!sender.trySend(1)) await sender.sendAsync(1)
      sender.close()
      check(await sum, n)
    },
  }
  for (const [name, run] of Object.entries(rows)) report({ name, ns: await fastest(run, ms) })
  await executor.shutdown()
  await echo.close()
}
