// Programs that never shut their executor down.
import { Executor, nodeHost, work } from './scenario.mjs'
import { work as threads } from './thread-tasks.mjs'

const executor = await Executor.start({ host: nodeHost, workers: 2 })
await executor.run(work.add, 1, 2)
const programs = {
  idle() {
    console.log('done')
  },
  pending() {
    executor.run(work.later, 'late', 100).then(console.log)
    console.log('waiting')
  },
  unref() {
    executor.run(work.later, 'late', 5000).then(console.log)
    executor.unref()
    console.log('waiting')
  },
  detached() {
    executor.spawn(work.later, ['late', 5000]).detach()
    console.log('waiting')
  },
  async thread() {
    const thread = await executor.thread(threads.sumLater)
    void thread.joinAsync().then(console.log)
    console.log('waiting')
    thread.send(1)
    thread.close()
  },
  async 'detached-thread'() {
    const thread = await executor.thread(threads.echo)
    console.log(await thread.request('waiting'))
    thread.detach()
  },
  failed() {
    void executor.run(work.fail, 'nobody handles this')
  },
  async print() {
    await executor.run(work.log, 'from a task')
    executor.spawn(work.say, ['still running']).detach()
    // The line comes while its task still waits; then nothing keeps the process.
    await new Promise((resolve) => setTimeout(resolve, 300))
  },
}
await programs[process.argv[2]]()
