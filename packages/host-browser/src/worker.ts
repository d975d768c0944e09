/**
 * The module that a pool's workers run in a browser. A worker of your own that is to serve a pool imports it, and then the modules of its tasks. In a
 * window it does nothing: a module of tasks may import it, and be both.
 *
 * The listener is in place before anything is waited for: the browser delivers messages from then on.
 */
import { serveWorker } from '@heddle/executor/worker'
import { setHost } from '@heddle/park'
import { announce } from './announce.js'
import { browserHost } from './browser-host.js'
import { listenForStart } from './mailbox.js'
import { type Failed, workerScope } from './protocol.js'

const scope = workerScope()
if (scope !== undefined) {
  const started = listenForStart()
  setHost(browserHost)
  announce()
    .then(() => started)
    .then(serveWorker)
    .catch((error: unknown) => {
      scope.postMessage({ heddleWorker: 'failed', message: error instanceof Error ? error.message : String(error) } satisfies Failed)
    })
}
