// What a pool's workers run on it.
import { serveWorker } from '../../../executor/dist/worker.js'
import { setHost } from '../../../park/dist/index.js'
import { thirdPartyHost } from './third-party-host.mjs'

setHost(thirdPartyHost)
await serveWorker()
