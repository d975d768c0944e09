/** The module that a pool's workers run on Node. */
import { serveWorker } from '@heddle/executor/worker'
import { setHost } from '@heddle/park'
import { nodeHost } from './node-host.js'

setHost(nodeHost)
await serveWorker()
