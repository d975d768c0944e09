/** The module that a pool's workers run on Deno. */
import { workerData } from 'node:worker_threads'
import { serveWorker } from '@heddle/executor/worker'
import { setHost } from '@heddle/park'
import { denoHost } from './deno-host.js'
import { type DenoWorkerData, takeLock } from './lock.js'
import { keepMessages } from './mailbox.js'

setHost(denoHost)
keepMessages()
// Before anything else: until it is held, the end of this thread can't be told.
await takeLock((workerData as DenoWorkerData).heddleLock)
await serveWorker()
