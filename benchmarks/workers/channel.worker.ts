/** The receiving thread of the channel suite: adds up what comes, and answers with the sum at every end of a run. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Handle } from '@heddle/atomics'
import { Receiver, Sender } from '@heddle/channel'

const { numbers, answers, batch } = workerData as { numbers: Handle; answers: Handle; batch: boolean }
const rx = Receiver.fromHandle<number>(numbers)
const tx = Sender.fromHandle<number>(answers)
const into = new Int32Array(512)
parentPort?.postMessage('ready')
let sum = 0
/** -1 ends a run. */
function count(value: number): void {
  if (value === -1) {
    tx.send(sum)
    sum = 0
  } else sum = (sum + value) & 0x7fffffff
}
try {
  if (batch) for (;;) for (const value of rx.recvMany(into)) count(value)
  for (;;) count(rx.recv())
} catch {
  // Closed: the suite is done.
}
