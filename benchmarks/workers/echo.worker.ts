/** The other thread of a round trip, without heddle: answers each ping in the way that its role says. */
import { parentPort, workerData } from 'node:worker_threads'
import { END, PING, PONG } from '../suites/park/round-trip.js'

const { role, buffer } = workerData as { role: string; buffer: SharedArrayBuffer }
const words = new Int32Array(buffer)

const roles: Record<string, () => void> = {
  spin() {
    for (let turn = 1; ; turn++) {
      let ping = Atomics.load(words, PING)
      while (ping !== turn && ping !== END) ping = Atomics.load(words, PING)
      if (ping === END) return
      Atomics.store(words, PONG, turn)
    }
  },
  wait() {
    for (let turn = 1; ; turn++) {
      while (Atomics.load(words, PING) === turn - 1) Atomics.wait(words, PING, turn - 1)
      if (Atomics.load(words, PING) === END) return
      Atomics.store(words, PONG, turn)
      Atomics.notify(words, PONG)
    }
  },
  postMessage() {
    parentPort?.on('message', (turn: number) => {
      if (turn === END) parentPort?.close()
      else parentPort?.postMessage(turn)
    })
  },
}
parentPort?.postMessage('ready')
roles[role]?.()
