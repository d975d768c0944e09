/** Regions with `diagnostics`: the wait that closes a cycle says so, and no other. */
import { Worker } from 'node:worker_threads'
import { AtomicInt32 } from '@heddle/atomics'
import { TimeoutError } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CancelSource } from '../../cancel/src/index.js'
import { DeadlockError, Mutex, ReentrantMutex, RwLock, Semaphore, type UpgradableGuard } from '../src/index.js'
import { Modes } from './support/modes.js'

/** For workers, which are terminated in the end; this thread, which nobody can wake, gives up at last. */
const forever = {}
const long = { timeout: 55_000 }
const short = { timeout: 20 }

let all: Modes
let me: number
let mutex: () => Mutex
let rwLock: () => RwLock
beforeEach(() => {
  all = Modes.create({ diagnostics: true })
  const { region } = all
  me = Agent.of(region).id
  mutex = () => new Mutex({ region })
  rwLock = () => new RwLock({ region })
})
afterEach(() => all.close())

/** What a call throws. */
function messageOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof DeadlockError) return error.message
    throw error
  }
  throw new Error('it did not throw')
}

const waits = (who: string, lock: { at: number }, owner: string): string =>
  `agent ${who} waits for the lock at byte ${lock.at}, which agent ${owner} holds`
const drains = (who: string, lock: { at: number }, reader: string): string =>
  `agent ${who} waits to write under the lock at byte ${lock.at}, which agent ${reader} reads`
/** The ids of others are not known here: a named group, or a reference to it. */
const other = (name: string): string => `(?<${name}>\\d+)`
const same = (name: string): string => `\\k<${name}>`

describe('names the cycle', () => {
  test('of three agents', async () => {
    const [a, b, c] = [mutex(), mutex(), mutex()]
    const first = await all.call('thread', a, 'lock')
    const second = await all.call('thread', b, 'lock')
    const mine = c.lock()
    const firstWaits = first.also(b, 'lock', forever)
    await all.waiting(1)
    const secondWaits = second.also(c, 'lock', forever)
    await all.waiting(2)
    expect(messageOf(() => a.lock(long))).toMatch(
      new RegExp(`${waits(`${me} \\(this one\\)`, a, other('one'))}; ${waits(same('one'), b, other('two'))}; ${waits(same('two'), c, String(me))}$`),
    )
    // The one that was told gives way: all others go on.
    mine.release()
    const third = await secondWaits
    expect(third.error).toBeUndefined()
    await third.release()
    await second.release()
    const again = await firstWaits
    expect(again.error).toBeUndefined()
    await again.release()
    await first.release()
  })

  test('that a writer closes, of one of two readers', async () => {
    const [m, rw] = [mutex(), rwLock()]
    const idle = await all.call('thread', rw, 'read')
    const blocked = await all.call('thread', rw, 'read')
    const mine = m.lock()
    const blockedWaits = blocked.also(m, 'lock', forever)
    await all.waiting(1)
    expect(messageOf(() => rw.write(long))).toMatch(
      new RegExp(`${drains(`${me} \\(this one\\)`, rw, other('one'))}; ${waits(same('one'), m, String(me))}$`),
    )
    // The lock is as it was: readers come in.
    expect([rw.isWriteLocked, rw.isReadLocked]).toEqual([false, true])
    rw.tryRead()!.release()
    mine.release()
    await (await blockedWaits).release()
    await blocked.release()
    await idle.release()
    rw.write(long).release()
  })

  test('that a reader closes by waiting for what the writer has', async () => {
    const [m, rw] = [mutex(), rwLock()]
    const theirs = await all.call('thread', m, 'lock')
    const reading = rw.read()
    const writerWaits = theirs.also(rw, 'write', forever)
    await all.waiting(1)
    expect(messageOf(() => m.lock(long))).toMatch(
      new RegExp(`${waits(`${me} \\(this one\\)`, m, other('one'))}; ${drains(same('one'), rw, String(me))}$`),
    )
    reading.release()
    await (await writerWaits).release()
    await theirs.release()
  })

  test('that an upgrade closes: its read is kept', async () => {
    const [m, rw] = [mutex(), rwLock()]
    const reader = await all.call('thread', rw, 'read')
    const mine = m.lock()
    const readerWaits = reader.also(m, 'lock', forever)
    await all.waiting(1)
    const upgradable: UpgradableGuard = rw.upgradableRead()
    expect(messageOf(() => upgradable.upgrade(long))).toMatch(
      new RegExp(`${drains(`${me} \\(this one\\)`, rw, other('one'))}; ${waits(same('one'), m, String(me))}$`),
    )
    expect([upgradable.held, rw.isReadLocked, rw.isWriteLocked]).toEqual([true, true, false])
    mine.release()
    await (await readerWaits).release()
    await reader.release()
    upgradable.upgrade(long).release()
  })

  test('of a writer and a reader that wait for one another’s RwLock', async () => {
    const [one, two] = [rwLock(), rwLock()]
    const theirs = await all.call('thread', two, 'write')
    const mine = one.write()
    const theyWait = theirs.also(one, 'read', forever)
    await all.waiting(1)
    expect(messageOf(() => two.read(long))).toMatch(
      new RegExp(`${waits(`${me} \\(this one\\)`, two, other('one'))}; ${waits(same('one'), one, String(me))}$`),
    )
    mine.release()
    await (await theyWait).release()
    await theirs.release()
  })

  test('through a ReentrantMutex', async () => {
    const [m, reentrant] = [mutex(), new ReentrantMutex({ region: all.region })]
    const theirs = await all.call('thread', reentrant, 'lock')
    const mine = m.lock()
    const theyWait = theirs.also(m, 'lock', forever)
    await all.waiting(1)
    // Its mutex is behind its own header.
    expect(messageOf(() => reentrant.lock(long))).toMatch(
      new RegExp(`${waits(`${me} \\(this one\\)`, { at: reentrant.at + 4 }, other('one'))}; ${waits(same('one'), m, String(me))}$`),
    )
    mine.release()
    await (await theyWait).release()
    await theirs.release()
  })

  test('through what a promise of a blocked thread holds', async () => {
    const [a, b] = [mutex(), mutex()]
    const theirs = await all.call('thread', a, 'lockAsync')
    const mine = b.lock()
    const theyWait = theirs.also(b, 'lock', forever)
    await all.waiting(1)
    expect(messageOf(() => a.lock(long))).toMatch(
      new RegExp(`${waits(`${me} \\(this one\\)`, a, other('one'))}; ${waits(same('one'), b, String(me))}$`),
    )
    mine.release()
    await (await theyWait).release()
    await theirs.release()
  })

  test('also for a wait with a token, which leaves nothing behind', async () => {
    const [a, b] = [mutex(), mutex()]
    const theirs = await all.call('thread', a, 'lock')
    const mine = b.lock()
    const theyWait = theirs.also(b, 'lock', forever)
    await all.waiting(1)
    const source = new CancelSource({ region: all.region })
    expect(() => a.lock({ signal: source.token })).toThrow(DeadlockError)
    source.dispose()
    mine.release()
    await (await theyWait).release()
    await theirs.release()
  })
})

describe('does not throw', () => {
  test('for a chain of three that does not close', async () => {
    const [a, b, c] = [mutex(), mutex(), mutex()]
    const first = await all.call('thread', a, 'lock')
    const second = await all.call('thread', b, 'lock')
    const third = await all.call('thread', c, 'lock')
    const firstWaits = first.also(b, 'lock', forever)
    await all.waiting(1)
    const secondWaits = second.also(c, 'lock', forever)
    await all.waiting(2)
    expect(() => a.lock(short)).toThrow(TimeoutError)
    await third.release()
    for (const [wait, held] of [
      [secondWaits, second],
      [firstWaits, first],
    ] as const) {
      const got = await wait
      expect(got.error).toBeUndefined()
      await got.release()
      await held.release()
    }
  })

  test('when the one in the way waits as a promise: its thread may release', async () => {
    const [a, b] = [mutex(), mutex()]
    const theirs = await all.call('thread', a, 'lock')
    const mine = b.lock()
    const theyWait = theirs.also(b, 'lockAsync')
    await all.waiting(1)
    expect(() => a.lock(short)).toThrow(TimeoutError)
    await theirs.release()
    a.lock(long).release()
    mine.release()
    await (await theyWait).release()
  })

  test('for a promise and a fiber that wait for a blocked thread: this thread may release', async () => {
    for (const mode of ['promise', 'fiber'] as const) {
      const [a, b] = [mutex(), mutex()]
      const theirs = await all.call('thread', a, 'lock')
      const mine = b.lock()
      const theyWait = theirs.also(b, 'lock', forever)
      await all.waiting(1)
      const iWait = all.call(mode, a, 'lock')
      await all.waiting(2)
      mine.release()
      await (await theyWait).release()
      await theirs.release()
      const got = await iWait
      expect(got.error).toBeUndefined()
      await got.release()
    }
  })

  test('for a writer whose readers are not blocked, or are by somebody else', async () => {
    const [m, rw] = [mutex(), rwLock()]
    const idle = await all.call('thread', rw, 'read')
    expect(() => rw.write(short)).toThrow(TimeoutError)
    const holder = await all.call('thread', m, 'lock')
    const idleWaits = idle.also(m, 'lock', forever)
    await all.waiting(1)
    expect(() => rw.write(short)).toThrow(TimeoutError)
    await holder.release()
    await (await idleWaits).release()
    await idle.release()
  })

  test('when the one in the way waits for what nobody owns', async () => {
    const m = mutex()
    const semaphore = new Semaphore(0, { region: all.region })
    const theirs = await all.call('thread', m, 'lock')
    const theyWait = theirs.also(semaphore, 'acquire')
    await all.waiting(1)
    expect(() => m.lock(short)).toThrow(TimeoutError)
    semaphore.release()
    expect((await theyWait).error).toBeUndefined()
    await theirs.release()
  })

  test('when the owner of the way is dead: the lock comes poisoned', async () => {
    const [a, b] = [mutex(), mutex()]
    const theirs = await all.call('thread', a, 'lock')
    const mine = b.lock()
    void theirs.also(b, 'lock', forever)
    await all.waiting(1)
    await all.terminateLast()
    expect(messageOfPoison(() => a.lock(long))).toMatch(/poison/i)
    mine.release()
  })

  test('in regions without diagnostics, where the time limit ends it', async () => {
    const plain = Modes.create()
    const [a, b] = [new Mutex({ region: plain.region }), new Mutex({ region: plain.region })]
    const theirs = await plain.call('thread', a, 'lock')
    const mine = b.lock()
    const theyWait = theirs.also(b, 'lock', forever)
    await plain.waiting(1)
    expect(() => a.lock(short)).toThrow(TimeoutError)
    mine.release()
    await (await theyWait).release()
    await theirs.release()
    await plain.close()
  })

  test('in thousands of sections that take their locks in one order, on three threads', async () => {
    const { region } = all
    const locks = [mutex(), rwLock(), new ReentrantMutex({ region }), rwLock(), mutex()]
    const [stop, sections] = [new AtomicInt32({ region }), new AtomicInt32({ region })]
    const seed = (Math.random() * 2 ** 31) | 0
    console.log(`ordered sections, seed ${seed}`)
    const workers = [0, 1, 2].map(
      (index) =>
        new Worker(new URL('.fixtures/ordered.js', import.meta.url), {
          workerData: {
            locks: locks.map((lock) => lock.toHandle()),
            stop: stop.toHandle(),
            sections: sections.toHandle(),
            seed: seed + index * 7919,
          },
        }),
    )
    const ends = workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)))
    const failed = Promise.all(ends)
    failed.catch(() => stop.store(1))
    while (sections.load() < 2000 && stop.load() === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    stop.store(1)
    expect(await failed).toEqual(['done', 'done', 'done'])
    await Promise.all(workers.map((worker) => worker.terminate()))
  })
})

function messageOfPoison(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    const { guard, name } = error as Error & { guard: { release(): void } }
    guard.release()
    return name
  }
  throw new Error('it did not throw')
}
