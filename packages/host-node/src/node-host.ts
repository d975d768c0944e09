/** heddle's platform on Node. */
import type { Host } from '@heddle/park'
import { workerThreadsHost } from './worker-threads.js'

/** Node: worker threads, timers, keep-alive. Pass it to `Executor.start`, or install it with `setHost`. */
export const nodeHost: Host = /* @__PURE__ */ workerThreadsHost('node', new URL('./worker.js', import.meta.url))
