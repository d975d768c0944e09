import { AtomicCounter } from '@heddle/atomics'
import * as ops from '@heddle/atomics/ops'
import { describe, expect, test } from 'vitest'
import { check, model, ModelFailure, replay } from '../src/index.js'

const words = (n: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * n))

describe('replay', () => {
  test('every operation happens once, whatever is replayed', () => {
    const report = model(
      'writes of every kind',
      ({ spawn, shared }) => {
        const view = words(16)
        const bytes = new Uint8Array(view.buffer, 32, 4)
        const floats = new Float64Array(view.buffer, 40, 1)
        const wide = new BigInt64Array(view.buffer, 48, 1)
        spawn(() => {
          shared.set(view, 1, shared.get(view, 1) + 1)
          ops.setByte(bytes, 0, ops.getByte(bytes, 0) + 1)
          ops.setFloat(floats, 0, ops.getFloat(floats, 0) + 0.5)
          ops.setBig(wide, 0, ops.getBig(wide, 0) + 1n)
          ops.add64(wide, 0, 1n)
          ops.fill(view, 2, 2, shared.get(view, 2) + 7)
          const mine = new Int32Array(2)
          ops.copy(mine, 0, view, 2, 2)
          ops.copy(view, 4, mine, 0, 2)
          Atomics.add(view, 0, 1)
          Atomics.add(view, 0, 1)
          expect([...mine]).toEqual([7, 7])
        })
        spawn(() => {
          Atomics.add(view, 0, 1)
          Atomics.add(view, 0, 1)
        })
        return () => {
          expect([...view.subarray(0, 6)]).toEqual([4, 1, 7, 7, 7, 7])
          expect([bytes[0], floats[0], wide[0]]).toEqual([1, 0.5, 2n])
        }
      },
      { preemptions: Infinity },
    )
    expect(report.executions).toBeGreaterThan(5)
  })

  test('effects, clocks, random numbers and buffers are logged', () => {
    let effects = 0
    const report = model('effects', ({ spawn, clock }) => {
      const view = words(1)
      const seen: string[] = []
      effects = 0
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const before = [ops.now(), ops.random(), ops.createBuffer(8).byteLength]
          Atomics.add(view, 0, 1)
          const effect = ops.effect(() => ++effects)
          clock.advance(3)
          Atomics.add(view, 0, 1)
          ops.effect(() => seen.push(before.join()))
          return effect
        })
      }
      return () => {
        expect(effects).toBe(2)
        expect(seen.length).toBe(2)
      }
    })
    expect(report.executions).toBeGreaterThan(2)
  })

  test('an effect that throws throws again in a replay', () => {
    model('throwing effect', ({ spawn }) => {
      const view = words(1)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          expect(() => ops.effect(() => JSON.parse('{'))).toThrow(SyntaxError)
          Atomics.add(view, 0, 1)
          Atomics.add(view, 0, 1)
        })
      }
    })
  })

  test('an effect may do operations, and wait: other threads run in its middle', () => {
    const report = model(
      'effects with operations',
      ({ spawn }) => {
        const view = words(3)
        const done: string[] = []
        for (const name of ['a', 'b']) {
          spawn(() => {
            ops.effect(() => {
              while (Atomics.compareExchange(view, 0, 0, 1) !== 0) Atomics.wait(view, 0, 1)
              Atomics.add(view, 1, 1)
              Atomics.store(view, 0, 0)
              Atomics.notify(view, 0)
              done.push(name)
            })
            Atomics.add(view, 2, 1)
            Atomics.add(view, 2, 1)
          })
        }
        return () => {
          expect([view[1], view[2]]).toEqual([2, 4])
          expect([...done].sort()).toEqual(['a', 'b'])
        }
      },
      { preemptions: Infinity },
    )
    expect(report.executions).toBeGreaterThan(10)
  })

  test('what runs before a thread is part of it, in one piece', () => {
    model('before', ({ spawn }) => {
      const view = words(2)
      const local = ops.agentLocal(() => Atomics.add(view, 0, 1))
      const threads = [0, 1].map(() =>
        spawn(
          () => {
            Atomics.add(view, 1, 1)
            Atomics.add(view, 1, 1)
            return local.get()
          },
          { before: () => void ops.effect(() => local.get()) },
        ),
      )
      return () => {
        expect(view[1]).toBe(4)
        expect(threads.map(({ outcome }) => outcome)).toEqual(['finished', 'finished'])
      }
    })
  })

  test('agent-local values are new in each run of each thread', () => {
    const local = ops.agentLocal(() => ({ count: 0 }))
    model('agent-local', ({ spawn }) => {
      const view = words(1)
      local.get().count = 100
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const before = local.get().count++
          Atomics.add(view, 0, 1)
          Atomics.add(view, 0, 1)
          return [before, local.get().count]
        })
      }
      return () => expect(local.get().count).toBe(100)
    })
  })

  test('fibers: generators made inside the thread', () => {
    function* fiber(view: Int32Array, log: number[]): Generator<void, number> {
      for (let i = 0; i < 2; i++) {
        log.push(Atomics.add(view, 0, 1))
        yield
      }
      return log.length
    }
    model('fibers', ({ spawn }) => {
      const view = words(1)
      const thread = (): number => {
        const log: number[] = []
        const fibers = [fiber(view, log), fiber(view, log)]
        while (fibers.length > 0) {
          const next = fibers.shift()!
          if (next.next().done !== true) fibers.push(next)
        }
        return log.length
      }
      const threads = [spawn(thread), spawn(thread)]
      return () => expect(threads.map(({ result }) => result)).toEqual([4, 4])
    })
  })

  test('finally blocks of a suspended thread change nothing', () => {
    model('finally', ({ spawn }) => {
      const view = words(2)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          try {
            Atomics.add(view, 0, 1)
            Atomics.add(view, 0, 1)
          } finally {
            Atomics.add(view, 1, 1)
          }
        })
      }
      return () => expect([...view]).toEqual([4, 2])
    })
  })

  test('a function that returns a promise is refused', () => {
    const report = check('async', ({ spawn }) => {
      spawn(async () => undefined)
    })
    expect(report.finding?.kind).toBe('nondeterminism')
  })
})

describe('event loops', () => {
  test('a waitAsync runs its callbacks in a turn of its thread', () => {
    const report = model(
      'waitAsync',
      ({ spawn }) => {
        const view = words(2)
        spawn(() => {
          const outcome = Atomics.waitAsync(view, 0, 0)
          if (!outcome.async) return
          void outcome.value.then((how) => {
            expect(how).toBe('ok')
            Atomics.store(view, 1, Atomics.load(view, 0))
            queueMicrotask(() => Atomics.add(view, 1, 10))
          })
        })
        spawn(() => {
          Atomics.store(view, 0, 1)
          Atomics.notify(view, 0)
        })
        return () => view[1]
      },
      { preemptions: Infinity },
    )
    expect([...report.outcomes.keys()].sort()).toEqual(['0', '11'])
  })

  test('a waitAsync that nobody ends is a deadlock, and none where the loop may be idle', () => {
    const body = (loop: 'settle' | 'idle') => (context: Parameters<Parameters<typeof check>[1]>[0]) => {
      const view = words(1)
      context.spawn(
        () => {
          const outcome = Atomics.waitAsync(view, 0, 0)
          if (outcome.async) void outcome.value.then(() => undefined)
          return 7
        },
        { loop },
      )
      context.spawn(() => Atomics.load(view, 0))
    }
    expect(check('settle', body('settle')).finding?.kind).toBe('deadlock')
    expect(check('idle', body('idle')).finding).toBeUndefined()
  })

  test('timers fire in order of the virtual clock, and can be cleared', () => {
    model('timers', ({ spawn }) => {
      const view = words(1)
      spawn(() => {
        const order: number[] = []
        const start = ops.now()
        setTimeout(() => order.push(ops.now() - start), 20)
        setTimeout(() => order.push(ops.now() - start), 10)
        const cleared = setTimeout(() => order.push(-1), 5)
        Atomics.add(view, 0, 1)
        clearTimeout(cleared)
        setTimeout(() => expect(order).toEqual([10, 20]), 30)
      })
      spawn(() => Atomics.add(view, 0, 1))
    })
  })

  test('with timeouts, a timed waitAsync may end either way', () => {
    const report = model(
      'timed waitAsync',
      ({ spawn }) => {
        const view = words(2)
        spawn(() => {
          const outcome = Atomics.waitAsync(view, 0, 0, 10)
          if (outcome.async) void outcome.value.then((how) => Atomics.store(view, 1, how === 'ok' ? 1 : 2))
        })
        spawn(() => Atomics.notify(view, 0))
        return () => view[1]
      },
      { timeouts: true, preemptions: Infinity },
    )
    expect([...report.outcomes.keys()].sort()).toEqual(['1', '2'])
  })
})

describe('choices', () => {
  test('every value, in the body and in threads', () => {
    const report = model('choose', ({ spawn, choose }) => {
      const a = choose(3)
      const thread = spawn(() => choose(2))
      return () => [a, thread.result]
    })
    expect(report.outcomes.size).toBe(6)
    expect(report.executions).toBe(6)
  })

  test('deaths: before every write, while waiting, and at the end; the reaper learns who', () => {
    const report = model(
      'deaths',
      ({ spawn }) => {
        const view = words(4)
        const dying = spawn(() => {
          Atomics.store(view, 0, 1)
          Atomics.store(view, 1, 1)
          if (Atomics.wait(view, 3, 0, 10) === 'timed-out') Atomics.store(view, 2, 1)
        })
        const reaper = spawn((dead) => [dead, Atomics.load(view, 0), Atomics.load(view, 1), Atomics.load(view, 2)], { reaper: true })
        return () => [dying.outcome, reaper.outcome, reaper.outcome === 'finished' ? reaper.result : null]
      },
      { deaths: true },
    )
    const found = [...report.outcomes.keys()].sort()
    expect(found).toEqual(
      [
        ['dead', 'finished', [0, 0, 0, 0]],
        ['dead', 'finished', [0, 1, 0, 0]],
        ['dead', 'finished', [0, 1, 1, 0]],
        ['dead', 'finished', [0, 1, 1, 1]],
        ['finished', 'not-started', null],
      ]
        .map((outcome) => JSON.stringify(outcome))
        .sort(),
    )
  })

  test('zombies run on after they were declared dead', () => {
    const report = model(
      'zombie',
      ({ spawn }) => {
        const view = words(2)
        spawn(() => {
          Atomics.store(view, 0, 1)
          Atomics.store(view, 1, 1)
        })
        const reaper = spawn(() => [Atomics.load(view, 0), Atomics.load(view, 1)], { reaper: true })
        return () => [reaper.outcome === 'finished' ? reaper.result : null, view[1]]
      },
      { deaths: true, zombies: true },
    )
    expect([...report.outcomes.keys()]).toContain('[[0,0],1]')
  })

  test('spurious wakes, and any order of notify', () => {
    const body = ({ spawn }: Parameters<Parameters<typeof check>[1]>[0]): (() => unknown) => {
      const view = words(1)
      const waiters = [0, 1].map(() => spawn(() => Atomics.wait(view, 0, 0, 5)))
      spawn(() => Atomics.notify(view, 0, 1))
      return () => waiters.map(({ result }) => result)
    }
    expect([...model('spurious', body, { spurious: true }).outcomes.keys()]).toContain('["ok","ok"]')
    expect([...model('exact', body).outcomes.keys()]).not.toContain('["ok","ok"]')
    expect(model('any', body, { notifyOrder: 'any', preemptions: Infinity }).outcomes.size).toBe(3)
  })

  test('random and PCT schedules are drawn from their seed', () => {
    const body = ({ spawn }: Parameters<Parameters<typeof check>[1]>[0]): (() => unknown) => {
      const view = words(2)
      const threads = [0, 1].map((i) =>
        spawn(() => {
          Atomics.store(view, i, 1)
          return Atomics.load(view, 1 - i)
        }),
      )
      return () => threads.map(({ result }) => result)
    }
    for (const schedules of ['random', 'pct'] as const) {
      const first = model('drawn', body, { schedules, maxExecutions: 300, seed: 5 })
      const second = model('drawn', body, { schedules, maxExecutions: 300, seed: 5 })
      expect(first.outcomes).toEqual(second.outcomes)
      expect(first.complete).toBe(false)
      expect(first.outcomes.size).toBe(3)
    }
  })
})

describe('the region', () => {
  test('the default region of 256 MB is refused rather than made in every execution', () => {
    expect(() =>
      check('huge', ({ spawn }) => {
        const counter = new AtomicCounter()
        spawn(() => counter.add())
      }),
    ).toThrow(/use the context's `region`/)
  })

  test('threads have agents of their own, the same in every execution', () => {
    model('agents', ({ region, spawn }) => {
      const counter = new AtomicCounter({ region })
      const threads = [0, 1].map(() =>
        spawn(() => {
          counter.add()
          return region.self.get().id
        }),
      )
      const own = region.self.get().id
      return () => {
        expect(new Set([own, ...threads.map(({ result }) => result)]).size).toBe(3)
        expect(threads[1]!.result).toBe(threads[0]!.result + 1)
        expect(counter.sum()).toBe(2)
      }
    })
  })
})

describe('twins', () => {
  const body =
    (twins: boolean) =>
    ({ spawn }: Parameters<Parameters<typeof check>[1]>[0]): (() => unknown) => {
      const view = words(2)
      const threads = [0, 1, 2].map(() =>
        spawn(
          () => {
            const ticket = Atomics.add(view, 0, 1)
            return [ticket, Atomics.compareExchange(view, 1, 0, ticket + 1)]
          },
          twins ? { twins: 'all' } : {},
        ),
      )
      return () => threads.map(({ result }) => JSON.stringify(result)).sort()
    }

  test.each([Infinity, 0, 1, 2])('have the same outcomes in fewer executions, preemptions %s', (preemptions) => {
    for (const schedules of ['full', 'dpor'] as const) {
      const apart = model('apart', body(false), { preemptions, schedules })
      const together = model('together', body(true), { preemptions, schedules })
      expect([...together.outcomes.keys()].sort()).toEqual([...apart.outcomes.keys()].sort())
      expect(together.executions).toBeLessThan(apart.executions)
    }
  })
})

describe('the state cache', () => {
  const body = ({ spawn }: Parameters<Parameters<typeof check>[1]>[0]): (() => unknown) => {
    const view = words(2)
    // Whoever is first: the lock is free again, and the counters don't tell.
    for (let i = 0; i < 3; i++) {
      spawn(() => {
        while (Atomics.compareExchange(view, 0, 0, 1) !== 0) Atomics.wait(view, 0, 1)
        Atomics.store(view, 1, 7)
        Atomics.store(view, 0, 0)
        Atomics.notify(view, 0)
      })
    }
    return () => view[1]
  }

  test.each(['full', 'dpor'] as const)('meets states again, explores less, and finds the same: %s', (schedules) => {
    const options = { schedules, preemptions: 1 }
    const without = model('without', body, options)
    const remembered = model('remembered', body, { ...options, cache: true })
    const byValue = model('by value', body, { ...options, cache: true, races: false })
    expect([without.revisits, without.complete, remembered.complete, byValue.complete]).toEqual([0, true, true, true])
    expect(remembered.revisits).toBeGreaterThan(0)
    expect(remembered.executions).toBeLessThan(without.executions)
    // Without the race check the past does not belong to a state.
    expect(byValue.executions).toBeLessThanOrEqual(remembered.executions)
    for (const { outcomes } of [remembered, byValue]) expect([...outcomes.keys()]).toEqual([...without.outcomes.keys()])
  })

  test('a race that only some order of the past makes one is found', () => {
    const racy = ({ spawn, shared }: Parameters<Parameters<typeof check>[1]>[0]): void => {
      const view = words(2)
      spawn(() => {
        shared.set(view, 1, 1)
        Atomics.add(view, 0, 0)
      })
      spawn(() => {
        Atomics.add(view, 0, 0)
        shared.set(view, 1, 2)
      })
    }
    expect(check('racy', racy, { cache: true }).finding?.kind).toBe('race')
    expect(check('racy', racy, { cache: true, schedules: 'full' }).finding?.kind).toBe('race')
  })
})

describe('failures', () => {
  const racy = ({ spawn, shared }: Parameters<Parameters<typeof check>[1]>[0]): void => {
    const view = words(1)
    for (let i = 0; i < 2; i++) spawn(() => shared.set(view, 0, i), { name: `writer ${i}` })
  }

  test('model throws them, with both positions of a race and a line that replays it', () => {
    try {
      model('racy', racy)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ModelFailure)
      const { finding, report } = error as ModelFailure
      expect(finding.kind).toBe('race')
      expect(finding.text).toContain('writer 0')
      expect(finding.text).toContain(`replay('${finding.schedule}', body)`)
      expect(finding.message).toMatch(/executor\.model\.test\.ts:\d+:\d+/)
      expect(finding.steps[0]?.position).toMatch(/executor\.model\.test\.ts:\d+:\d+/)
      expect(report.complete).toBe(false)
      expect(replay(finding.schedule, racy)?.kind).toBe('race')
    }
  })

  test('what was swapped is put back, also after a failure', () => {
    const before = [Atomics, SharedArrayBuffer, queueMicrotask, setTimeout, clearTimeout, ops.limits.spin]
    check('racy', racy)
    expect(() =>
      check('throws', () => {
        throw new Error('in the body')
      }),
    ).toThrow('in the body')
    expect([Atomics, SharedArrayBuffer, queueMicrotask, setTimeout, clearTimeout, ops.limits.spin]).toEqual(before)
    expect(before[0]).toBe(Atomics)
    expect(ops.load(new Int32Array(1), 0)).toBe(0)
  })

  test('a schedule for another body is refused', () => {
    expect(() => replay('nonsense', racy)).toThrow(/not a schedule/)
    expect(() =>
      replay('h1:;A3.C2', ({ spawn }) => {
        spawn(() => undefined)
        spawn(() => undefined)
        spawn(() => undefined, { reaper: true })
      }),
    ).toThrow(/can not follow/)
  })

  test('an unbounded execution is a livelock', () => {
    const report = check(
      'endless',
      ({ spawn }) => {
        const view = words(1)
        spawn(() => {
          while (Atomics.add(view, 0, 1) >= 0);
        })
      },
      { maxSteps: 500 },
    )
    expect(report.finding?.kind).toBe('livelock')
  })

  test('what a thread threw is the cause', () => {
    const report = check('throws', ({ spawn }) => {
      spawn(() => {
        throw new RangeError('mine')
      })
    })
    expect(report.finding?.kind).toBe('assertion')
    expect(report.finding?.cause).toBeInstanceOf(RangeError)
  })

  test('a search that is cut off says so', () => {
    const report = check(
      'cut off',
      ({ spawn }) => {
        const view = words(1)
        for (let i = 0; i < 3; i++) {
          spawn(() => {
            for (let n = 0; n < 5; n++) Atomics.add(view, 0, 1)
          })
        }
      },
      { maxExecutions: 50 },
    )
    expect(report.complete).toBe(false)
    expect(report.executions).toBe(50)
  })
})
