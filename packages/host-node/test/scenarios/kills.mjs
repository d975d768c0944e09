// Workers are terminated at random moments under load: every call settles exactly once, and nothing is left.
import { Region } from '@heddle/atomics'
import { assert, Executor, seeded, until, watchedHost, work } from './scenario.mjs'

const { seed, random } = seeded()
const rounds = Number(process.env.HEDDLE_KILLS ?? 10)
try {
  const region = Region.create({ bytes: 64 << 20 })
  const { host, natives } = watchedHost()
  const executor = await Executor.start({ host, workers: 3, region })
  let settled = 0
  let made = 0
  let crashed = 0
  let stop = false
  const client = async (i) => {
    while (!stop) {
      const x = made++
      const call = [
        () => executor.run(work.echo, x),
        () => executor.run(work.echo, { x, text: 'y'.repeat(x % 700) }),
        () => executor.run(work.later, x, x % 3),
        () => executor.run(work.nested, 2),
      ][(i + x) % 4]()
      await call.then(
        () => settled++,
        (error) => {
          settled++
          if (error.code !== 'ERR_WORKER_CRASHED') throw error
          crashed++
        },
      )
    }
  }
  // When something is lost, what there is.
  setTimeout(
    () => {
      console.error(`seed ${seed}: ${settled} of ${made} calls have ended`, JSON.stringify(executor.stats()))
      process.exit(1)
    },
    rounds * 1000 + 20_000,
  ).unref()
  const clients = Promise.all(Array.from({ length: 60 }, (_, i) => client(i)))
  for (let round = 0; round < rounds; round++) {
    const before = settled
    await until(() => settled > before + 50 + random(2000) && natives.size > 0)
    const victims = [...natives]
    await victims[random(victims.length)].terminate()
  }
  stop = true
  await clients
  assert.equal(settled, made)
  assert.ok(crashed > 0)
  await until(() => executor.stats().running === 0 && executor.stats().queued === 0)
  await executor.shutdown()
} catch (error) {
  console.error(`seed ${seed}`)
  throw error
}
