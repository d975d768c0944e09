import { assert, until, withExecutor, work } from './scenario.mjs'

const collect = async (iterable) => {
  const all = []
  for await (const one of iterable) all.push(one)
  return all
}

await withExecutor({ workers: 2 }, async (executor) => {
  const numbers = Array.from({ length: 1000 }, (_, i) => i)
  assert.deepEqual(await collect(executor.map(work.echo, numbers)), numbers)
  assert.deepEqual(
    (await collect(executor.map(work.echo, new Set(numbers), { ordered: false }))).sort((a, b) => a - b),
    numbers,
  )
  assert.deepEqual(await collect(executor.map(work.echo, [])), [])

  // Inputs are asked for one at a time, and only while there is room.
  let asked = 0
  let closed = false
  async function* source() {
    try {
      for (;;) yield asked++
    } finally {
      closed = true
    }
  }
  const progress = []
  let given = 0
  for await (const one of executor.map(work.echo, source(), { concurrency: 5, onProgress: (done, taken) => progress.push([done, taken]) })) {
    assert.equal(one, given++)
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(asked - given <= 5, `${asked} asked for, ${given} given`)
    if (given === 50) break
  }
  assert.ok(closed)
  assert.equal(progress.length, 50)
  assert.ok(progress.every(([done, taken], i) => done === i + 1 && taken >= done && taken - done <= 5))

  // In chunks: the same results, with any kind of task, a last chunk that is not full, and failures in the middle of one.
  for (const options of [{ chunk: 7 }, { chunk: 64, concurrency: 1 }, { chunk: 1000, ordered: false }]) {
    const sorted = (await collect(executor.map(work.echo, numbers, options))).sort((a, b) => a - b)
    assert.deepEqual(sorted, numbers)
    const doubled = numbers.slice(0, 100).map((x) => x * 2)
    assert.deepEqual(
      (await collect(executor.map(work.double, numbers.slice(0, 100), options))).sort((a, b) => a - b),
      doubled,
    )
    assert.deepEqual(await collect(executor.map(work.later, numbers.slice(0, 10), { chunk: 4 })), numbers.slice(0, 10))
  }
  assert.deepEqual(await collect(executor.map(work.echo, numbers, { chunk: 9 })), numbers)
  const before20 = []
  await assert.rejects(async () => {
    for await (const one of executor.map(work.failAt20, numbers, { chunk: 8 })) before20.push(one)
  }, RangeError)
  assert.deepEqual(before20, numbers.slice(0, 20))
  async function* three() {
    yield* [1, 2, 3]
    throw new Error('after three')
  }
  const before = []
  await assert.rejects(
    async () => {
      for await (const one of executor.map(work.echo, three(), { chunk: 2 })) before.push(one)
    },
    { message: 'after three' },
  )
  assert.deepEqual(before, [1, 2, 3])
  await assert.rejects(collect(executor.map(work.echo, [1], { chunk: 0 })), { code: 'ERR_INVALID_ARGUMENT' })

  // A failure ends it: what has not started never runs, the source is closed.
  closed = false
  const failing = executor.map(work.fail, source(), { concurrency: 3 })
  await assert.rejects(collect(failing), RangeError)
  assert.ok(closed)
  await until(() => executor.stats().running === 0 && executor.stats().queued === 0)

  async function* broken() {
    yield 1
    throw new Error('source')
  }
  await assert.rejects(collect(executor.map(work.echo, broken())), { message: 'source' })
  await assert.rejects(collect(executor.map(work.echo, [1, () => 2, 3])), { code: 'ERR_NOT_SHAREABLE' })

  const controller = new AbortController()
  const endless = (async () => {
    for await (const one of executor.map(work.echo, source(), { signal: controller.signal }))
      if (one > asked - 100 && asked > 500) controller.abort(new Error('enough'))
  })()
  await assert.rejects(endless, { message: 'enough' })
  assert.ok(closed)
  await assert.rejects(collect(executor.map(work.echo, [1], { concurrency: 0 })), { code: 'ERR_INVALID_ARGUMENT' })
  await assert.rejects(collect(executor.map(work.echo, 5)), { code: 'ERR_INVALID_ARGUMENT' })
})
