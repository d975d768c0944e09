/** heddle's platform on Bun: what it has of `node:worker_threads`, timers and the process is what heddle needs. */
import { workerThreadsHost } from '@heddle/node/worker-threads'
import type { Host } from '@heddle/park'

/** Bun: worker threads, timers, keep-alive. Pass it to `Executor.start`, or install it with `setHost`. */
export const bunHost: Host = /* @__PURE__ */ workerThreadsHost('bun', new URL('./worker.js', import.meta.url))
