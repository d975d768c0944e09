/** W4: a promise that was chosen and whose agent blocks its thread must not stop the others; order and fairness of a lock. */
import { type Region } from '@heddle/atomics'
import { WaitQueue } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { beforeEach, describe, expect, test } from 'vitest'
import { Mutex, type MutexGuard } from '../../sync/src/mutex.js'
import { Crew, expectNothingLeft, makeRegion, until, waiting } from './support/stage.js'
import { TestToken } from './support/token.js'

let region: Region
beforeEach(() => {
  region = makeRegion()
})

describe('an agent that blocks', () => {
  test("passes on an unpark that its promise can't use meanwhile", async () => {
    const queue = new WaitQueue({ region })
    const crew = new Crew(region)
    const order: string[] = []
    const first = queue.parkAsync().then(() => order.push('first'))
    const second = queue.parkAsync().then(() => order.push('second'))
    const thread = crew.do({ do: 'park', at: queue.at })
    await until(() => waiting(region) === 3)
    // The first promise is chosen, and before it runs its agent blocks until the thread was woken.
    const gate = new WaitQueue({ region })
    queue.unparkOne(4)
    const opener = new Crew(region)
    opener.tell({ do: 'awaitBlocked', value: Agent.of(region).id }, { do: 'unparkOne', at: gate.at })
    gate.park()
    expect(await thread).toEqual({ value: { outcome: 'unparked', token: 4 } })
    expect(order).toEqual([])
    // Its place in the queue is the one that it had.
    expect(queue.unparkAll()).toBe(2)
    await Promise.all([first, second])
    expect(order).toEqual(['first', 'second'])
    expectNothingLeft(region)
  })

  test('keeps it when nobody else can run: it is its own when it is back', async () => {
    const queue = new WaitQueue({ region })
    const first = queue.parkAsync()
    const second = queue.parkAsync()
    queue.unparkOne(4)
    expect(() => new WaitQueue({ region }).park({ timeout: 1 })).toThrow()
    expect((await first).token).toBe(4)
    queue.unparkOne(5)
    expect((await second).token).toBe(5)
    expectNothingLeft(region)
  })

  test('is passed over while it blocks, and a token that fires then is seen after', async () => {
    const queue = new WaitQueue({ region })
    const gate = new WaitQueue({ region })
    const crews = [new Crew(region), new Crew(region)] as const
    const token = new TestToken(region)
    const mine = queue.parkAsync({ signal: token }).catch((error: unknown) => (error as Error).name)
    const thread = crews[0].do({ do: 'park', at: queue.at })
    await until(() => waiting(region) === 2)
    crews[1].tell(
      { do: 'awaitBlocked', value: Agent.of(region).id },
      { do: 'unparkOne', at: queue.at, value: 6 },
      { do: 'cancel', at: token.at },
      { do: 'unparkOne', at: gate.at },
    )
    gate.park()
    expect(await thread).toEqual({ value: { outcome: 'unparked', token: 6 } })
    expect(await mine).toBe('Stopped')
    expectNothingLeft(region)
  })

  test('a token that fired while its promise was chosen is seen when the choice is passed on', async () => {
    const queue = new WaitQueue({ region })
    const token = new TestToken(region)
    const crew = new Crew(region)
    const mine = queue.parkAsync({ signal: token }).catch((error: unknown) => (error as Error).name)
    const thread = crew.do({ do: 'park', at: queue.at })
    await until(() => waiting(region) === 2)
    queue.unparkOne(8)
    token.cancel()
    expect(() => new WaitQueue({ region }).park({ timeout: 0.5 })).toThrow()
    expect(await thread).toEqual({ value: { outcome: 'unparked', token: 8 } })
    expect(await mine).toBe('Stopped')
    expectNothingLeft(region)
  })
})

describe('a mutex', () => {
  let mutex: Mutex
  beforeEach(() => {
    mutex = new Mutex({ region })
  })
  const locks = (): Crew => new Crew(region, 'universal', 'locks')

  test('granted to a promise whose agent then blocks for the same lock: the grant is declined', async () => {
    const crew = locks()
    await crew.do({ do: 'lock', at: mutex.at })
    const promise = mutex.lockAsync()
    await until(() => waiting(region) === 1)
    // Longer than the bound of fairness: the release grants it.
    await new Promise((resolve) => setTimeout(resolve, 3))
    const released = crew.outcome()
    crew.tell({ do: 'release' })
    // This thread blocks behind its own promise: without the promise's grant declined it would never have it.
    const guard = mutex.lock()
    await released
    expect(guard.held).toBe(true)
    guard.release()
    const later = await promise
    later.release()
    expect(mutex.isLocked).toBe(false)
    expectNothingLeft(region)
  })

  test('goes on among threads while an agent with the first promise blocks elsewhere', async () => {
    const gate = new WaitQueue({ region })
    const [a, b] = [locks(), locks()] as const
    await a.do({ do: 'lock', at: mutex.at })
    const promise = mutex.lockAsync()
    await until(() => waiting(region) === 1)
    // The gate opens when the second thread has the lock, although the promise came before it: else this thread would block for ever.
    b.tell({ do: 'lock', at: mutex.at }, { do: 'unparkOne', at: gate.at })
    await until(() => waiting(region) === 2)
    a.tell({ do: 'awaitBlocked', value: Agent.of(region).id }, { do: 'release' })
    gate.park()
    expect(await b.outcome()).toEqual({ value: 'locked' })
    expect(await b.outcome()).toEqual({ value: true })
    b.tell({ do: 'release' })
    ;(await promise).release()
    expectNothingLeft(region)
  })

  test('serves promises in order of arrival', async () => {
    const held = mutex.lock()
    const order: number[] = []
    const all = [0, 1, 2, 3].map((index) =>
      mutex.lockAsync().then((guard: MutexGuard) => {
        order.push(index)
        guard.release()
      }),
    )
    held.release()
    await Promise.all(all)
    expect(order).toEqual([0, 1, 2, 3])
    expectNothingLeft(region)
  })

  test('is handed over after two lost retries: a running thread can barge twice and no more', async () => {
    const crew = locks()
    await crew.do({ do: 'lock', at: mutex.at })
    let granted = false
    const waiter = crew.do({ do: 'release' }).then(() => crew.do({ do: 'lock', at: mutex.at }))
    let guard = mutex.lock()
    await until(() => waiting(region) === 1)
    void waiter.then(() => (granted = true))
    // It is woken at each release, and finds the lock taken again, until it is granted.
    let barges = 0
    while (!granted) {
      guard.release()
      const again = mutex.tryLock()
      if (again === undefined) break
      barges++
      guard = again
      await until(() => waiting(region) === 1 || granted)
    }
    expect(barges).toBeLessThanOrEqual(3)
    expect(await waiter).toEqual({ value: 'locked' })
    await crew.do({ do: 'release' })
    expectNothingLeft(region)
  })
})
