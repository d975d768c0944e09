// As many threads as there may be, one more, and again; many cycles; many requests; full mailboxes.
import { Region } from '@heddle/atomics'
import { activeThreads } from '@heddle/executor'
import { assert, withExecutor } from './scenario.mjs'
import { work } from './thread-tasks.mjs'

const threads = Number(process.env.HEDDLE_THREADS ?? 64)
const cycles = Number(process.env.HEDDLE_CYCLES ?? 200)
const requests = Number(process.env.HEDDLE_REQUESTS ?? 10_000)
const region = Region.create({ bytes: 64 << 20 })

await withExecutor({ maxThreads: threads, region }, async (executor) => {
  const start = () => executor.thread(work.echo)
  const all = await Promise.all(Array.from({ length: threads }, start))
  assert.equal(activeThreads().length, threads)
  await assert.rejects(start(), { code: 'ERR_THREAD_LIMIT' })
  const numbers = all.map((_, i) => i)
  assert.deepEqual(await Promise.all(all.map((thread, i) => thread.request(i))), numbers)
  // One ends, one dies: there is room for two.
  all[0].close()
  await all[0].joinAsync()
  const dies = assert.rejects(all[1].joinAsync(), { code: 'ERR_WORKER_CRASHED' })
  await all[1].terminate()
  await dies
  all.splice(0, 2, await start(), await start())
  await assert.rejects(start(), { code: 'ERR_THREAD_LIMIT' })
  assert.deepEqual(await Promise.all(all.map((thread, i) => thread.request(i))), numbers)
  for (const thread of all) thread.close()
  await Promise.all(all.map((thread) => thread.joinAsync()))
  assert.deepEqual(activeThreads(), [])

  const ids = new Set()
  for (let i = 0; i < cycles; i++) {
    const thread = await executor.thread(work.result, [i])
    ids.add(thread.id)
    assert.equal(await thread.joinAsync(), i)
  }
  assert.equal(ids.size, cycles)

  const echo = await start()
  for (let i = 0; i < requests / 10; i++) assert.equal(await echo.request(i), i)
  const answers = await Promise.all(Array.from({ length: requests }, (_, i) => echo.request(i)))
  assert.deepEqual(
    answers,
    answers.map((_, i) => i),
  )
  echo.close()
  await echo.joinAsync()

  // A mailbox holds 1,000 messages; then whoever sends waits, is refused, or gives up.
  const full = await executor.thread(work.never)
  let sent = 0
  while (full.trySend(sent)) sent++
  // The task itself began by an entry in the mailbox, which may still have been there.
  assert.ok(sent === 1000 || sent === 999, `${sent} messages`)
  if (sent === 999) full.send(sent)
  assert.equal(full.trySend(0), false)
  assert.throws(() => full.send(0, { wait: false }), { code: 'ERR_QUEUE_FULL' })
  assert.throws(() => full.send(0, { timeout: 1 }), { code: 'ERR_TIMEOUT' })
  await assert.rejects(full.sendAsync(0, { timeout: 1 }), { code: 'ERR_TIMEOUT' })
  await assert.rejects(full.request(0, { timeout: 1 }), { code: 'ERR_TIMEOUT' })
  // Whatever waits when the thread dies is told so.
  const waiting = [assert.rejects(full.sendAsync(1), { code: 'ERR_CLOSED' }), assert.rejects(full.request(2)), assert.rejects(full.joinAsync())]
  await full.terminate()
  await Promise.all(waiting)
  assert.deepEqual(activeThreads(), [])
})
