// References to counted objects in arguments and results: the slot gives its own up, however the call ends.
import { Region, SharedBox, utf8 } from '@heddle/atomics'
import { CancelledError } from '@heddle/park'
import { transfer, WorkerCrashedError } from '@heddle/executor'
import { assert, until, withExecutor, work } from './scenario.mjs'

const text = 'x'.repeat(1000)
const newBox = () => new SharedBox({ codec: utf8(2000) }, text)
const used = () => Region.default.stats().used

await withExecutor({ workers: 2 }, async (executor) => {
  const box = newBox()
  const alone = async (what) => {
    await until(() => box.count === 1)
    assert.equal(box.count, 1, what)
  }
  const rounds = async (n) => {
    for (let i = 0; i < n; i += 100) {
      const lengths = await Promise.all(Array.from({ length: 100 }, () => executor.run(work.weigh, { box })))
      assert.ok(lengths.every((length) => length === text.length))
    }
  }
  await rounds(500)
  await alone('after some calls')
  const before = used()
  await rounds(10_000)
  await alone('after 10,000 calls')
  // As many slots as before, and nothing beside them.
  assert.equal(used(), before)

  // There and back: whoever reads it has a reference of its own.
  for (let i = 0; i < 100; i++) {
    const back = await executor.run(work.passOn, box)
    assert.equal(back.value, text)
    back.release()
  }
  await alone('after results')

  await assert.rejects(executor.run(work.refuse, box), (error) => {
    assert.equal(error.box.value, text)
    error.box.release()
    return true
  })
  await alone('after an error')

  // Taken back while others keep both workers busy, and after it has started.
  const busy = [1, 2].map(() => executor.spawn(work.releaseLate, [box]))
  const queued = Array.from({ length: 50 }, () => executor.spawn(work.weigh, [{ box }]))
  for (const handle of queued) handle.cancel()
  const given = executor.spawn(work.releaseLate, [box], { timeout: 1 })
  await Promise.all([
    ...busy.map((handle) => handle.joinAsync()),
    ...queued.map((handle) => handle.joinAsync().catch((error) => assert.ok(error instanceof CancelledError))),
  ])
  await given.joinAsync().catch(() => undefined)
  await alone('after cancelled calls')

  // Copies of what is handed over travel with a reference, what is posted can't.
  const buffer = new ArrayBuffer(8)
  assert.equal(await executor.spawnBlocking(work.weigh, [transfer({ box, buffer }, [buffer])]).joinAsync(), text.length)
  await alone('after copies of what is handed over')
  assert.throws(() => executor.run(work.weigh, transfer({ box }, [new ArrayBuffer(8)])), { code: 'ERR_NOT_SHAREABLE' })
  await alone('after a call that can’t be posted')

  // A worker that ends before it has read them, or with references of its own in hand, which are lost with it.
  const doomed = newBox()
  await assert.rejects(executor.spawn(work.dieWith, [doomed]).joinAsync(), WorkerCrashedError)
  assert.equal(doomed.count, 2)
  await rounds(1000)
  await alone('after a crash')
  const thread = await executor.thread(work.weighing)
  for (let i = 0; i < 100; i++) assert.equal(await thread.request({ box }), text.length)
  await alone('after requests')
  thread.close()
  await thread.joinAsync()
  const filled = used()
  box.release()
  assert.ok(used() < filled, 'the last reference frees the box')
})
