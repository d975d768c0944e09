import { describe, expect, it } from 'vitest'
import { InvalidArgumentError } from '@heddle/atomics'
import { now, random } from '@heddle/atomics/ops'
import { CancelledError, Parker, sleepAsync, sleepFiber, TimeoutError } from '@heddle/park'
import { awaitFiber, explore, safepoint, ScheduleError, Scheduler, type Trace } from '../src/index.js'

/** Runs a little program with many possible schedules; returns what happened in which order. */
function program(scheduler: Scheduler): string {
  const log: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) {
    scheduler.spawn(function* () {
      for (let i = 0; i < 5; i++) {
        log.push(name)
        yield
      }
      for (let i = 0; i < 50; i++) {
        if (safepoint()) {
          log.push(`${name}!`)
          yield
        }
      }
    })
  }
  scheduler.run()
  return log.join(' ')
}

describe('deterministic schedules', () => {
  it('follow from the seed, and differ between seeds', () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const outcome = program(Scheduler.deterministic({ seed }))
      expect(program(Scheduler.deterministic({ seed }))).toBe(outcome)
      expect(program(new Scheduler({ seed }))).toBe(outcome)
      expect(outcome).toContain('!')
      outcomes.add(outcome)
    }
    expect(outcomes.size).toBe(20)
  })

  it('are repeated from a trace', () => {
    const recorder = Scheduler.deterministic({ seed: 42 })
    const outcome = program(recorder)
    const trace = JSON.parse(JSON.stringify(recorder.trace())) as Trace
    const replay = Scheduler.replay(trace)
    expect(program(replay)).toBe(outcome)
    expect(replay.trace()).toEqual(trace)
  })

  it('refuse a replay of another program', () => {
    const recorder = Scheduler.deterministic({ seed: 1 })
    program(recorder)
    const replay = Scheduler.replay(recorder.trace())
    replay.spawn(function* () {
      yield
    })
    expect(() => program(replay)).toThrow(/differs from its trace at step/)
    expect(() => Scheduler.replay({ ...recorder.trace(), version: 2 } as never)).toThrow(InvalidArgumentError)
    expect(() => Scheduler.deterministic({ seed: 0.5 })).toThrow(InvalidArgumentError)
    expect(() => new Scheduler().trace()).toThrow(InvalidArgumentError)
  })
})

const HOUR = 3_600_000

/** Fibers that sleep for different times, some at once; returns when each went on, in ms of the scheduler's clock. */
function sleepers(scheduler: Scheduler): { log: string[] } {
  const log: string[] = []
  for (let i = 0; i < 6; i++) {
    scheduler.spawn(
      function* () {
        const begun = now()
        for (let n = 1; n <= 3; n++) {
          yield* sleepFiber((i % 3) * HOUR + n)
          log.push(`${i} at ${Math.round(now() - begun)} drew ${random()}`)
          if (safepoint()) yield
        }
      },
      { name: `sleeper ${i}` },
    )
  }
  return { log }
}

describe('simulated time', () => {
  it('takes no time, keeps the order of deadlines, and is the same for the same seed', () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 10; seed++) {
      const runs = [0, 1].map(() => {
        const scheduler = Scheduler.deterministic({ seed })
        const { log } = sleepers(scheduler)
        scheduler.run()
        return log
      })
      expect(runs[0]).toEqual(runs[1])
      const times = runs[0]!.map((line) => Number(/at (\d+)/.exec(line)![1]))
      expect(times).toEqual([...times].sort((a, b) => a - b))
      expect(times.at(-1)).toBe(6 * HOUR + 6)
      outcomes.add(runs[0]!.join())
    }
    expect(outcomes.size).toBe(10)
  })

  it('is replayed', () => {
    const recorder = Scheduler.deterministic({ seed: 9 })
    const { log } = sleepers(recorder)
    recorder.run()
    const replay = Scheduler.replay(recorder.trace())
    const again = sleepers(replay)
    replay.run()
    expect(again.log).toEqual(log)
    expect(replay.trace()).toEqual(recorder.trace())
  })

  it('ends waits at their limits, and fibers at theirs, also when they are spawned outside', () => {
    const scheduler = Scheduler.deterministic({ seed: 1 })
    const log: unknown[] = []
    const gate = new Parker()
    scheduler.spawn(function* () {
      yield* sleepFiber(2 * HOUR)
      gate.unpark()
    })
    scheduler.spawn(function* () {
      const begun = now()
      try {
        yield* gate.parkFiber({ timeout: HOUR })
      } catch (error) {
        log.push(error instanceof TimeoutError, Math.round(now() - begun))
      }
      yield* gate.parkFiber({ timeout: 1.5 * HOUR })
      log.push(Math.round(now() - begun))
    })
    const late = scheduler.spawn(() => sleepFiber(4 * HOUR) as never, { timeout: 3 * HOUR })
    const taken = scheduler.spawn(() => sleepFiber(4 * HOUR) as never, { timeout: 3 * HOUR })
    scheduler.spawn(function* () {
      yield* sleepFiber(1)
      // Its limit goes with it.
      taken.cancel()
    })
    expect(() => late.join()).toThrow(TimeoutError)
    expect(() => taken.join()).toThrow(CancelledError)
    scheduler.run()
    expect(log).toEqual([true, HOUR, 2 * HOUR])
  })

  it('ends with the run: real timers are as they were', async () => {
    const begun = now()
    const sleeps = sleepAsync(20)
    const scheduler = Scheduler.deterministic({ seed: 1 })
    scheduler.spawn(() => sleepFiber(1000 * HOUR) as never)
    scheduler.run()
    expect(now() - begun).toBeLessThan(HOUR)
    const after = sleepAsync(20)
    await Promise.all([sleeps, after])
    expect(now() - begun).toBeGreaterThanOrEqual(20)
    expect(now() - begun).toBeLessThan(HOUR)
  })

  it('jumps on the event loop when promises have had their turn', async () => {
    const scheduler = Scheduler.deterministic({ seed: 1 })
    const log: string[] = []
    scheduler.spawn(function* () {
      yield* sleepFiber(HOUR)
      log.push('slept')
      yield* sleepFiber(HOUR)
      log.push('slept again')
    })
    scheduler.spawn(function* () {
      let promise = Promise.resolve()
      for (let i = 0; i < 20; i++) promise = promise.then(() => undefined)
      yield* awaitFiber(promise)
      log.push('promised')
    })
    await scheduler.runAsync()
    expect(log).toEqual(['promised', 'slept', 'slept again'])
  })
})

describe('explore', () => {
  /** Two fibers that read, let others run, and write. */
  function lostUpdate(scheduler: Scheduler): () => void {
    let shared = 0
    for (let i = 0; i < 2; i++) {
      scheduler.spawn(function* () {
        const read = shared
        for (let n = 0; n < 20; n++) if (safepoint()) yield
        shared = read + 1
      })
    }
    return () => expect(shared).toBe(2)
  }

  it('finds a schedule under which a program fails, names its seed, and that fails again', () => {
    const failureOf = (run: () => void): ScheduleError => {
      try {
        run()
      } catch (error) {
        return error as ScheduleError
      }
      throw new Error('it did not fail')
    }
    const failure = failureOf(() => explore(lostUpdate))
    expect(failure).toBeInstanceOf(ScheduleError)
    expect(failure.code).toBe('ERR_SCHEDULE')
    expect(failure.message).toContain(`seed ${failure.seed} `)
    expect(failure.message).toContain((failure.cause as Error).message)
    const again = failureOf(() => explore(lostUpdate, { seed: failure.seed, schedules: 1 }))
    expect(again.trace).toEqual(failure.trace)
    const replay = Scheduler.replay(failure.trace)
    const check = lostUpdate(replay)
    replay.run()
    expect(check).toThrow()
  })

  it('passes what holds under every schedule; also errors of fibers, deadlocks and of the program itself are failures', () => {
    let runs = 0
    explore(() => void runs++, { schedules: 7 })
    expect(runs).toBe(7)
    const failing = [
      (scheduler: Scheduler): void => void scheduler.spawn(() => ({ next: () => expect.fail('in a fiber') }) as never),
      (scheduler: Scheduler): void => {
        const fiber: { join?: () => unknown } = {}
        const one = scheduler.spawn(function* () {
          yield* awaitFiber(new Promise(() => undefined))
        })
        fiber.join = () => one.join()
        fiber.join()
      },
      // A lock's would look to the scheduler as if another thread could wake it.
      (scheduler: Scheduler): void => void scheduler.spawn(() => new Parker().parkFiber() as never),
      (): void => expect.fail('at once'),
    ]
    for (const body of failing) expect(() => explore(body, { schedules: 1 })).toThrow(ScheduleError)
    expect(() => explore(lostUpdate, { schedules: 0 })).toThrow(InvalidArgumentError)
  })
})
