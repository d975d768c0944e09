/** The other thread of a round trip over two of heddle's parkers, cells or queues. */
import { parentPort, workerData } from 'node:worker_threads'
import { AtomicInt32, type Handle } from '@heddle/atomics'
import { notify, Parker, waitOn } from '@heddle/park'
import { limits } from '@heddle/atomics/ops'
import { END } from '../suites/park/round-trip.js'

const { role, ping, pong, turn, spin } = workerData as { role: string; ping: Handle; pong: Handle; turn: Handle; spin: boolean }
const word = AtomicInt32.fromHandle(turn)
if (!spin) limits.spin = 0

const roles: Record<string, () => void> = {
  parker() {
    const mine = Parker.fromHandle(ping)
    const other = Parker.fromHandle(pong)
    for (;;) {
      mine.park()
      if (word.load() === END) return
      word.add(1)
      other.unpark()
    }
  },
  cell() {
    const mine = AtomicInt32.fromHandle(ping)
    const other = AtomicInt32.fromHandle(pong)
    for (let next = 1; ; next++) {
      while (mine.load() === next - 1) waitOn(mine, next - 1)
      if (word.load() === END) return
      word.add(1)
      other.store(next)
      notify(other)
    }
  },
}
parentPort?.postMessage('ready')
roles[role]?.()
