// Threads are terminated at random moments under load, by the main thread and by one another: every send, request and join settles exactly once, and what
// was sent to one thread reaches no other.
import { Region } from '@heddle/atomics'
import { activeThreads } from '@heddle/executor'
import { assert, Executor, nodeHost, seeded, until } from './scenario.mjs'
import { work } from './thread-tasks.mjs'

const { seed, random } = seeded()
const rounds = Number(process.env.HEDDLE_KILLS ?? 8)
const expected = new Set(['ERR_WORKER_CRASHED', 'ERR_CLOSED'])
try {
  const region = Region.create({ bytes: 64 << 20 })
  const executor = await Executor.start({ host: nodeHost, workers: { min: 0, max: 1 }, region })
  const counts = { made: 0, settled: 0, failed: 0 }
  const follow = (promise) => {
    let times = 0
    counts.made++
    promise.then(
      () => void (counts.settled++, assert.equal(++times, 1)),
      (error) => {
        counts.settled++
        counts.failed++
        assert.equal(++times, 1)
        if (!expected.has(error.code)) throw error
      },
    )
    return promise.catch(() => undefined)
  }
  setTimeout(
    () => {
      console.error(
        `seed ${seed}:`,
        JSON.stringify(counts),
        activeThreads().map(({ name, state }) => `${name} ${state}`),
      )
      process.exit(1)
    },
    rounds * 1000 + 30_000,
  ).unref()
  let stop = false
  const slots = [0, 1, 2].map(() => undefined)
  const keep = async (i) => {
    while (!stop) {
      // Each answers with its own name, so that a message for one that is gone is seen when another gets it.
      const name = `thread ${i} ${counts.made}`
      const thread = await executor.thread(work.named, [name], { name })
      slots[i] = thread
      if (stop) thread.close()
      await follow(thread.joinAsync())
    }
  }
  const client = async (i) => {
    while (!stop) {
      const thread = slots[(i + counts.made) % slots.length]
      // What is sent to one that has ended fails at once: the event loop has to turn for the next one to come.
      if (thread === undefined || thread.state === 'ended') {
        await new Promise(setImmediate)
        continue
      }
      if (counts.made % 5 === 0) await follow(thread.sendAsync({ for: thread.name }))
      else if (counts.made % 7 === 0) await follow(thread.run(work.add, 1, 2))
      else
        await follow(
          thread.request({ for: thread.name, text: 'y'.repeat(counts.made % 500) }).then((name) => {
            if (name !== thread.name) throw new Error(`${name} answered for ${thread.name}`)
          }),
        )
    }
  }
  const all = Promise.all([...slots.map((_, i) => keep(i)), ...Array.from({ length: 30 }, (_, i) => client(i))])
  for (let round = 0; round < rounds; round++) {
    const before = counts.settled
    await until(() => counts.settled > before + 50 + random(1500) && slots.every((thread) => thread !== undefined))
    const victim = slots[random(slots.length)]
    const other = slots[random(slots.length)]
    const how = random(4)
    if (how === 0) await follow(victim.terminate())
    else if (how === 1) victim.close()
    else if (how === 2) await follow(victim.sendAsync({ exit: true }))
    else await follow(other.sendAsync({ terminate: victim }))
  }
  stop = true
  for (const thread of slots) thread.close()
  await all
  await until(() => counts.settled === counts.made)
  assert.ok(counts.failed > 0)
  await until(() => activeThreads().length === 0 && executor.stats().queued === 0)
  await executor.shutdown()
} catch (error) {
  console.error(`seed ${seed}`)
  throw error
}
