/** Computes for so many rounds, so many times, for each message; answers each with how often that gave the expected number. */
import { parentPort } from 'node:worker_threads'
import { work } from './plain-calls.worker.js'

parentPort!.on('message', ({ rounds, times, expected }: { rounds: number; times: number; expected: number }) => {
  let right = 0
  for (let i = 0; i < times; i++) if (work(rounds) === expected) right++
  parentPort!.postMessage(right)
})
