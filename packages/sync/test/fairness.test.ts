/**
 * The bounds that the heads of rw-lock.ts, permits.ts and lock-operation.ts state, with barging made certain: nobody starves.
 *
 * Source  Brandenburg and Anderson, "Reader-Writer Synchronization for Shared-Memory Multiprocessor Real-Time Systems" (2009), for the
 *         phases of readers and writers.
 */
import { Region } from '@heddle/atomics'
import { expect, test } from 'vitest'
import { Mutex, RwLock, Semaphore, type WriteGuard } from '../src/index.js'
import { turns } from './support/modes.js'

const region = Region.create({ bytes: 1 << 20, agents: 8 })

test('Mutex: a waiter is passed by two that barge, and then handed the mutex', async () => {
  const mutex = new Mutex({ region })
  let held = mutex.lock()
  let had = false
  const waiting = mutex.lockAsync().then((guard) => {
    had = true
    guard.release()
  })
  let barged = 0
  while (!had) {
    held.release()
    // In front of the woken waiter, whose turn has not come yet.
    const again = mutex.tryLock()
    if (again === undefined) break
    barged++
    held = again
    await turns(1)
  }
  await waiting
  expect(barged).toBeLessThanOrEqual(2)
})

test('RwLock: a writer waits for the readers that it found, and for none that comes later', async () => {
  const lock = new RwLock({ region })
  const found = [lock.tryRead()!, lock.tryRead()!]
  const order: string[] = []
  const writer = lock.writeAsync().then((guard) => {
    order.push('writer')
    guard.release()
  })
  const later = Array.from({ length: 5 }, (_, i) =>
    lock.readAsync().then((guard) => {
      order.push(`reader ${i}`)
      guard.release()
    }),
  )
  expect(lock.tryRead(), 'a waiting writer stops new readers').toBeUndefined()
  found[0]!.release()
  await turns(3)
  expect(order).toEqual([])
  found[1]!.release()
  await Promise.all([writer, ...later])
  expect(order[0]).toBe('writer')
  expect(order).toHaveLength(6)
})

test('RwLock: a reader waits for the writers in front of it and for at most two that barge', async () => {
  const lock = new RwLock({ region })
  let held: WriteGuard = lock.tryWrite()!
  let read = false
  const reader = lock.readAsync().then((guard) => {
    read = true
    guard.release()
  })
  let barged = 0
  while (!read) {
    held.release()
    const again = lock.tryWrite()
    if (again === undefined) break
    barged++
    held = again
    await turns(1)
  }
  await reader
  expect(barged).toBeLessThanOrEqual(2)
})

test('RwLock: readers and writers that are always there take turns', async () => {
  const lock = new RwLock({ region })
  const done = { reads: 0, writes: 0 }
  const least = 50
  const loop = async (take: () => Promise<{ release(): void }>, kind: keyof typeof done): Promise<void> => {
    while (done.reads < least || done.writes < least) {
      const guard = await take()
      done[kind]++
      await turns(1)
      guard.release()
    }
  }
  const read = (): Promise<void> => loop(() => lock.readAsync(), 'reads')
  const write = (): Promise<void> => loop(() => lock.writeAsync(), 'writes')
  await Promise.all([read(), read(), read(), write(), write()])
  // Neither side had more than a few turns for each of the other's: with three readers and two writers, far less than this.
  expect(done.reads).toBeLessThan(done.writes * 20)
  expect(done.writes).toBeLessThan(done.reads * 20)
})

test('RwLock: nobody writes between a read and its upgrade, however many wait', async () => {
  const lock = new RwLock({ region })
  let value = 0
  const upgradable = lock.tryUpgradableRead()!
  const reading = lock.tryRead()!
  const seen = value
  const writers = Array.from({ length: 4 }, () =>
    lock.writeAsync().then((guard) => {
      value++
      guard.release()
    }),
  )
  const upgrading = upgradable.upgradeAsync()
  await turns(2)
  reading.release()
  const writing = await upgrading
  expect(value).toBe(seen)
  const read = writing.downgrade()
  expect(value).toBe(seen)
  read.release()
  await Promise.all(writers)
  expect(value).toBe(4)
})

test('Semaphore: a big request is served before the small ones behind it, whatever is released in between', async () => {
  const semaphore = new Semaphore(3, { region })
  expect(semaphore.tryAcquire(3)).toBe(true)
  const order: string[] = []
  const big = semaphore.acquireAsync(3).then(() => order.push('big'))
  const small = Array.from({ length: 3 }, (_, i) => semaphore.acquireAsync().then(() => order.push(`small ${i}`)))
  for (let i = 0; i < 3; i++) {
    expect(semaphore.tryAcquire(), 'nobody passes the queue').toBe(false)
    semaphore.release()
    await turns(2)
  }
  await big
  expect(order).toEqual(['big'])
  semaphore.release(3)
  await Promise.all(small)
  expect(order).toEqual(['big', 'small 0', 'small 1', 'small 2'])
})
