// Programs by which schedulers and pools are known. HEDDLE_SCENARIOS=full: in the sizes in which they are known.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleepAsync } from '@heddle/park'
import { timeout } from '@heddle/executor'
import { programs } from './programs-tasks.mjs'
import { assert, withExecutor } from './scenario.mjs'

const size = (small, full) => (process.env.HEDDLE_SCENARIOS === 'full' ? full : small)
const range = (n) => Array.from({ length: n }, (_, i) => i)

await withExecutor({ workers: 2 }, async (executor) => {
  // Skynet: a fiber for each number, and for each ten, hundred, … of them.
  const numbers = size(10_000, 1_000_000)
  assert.equal(await executor.run(programs.skynet, numbers), (numbers * (numbers - 1)) / 2)

  // Thread ring: 503 fibers hand a token on.
  const token = size(5_000, 1_000_000)
  assert.equal(await executor.run(programs.threadRing, 503, token), (token % 503) + 1)

  // Chameneos-redux: everybody's meetings are twice as many as there were, and nobody meets itself.
  const meetings = size(2_000, 600_000)
  const creatures = await executor.run(programs.chameneos, [0, 1, 2, 1, 0, 2, 1, 2, 0, 1], meetings)
  assert.equal(
    creatures.reduce((sum, { met }) => sum + met, 0),
    2 * meetings,
  )
  assert.ok(creatures.every(({ self, colour }) => self === 0 && [0, 1, 2].includes(colour)))

  // Merge sort, in parallel: each half is a call.
  const unsorted = Int32Array.from(range(size(20_000, 1_000_000)), (i) => Math.imul(i + 1, 2654435761))
  assert.deepEqual(await executor.run(programs.mergeSort, unsorted, 4), unsorted.slice().sort())

  // A pipeline of two stages, the second of fibers, which holds back the first.
  let produced = 0
  const source = (function* () {
    for (; produced < size(200, 100_000); produced++) yield produced
  })()
  let received = 0
  const doubled = executor.map(programs.double, source, { concurrency: 8 })
  for await (const n of executor.map(programs.increment, doubled, { concurrency: 8 })) {
    assert.equal(n, received++ * 2 + 1)
    assert.ok(produced - received <= 64, `${produced} produced, ${received} received`)
  }
  assert.equal(received, size(200, 100_000))

  // A crawler of local files: a call for each folder and each file.
  const root = fileURLToPath(new URL('.', import.meta.url))
  const crawl = async (folder) => {
    const entries = await executor.run(programs.list, folder)
    const sizes = await Promise.all(entries.map(({ path, isFolder }) => (isFolder ? crawl(path) : executor.run(programs.measure, path))))
    return sizes.reduce((sum, bytes) => sum + bytes, 0)
  }
  const bytes = readdirSync(root, { recursive: true })
    .map((name) => statSync(join(root, name)))
    .reduce((sum, one) => sum + (one.isFile() ? one.size : 0), 0)
  assert.equal(await crawl(root), bytes)

  // Tasks that sleep, all at the same time.
  const sleepers = range(size(300, 10_000))
  assert.deepEqual(await Promise.all(sleepers.map((i) => executor.run(programs.sleep, 20 + (i % 30), i))), sleepers)

  // Calls and more calls, more than there are slots.
  const calls = size(20_000, 1_000_000)
  let sum = 0
  const some = async (from) => {
    for (let i = from; i < calls; i += 1_000) {
      const twice = await executor.run(programs.double, i)
      sum += twice
    }
  }
  await Promise.all(range(1_000).map(some))
  assert.equal(sum, calls * (calls - 1))
})

// A matrix in as many parts as there are workers.
const n = size(48, 400)
const a = Float64Array.from(range(n * n), (i) => (i % 7) - 3)
const b = Float64Array.from(range(n * n), (i) => (i % 5) - 2)
const expected = programs.multiply.fn(a, b, n, 0, n)
for (const workers of [1, 2, 4, 8])
  await withExecutor({ workers }, async (executor) => {
    const rows = n / workers
    const parts = await Promise.all(range(workers).map((i) => executor.run(programs.multiply, a, b, n, i * rows, rows)))
    assert.deepEqual(
      parts.flatMap((part) => [...part]),
      [...expected],
    )
  })

// Timers that are set and taken back, and that go off, in turns.
let late = 0
for (let round = 0; round < size(20, 1_000); round++) {
  const waits = range(100).map((i) => {
    const abort = new AbortController()
    const wait = sleepAsync(i % 10 === 0 ? 1 : 60_000, { signal: abort.signal })
    if (i % 10 !== 0) abort.abort(new Error('taken back'))
    return wait.then(
      () => late++,
      (error) => assert.equal(error.message, 'taken back'),
    )
  })
  assert.equal(await timeout(60_000, Promise.resolve(round)), round)
  await Promise.all(waits)
}
assert.equal(late, size(20, 1_000) * 10)
