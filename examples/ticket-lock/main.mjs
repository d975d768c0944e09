/**
 * `node examples/ticket-lock/main.mjs [workers] [turns]`: workers that block and a main thread that awaits count under one ticket lock;
 * then they queue up one by one, and are served in that order.
 */
import { Worker } from 'node:worker_threads'
import { adopt, AtomicInt32, nodeHost, Region, setHost } from 'heddle'
import { TicketLock } from './ticket-lock.mjs'

setHost(nodeHost)
const workers = Number(process.argv[2] ?? 3)
const turns = Number(process.argv[3] ?? 500)
const region = Region.create({ bytes: 1 << 20, agents: workers + 1 })
const lock = new TicketLock({ region })
const counter = new AtomicInt32({ region })
const answers = []
const waiters = []
const crew = Array.from({ length: workers }, () => {
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { lock: lock.toHandle(), counter: counter.toHandle(), turns } })
  adopt(worker)
  worker.on('message', (answer) => {
    answers.push(answer)
    for (const look of waiters.splice(0)) look()
  })
  return worker
})
const answered = async (count) => {
  while (answers.length < count) await new Promise((resolve) => waiters.push(resolve))
}

// Everybody counts, by a load and a store: right only if one at a time does.
for (const worker of crew) worker.postMessage('count')
for (let turn = 0; turn < turns; turn++) {
  await lock.lockAsync()
  counter.store(counter.load() + 1)
  lock.unlock()
}
await answered(workers)
const expected = (workers + 1) * turns
const counted = counter.load()
console.log(`${counted} of ${expected} counted`)

// One after another they draw a ticket, while this thread has the lock.
await lock.lockAsync()
answers.length = 0
for (const [index, worker] of crew.entries()) {
  const before = lock.tickets
  worker.postMessage(index)
  while (lock.tickets === before) await new Promise((resolve) => setImmediate(resolve))
}
counter.store(0)
lock.unlock()
await answered(workers)
const inOrder = answers.every(({ index, turn }) => index === turn)
console.log(inOrder ? 'served in order of arrival' : `served out of order: ${JSON.stringify(answers)}`)
for (const worker of crew) worker.postMessage('end')
process.exitCode = counted === expected && inOrder ? 0 : 1
