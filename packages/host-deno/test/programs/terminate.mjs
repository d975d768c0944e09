// What a terminated worker still does: one of the program's own, and one of heddle's. Prints it as JSON.
import { Worker } from 'node:worker_threads'
import { Region } from '../../../atomics/dist/index.js'
import { Executor } from '../../../executor/dist/index.js'
import { denoHost } from '../../dist/index.js'

const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms))

/** A worker without a lock: what wakes up when a notify is sent after its end. */
async function raw() {
  const words = new Int32Array(new SharedArrayBuffer(64))
  const worker = new Worker(new URL('./raw.worker.mjs', import.meta.url), { workerData: { words } })
  await new Promise((resolve) => worker.once('message', resolve))
  // Nothing tells that it sleeps: it has said that it is about to.
  await turn(100)
  await worker.terminate()
  let woken = 0
  for (const end = performance.now() + 10_000; woken === 0 && performance.now() < end;) {
    await turn(10)
    woken = Atomics.notify(words, 0, 1)
  }
  return { woken }
}

async function ofHeddle(name) {
  const { work } = await import('./tasks.mjs')
  const region = Region.create({ bytes: 4 << 20 })
  const executor = await Executor.start({ host: denoHost, workers: 1, region })
  const at = region.alloc(64) >> 2
  for (let i = 0; i < 4; i++) Atomics.store(region.words, at + i, 0)
  // The worker's default region is the executor's.
  const call = executor.run(work[name], at).catch((error) => error.code)
  while (Atomics.load(region.words, at + 3) === 0) await turn(1)
  if (name === 'sleep') for (const end = performance.now() + 200; performance.now() < end;) await turn(1)
  await executor.terminate()
  const before = Atomics.load(region.words, at + 2)
  const woken = Atomics.notify(region.words, at, 1)
  for (const end = performance.now() + 200; performance.now() < end;) await turn(1)
  return { code: await call, woken, ran: Atomics.load(region.words, at + 2) - before + Atomics.load(region.words, at + 1) }
}

console.log(
  JSON.stringify({
    raw: await raw(),
    heddle: { sleeping: await ofHeddle('sleep'), computing: await ofHeddle('compute') },
  }),
)
