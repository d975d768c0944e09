// An executor on a third-party host: calls, waits across threads, a death, the end.
import { Executor, Mutex } from '../../dist/node.js'
import { counts, thirdPartyHost } from './third-party-host.mjs'
import { work } from './third-party-tasks.mjs'

const executor = await Executor.start({ host: thirdPartyHost, workers: 1 })
const found = [await executor.run(work.add, 1, 2), await executor.run(work.later, 'x')]
const mutex = new Mutex()
const guard = mutex.lock()
const locked = executor.run(work.locked, mutex)
await executor.run(work.add, 0, 0)
guard.release()
found.push(await locked)
found.push(await executor.run(work.exit).catch((error) => [error.code, error.cause.message]))
found.push(await executor.run(work.add, 3, 4))
await executor.shutdown()
console.log(JSON.stringify({ found, started: counts.started, held: counts.holds > 0 }))
