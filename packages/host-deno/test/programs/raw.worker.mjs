import { parentPort, workerData } from 'node:worker_threads'

const { words } = workerData
parentPort.postMessage('ready')
Atomics.wait(words, 0, 0)
Atomics.add(words, 1, 1)
