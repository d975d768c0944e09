/** Receives in fibers that are woken and find nothing, or are ended before they look. */
import { i32, Region } from '@heddle/atomics'
import { sleepFiber, TimeoutError } from '@heddle/park'
import { Scheduler } from '@heddle/scheduler'
import { beforeEach, describe, expect, test } from 'vitest'
import { channel, EMPTY } from '../src/index.js'

let region: Region
beforeEach(() => {
  region = Region.create({ bytes: 1 << 20 })
})
const make = () => channel({ region, codec: i32, capacity: 4 })

describe.each(['recvFiber', 'recvManyFiber'] as const)('%s', (verb) => {
  test('woken for a message that another takes, it keeps its place', () => {
    const [tx, rx] = make()
    const scheduler = new Scheduler({ region })
    const got: unknown[] = []
    for (const name of ['first', 'second'])
      scheduler.spawn(function* () {
        got.push([name, ...(verb === 'recvFiber' ? [yield* rx.recvFiber()] : yield* rx.recvManyFiber(1))])
      })
    scheduler.spawn(function* () {
      yield undefined
      for (let i = 0; i < 3; i++) {
        tx.send(7)
        expect(rx.tryRecv()).toBe(7)
        yield undefined
        yield undefined
      }
      expect(got).toEqual([])
      tx.send(1)
      tx.send(2)
    })
    scheduler.run()
    expect(got).toEqual([
      ['first', 1],
      ['second', 2],
    ])
    expect(rx.tryRecv()).toBe(EMPTY)
    rx.dispose()
  })

  test('its time limit counts from the call, however often it was woken in vain', () => {
    const [tx, rx] = channel({ codec: i32, capacity: 4 })
    // Time is simulated, in the region of sleeps.
    const scheduler = Scheduler.deterministic({ seed: 1 })
    const log: string[] = []
    scheduler.spawn(function* () {
      try {
        if (verb === 'recvFiber') yield* rx.recvFiber({ timeout: 10 })
        else yield* rx.recvManyFiber(4, { timeout: 10 })
      } catch (error) {
        expect(error).toBeInstanceOf(TimeoutError)
        log.push('over')
      }
    })
    scheduler.spawn(function* () {
      for (const moment of ['3', '6', '9', '12', '15']) {
        yield* sleepFiber(3)
        log.push(moment)
        tx.send(7)
        expect(rx.tryRecv()).toBe(7)
      }
    })
    scheduler.run()
    expect(log).toEqual(['3', '6', '9', 'over', '12', '15'])
    rx.dispose()
  })

  test('its signal ends it also after it was woken in vain; the message goes to another', () => {
    const [tx, rx] = make()
    const scheduler = new Scheduler({ region })
    const controller = new AbortController()
    const log: unknown[] = []
    const { signal } = controller
    scheduler.spawn(function* () {
      try {
        log.push(verb === 'recvFiber' ? yield* rx.recvFiber({ signal }) : yield* rx.recvManyFiber(4, { signal }))
      } catch (error) {
        log.push((error as Error).message)
      }
    })
    scheduler.spawn(function* () {
      log.push(yield* rx.recvFiber())
    })
    scheduler.spawn(function* () {
      yield undefined
      tx.send(7)
      expect(rx.tryRecv()).toBe(7)
      yield undefined
      yield undefined
      controller.abort(new Error('enough'))
      tx.send(8)
    })
    scheduler.run()
    expect(log).toEqual(['enough', 8])
    rx.dispose()
  })

  test('cancelled after it was woken, it has taken nothing and the next is woken', () => {
    const [tx, rx] = make()
    const scheduler = new Scheduler({ region })
    const got: unknown[] = []
    const first = scheduler.spawn(function* () {
      got.push(verb === 'recvFiber' ? yield* rx.recvFiber() : yield* rx.recvManyFiber(4))
    })
    scheduler.spawn(function* () {
      got.push(['second', yield* rx.recvFiber()])
    })
    scheduler.spawn(function* () {
      yield undefined
      // Once in vain: its wait is the second one by now.
      tx.send(7)
      expect(rx.tryRecv()).toBe(7)
      yield undefined
      yield undefined
      tx.send(1)
      first.cancel()
    })
    scheduler.run()
    expect([first.state, got]).toEqual(['cancelled', [['second', 1]]])
    rx.dispose()
  })
})
