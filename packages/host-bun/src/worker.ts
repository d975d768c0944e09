/** The module that a pool's workers run on Bun. */
import { serveWorker } from '@heddle/executor/worker'
import { setHost } from '@heddle/park'
import { bunHost } from './bun-host.js'

setHost(bunHost)
await serveWorker()
