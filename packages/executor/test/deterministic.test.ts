import { after, channel, selectFiber, tick } from '@heddle/channel'
import { Region, i32 } from '@heddle/atomics'
import { sleepFiber, TimeoutError } from '@heddle/park'
import { safepoint, Scheduler } from '@heddle/scheduler'
import { Mutex } from '@heddle/sync'
import { expect, it } from 'vitest'
import { Executor } from '../src/executor.js'
import { tasks } from '../src/tasks.js'

const MINUTE = 60_000

/** Locks, channels, select and timers under one scheduler; what happened in which order. */
function program(scheduler: Scheduler, region: Region): string[] {
  const log: string[] = []
  const mutex = new Mutex({ region })
  const [one, other] = [channel<number>({ region, capacity: 1, codec: i32 }), channel<number>({ region, capacity: 0, codec: i32 })]
  for (let i = 0; i < 3; i++) {
    scheduler.spawn(function* () {
      for (let n = 0; n < 3; n++) {
        const guard = yield* mutex.lockFiber()
        log.push(`${i} locks`)
        yield* sleepFiber(MINUTE)
        guard.release()
        for (let k = 0; k < 20; k++) if (safepoint()) yield
        yield* (n % 2 === 0 ? one : other)[0].sendFiber(i * 10 + n)
      }
    })
  }
  scheduler.spawn(function* () {
    try {
      yield* sleepFiber(1)
      yield* mutex.lockFiber({ timeout: 10 })
    } catch (error) {
      log.push(`not locked: ${error instanceof TimeoutError}`)
    }
  })
  scheduler.spawn(function* () {
    const beats = tick(MINUTE / 2)
    for (let received = 0; received < 9;) {
      const got = yield* selectFiber({ one: one[1], other: other[1], beats, late: after(10 * MINUTE) })
      log.push(got.key)
      if (got.key === 'one' || got.key === 'other') {
        received++
        log.push(`received ${String((got as { value: number }).value)}`)
      }
    }
  })
  scheduler.run()
  mutex.dispose()
  for (const [sender, receiver] of [one, other]) {
    sender.close()
    receiver.dispose()
  }
  return log
}

it('a deterministic scheduler decides over locks, channels, select and their timers', () => {
  const region = Region.default
  const outcomes = new Set<string>()
  for (let seed = 1; seed <= 8; seed++) {
    const recorder = Scheduler.deterministic({ seed, region })
    const log = program(recorder, region)
    expect(log).toContain('not locked: true')
    expect(log.filter((line) => line.startsWith('received'))).toHaveLength(9)
    expect(program(Scheduler.deterministic({ seed, region }), region)).toEqual(log)
    expect(program(Scheduler.replay(recorder.trace(), { region }), region)).toEqual(log)
    outcomes.add(log.join())
  }
  expect(outcomes.size).toBeGreaterThan(1)
})

let log: string[] = []
const work = tasks('test:deterministic', {
  *naps(name: string) {
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 40; k++) if (safepoint()) yield
      log.push(name)
      yield* sleepFiber(MINUTE)
    }
    return name
  },
})

it('a deterministic executor runs fibers in an order that follows from its seed, and takes no time for their sleeps', async () => {
  const outcomes = new Map<number, string>()
  for (const seed of [1, 2, 3, 4, 5, 6, 1, 2]) {
    log = []
    const executor = await Executor.start({ deterministic: { seed } })
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((name) => executor.run(work.naps, name)))).toEqual(['a', 'b', 'c', 'd'])
    await executor.shutdown()
    const outcome = log.join('')
    expect(outcome).toHaveLength(12)
    expect(outcomes.get(seed) ?? outcome).toBe(outcome)
    outcomes.set(seed, outcome)
  }
  expect(new Set(outcomes.values()).size).toBeGreaterThan(1)
  await expect(Executor.start({ deterministic: { seed: 1 }, workers: 1 })).rejects.toThrow('has no workers')
  await expect(Executor.start({ deterministic: { seed: 0.5 } })).rejects.toThrow('seed must be an integer')
})
