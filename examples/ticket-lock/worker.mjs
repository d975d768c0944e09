import { parentPort, workerData } from 'node:worker_threads'
import { AtomicInt32 } from 'heddle'
import { TicketLock } from './ticket-lock.mjs'

const lock = new TicketLock({ handle: workerData.lock })
const counter = AtomicInt32.fromHandle(workerData.counter)

/** Counts one under the lock; returns what it was before. */
function count() {
  lock.lock()
  const turn = counter.load()
  counter.store(turn + 1)
  lock.unlock()
  return turn
}

parentPort.on('message', (what) => {
  if (what === 'end') parentPort.close()
  else if (what === 'count') {
    for (let turn = 0; turn < workerData.turns; turn++) count()
    parentPort.postMessage('counted')
  } else parentPort.postMessage({ index: what, turn: count() })
})
