/**
 * Everything that can wait, in one form, so that one set of cases serves all.
 *
 *   make()                  what is shared: an argument of the task that waits
 *   close(shared)           makes a wait wait; returns what ends one
 *   thread, promise, fiber  the wait in each mode, after which a value `done` says is right; `start()` is called when a wake can no longer be missed
 *   once                    it can't be used again after a wait that ended early
 */
import {
  Barrier,
  channel,
  Condvar,
  Event,
  i32,
  AtomicInt32,
  Latch,
  mpsc,
  Mutex,
  notify,
  OnceCell,
  oneshot,
  Parker,
  ReentrantMutex,
  RwLock,
  select,
  selectAsync,
  selectFiber,
  Semaphore,
  Shared,
  spsc,
  WaitGroup,
  waitOn,
  waitOnAsync,
  waitOnFiber,
  WaitQueue,
} from 'heddle'
import { until } from './assert.mjs'

const released = (guard) => {
  guard.release()
  return 'done'
}
const done = () => 'done'
/** A lock whose waits give a guard. */
const lock = (make, hold, verbs) => ({
  make,
  close: (l) => {
    const guard = hold(l)
    return () => guard.release()
  },
  thread: (l, o, start) => (start(), released(l[verbs](o))),
  promise: async (l, o, start) => (start(), released(await l[`${verbs}Async`](o))),
  *fiber(l, o, start) {
    start()
    return released(yield* l[`${verbs}Fiber`](o))
  },
})
/** Something with wait, waitAsync, waitFiber. */
const flag = (make, close, more) => ({
  make,
  close,
  thread: (f, o, start) => (start(), done(f.wait(o))),
  promise: async (f, o, start) => (start(), done(await f.waitAsync(o))),
  *fiber(f, o, start) {
    start()
    return done(yield* f.waitFiber(o))
  },
  ...more,
})
const receives = (make, send, more) => ({
  make,
  close: (ends) => () => send(ends),
  thread: ([, rx], o, start) => (start(), done(rx.recv(o))),
  promise: async ([, rx], o, start) => (start(), done(await rx.recvAsync(o))),
  *fiber([, rx], o, start) {
    start()
    return done(yield* rx.recvFiber(o))
  },
  ...more,
})
const sends = (make, close) => ({
  make,
  close,
  thread: ([tx], o, start) => (start(), done(tx.send(2, o))),
  promise: async ([tx], o, start) => (start(), done(await tx.sendAsync(2, o))),
  *fiber([tx], o, start) {
    start()
    return done(yield* tx.sendFiber(2, o))
  },
})
const send = ([tx]) => void tx.trySend(7)

export const waits = {
  'Mutex.lock': lock(
    () => new Mutex(),
    (l) => l.tryLock(),
    'lock',
  ),
  'ReentrantMutex.lock': {
    ...lock(
      () => new ReentrantMutex(),
      (l) => l.tryLock(),
      'lock',
    ),
    // Its owner is the thread, or the fiber: a promise is neither.
    promise: undefined,
  },
  'RwLock.read': lock(
    () => new RwLock(),
    (l) => l.tryWrite(),
    'read',
  ),
  'RwLock.write': lock(
    () => new RwLock(),
    (l) => l.tryRead(),
    'write',
  ),
  'RwLock.upgradableRead': lock(
    () => new RwLock(),
    (l) => l.tryWrite(),
    'upgradableRead',
  ),
  Shared: {
    make: () => new Shared(i32, 1),
    close: (s) => {
      let open
      const held = s.withAsync(() => new Promise((resolve) => (open = resolve)))
      return () => {
        open()
        return held
      }
    },
    thread: (s, o, start) => (start(), s.with(done, o)),
    promise: async (s, o, start) => (start(), s.withAsync(done, o)),
    *fiber(s, o, start) {
      start()
      return yield* s.withFiber(function* () {
        yield
        return 'done'
      }, o)
    },
  },
  Semaphore: {
    make: () => new Semaphore(0),
    close: (s) => () => s.release(),
    thread: (s, o, start) => (start(), done(s.acquire(1, o))),
    promise: async (s, o, start) => (start(), done(await s.acquireAsync(1, o))),
    *fiber(s, o, start) {
      start()
      return done(yield* s.acquireFiber(1, o))
    },
  },
  Event: flag(
    () => new Event(),
    (e) => {
      e.reset()
      return () => e.set()
    },
  ),
  Latch: flag(
    () => new Latch(1),
    (l) => () => l.countDown(),
  ),
  WaitGroup: flag(
    () => new WaitGroup(),
    (g) => {
      g.add(1)
      return () => g.done()
    },
  ),
  Barrier: flag(
    () => new Barrier(2),
    (b) => () => b.waitAsync(),
    { once: true },
  ),
  Condvar: {
    make: () => ({ mutex: new Mutex(), condvar: new Condvar() }),
    close:
      ({ mutex, condvar }) =>
      async () => {
        // Whoever waits has let go of the mutex by waiting.
        const guard = await mutex.lockAsync()
        condvar.notifyOne()
        guard.release()
      },
    thread({ mutex, condvar }, o, start) {
      const guard = mutex.lock()
      start()
      try {
        condvar.wait(guard, o)
      } finally {
        guard.release()
      }
      return 'done'
    },
    async promise({ mutex, condvar }, o, start) {
      const guard = await mutex.lockAsync()
      start()
      try {
        await condvar.waitAsync(guard, o)
      } finally {
        guard.release()
      }
      return 'done'
    },
    *fiber({ mutex, condvar }, o, start) {
      const guard = yield* mutex.lockFiber()
      start()
      try {
        yield* condvar.waitFiber(guard, o)
      } finally {
        guard.release()
      }
      return 'done'
    },
  },
  OnceCell: {
    make: () => new OnceCell({ codec: i32 }),
    close: (cell) => {
      let make
      const made = cell.getOrInitAsync(() => new Promise((resolve) => (make = resolve)))
      return async () => {
        make(5)
        await made
      }
    },
    thread: (cell, o, start) => (start(), done(cell.getOrInit(() => 6, o))),
    promise: async (cell, o, start) => (start(), done(await cell.getOrInitAsync(() => 6, o))),
    *fiber(cell, o, start) {
      start()
      return done(yield* cell.getOrInitFiber(() => 6, o))
    },
  },
  WaitQueue: {
    make: () => new WaitQueue(),
    close: (queue) => async () => {
      await until(() => queue.hasWaiters)
      queue.unparkOne()
    },
    thread: (queue, o, start) => (start(), done(queue.park(o))),
    promise: async (queue, o, start) => (start(), done(await queue.parkAsync(o))),
    *fiber(queue, o, start) {
      start()
      return done(yield* queue.parkFiber(o))
    },
  },
  Parker: {
    make: () => new Parker(),
    close: (parker) => () => parker.unpark(),
    thread: (parker, o, start) => (start(), done(parker.park(o))),
    promise: async (parker, o, start) => (start(), done(await parker.parkAsync(o))),
    *fiber(parker, o, start) {
      start()
      return done(yield* parker.parkFiber(o))
    },
  },
  waitOn: {
    make: () => new AtomicInt32(),
    close: (cell) => {
      cell.store(0)
      return () => {
        cell.store(1)
        notify(cell)
      }
    },
    thread: (cell, o, start) => (start(), done(waitOn(cell, 0, o))),
    promise: async (cell, o, start) => (start(), done(await waitOnAsync(cell, 0, o))),
    *fiber(cell, o, start) {
      start()
      return done(yield* waitOnFiber(cell, 0, o))
    },
  },
  'channel recv': receives(() => channel({ capacity: 4, codec: i32 }), send),
  'channel send': sends(
    () => channel({ capacity: 1, codec: i32 }),
    ([tx, rx]) => {
      tx.trySend(1)
      return () => {
        while (typeof rx.tryRecv() === 'number');
      }
    },
  ),
  'rendezvous recv': receives(
    () => channel({ capacity: 0, codec: i32 }),
    ([tx]) => tx.sendAsync(7),
  ),
  'rendezvous send': sends(
    () => channel({ capacity: 0, codec: i32 }),
    ([, rx]) =>
      () =>
        rx.recvAsync(),
  ),
  'mpsc recv': receives(() => mpsc({ capacity: 4, codec: i32 }), send, { once: true }),
  'spsc recv': receives(() => spsc({ capacity: 4, codec: i32 }), send, { once: true }),
  'oneshot recv': receives(() => oneshot({ codec: i32 }), send, { once: true }),
  select: {
    make: () => [channel({ capacity: 4, codec: i32 }), channel({ capacity: 4, codec: i32 })].flat(),
    close:
      ([, , tx]) =>
      () =>
        void tx.trySend(7),
    thread: ([, a, , b], o, start) => (start(), done(select({ a, b }, o))),
    promise: async ([, a, , b], o, start) => (start(), done(await selectAsync({ a, b }, o))),
    *fiber([, a, , b], o, start) {
      start()
      return done(yield* selectFiber({ a, b }, o))
    },
  },
}

/** Gives back what `make` took. */
export function dispose(shared) {
  for (const one of Array.isArray(shared) ? shared.filter((_, i) => i % 2 === 0) : shared.dispose === undefined ? Object.values(shared) : [shared])
    one.dispose()
}
