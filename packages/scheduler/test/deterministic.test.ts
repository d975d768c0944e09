import { describe, expect, it } from 'vitest'
import { InvalidArgumentError } from '@heddle/atomics'
import { safepoint, Scheduler, type Trace } from '../src/index.js'

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
