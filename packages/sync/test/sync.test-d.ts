/** What the types promise. */
import { f64, i32, struct } from '@heddle/atomics'
import type { FiberOperation } from '@heddle/park'
import { expectTypeOf } from 'vitest'
import {
  Barrier,
  type BarrierPassage,
  Condvar,
  Event,
  type Guard,
  Lazy,
  type Lockable,
  Mutex,
  type MutexGuard,
  OnceCell,
  type ReadGuard,
  ReentrantMutex,
  RwLock,
  Semaphore,
  Shared,
  SpinMutex,
  type UpgradableGuard,
  type WriteGuard,
} from '../src/index.js'

const mutex = new Mutex()
expectTypeOf(mutex.lock()).toEqualTypeOf<MutexGuard>()
expectTypeOf(mutex.lockAsync()).toEqualTypeOf<Promise<MutexGuard>>()
expectTypeOf(mutex.lockFiber()).toEqualTypeOf<FiberOperation<MutexGuard>>()
expectTypeOf(mutex.tryLock()).toEqualTypeOf<MutexGuard | undefined>()
expectTypeOf(mutex.withLock(() => 1)).toEqualTypeOf<number>()
expectTypeOf(mutex.withLockAsync(async () => 'x')).toEqualTypeOf<Promise<string>>()
expectTypeOf<MutexGuard>().toExtend<Guard>()
for (const lock of [mutex, new SpinMutex(), new ReentrantMutex()]) expectTypeOf(lock).toExtend<Lockable>()
// @ts-expect-error a condvar waits with a guard, not with a mutex
new Condvar().wait(mutex)

const rw = new RwLock()
expectTypeOf(rw.read()).toEqualTypeOf<ReadGuard>()
expectTypeOf(rw.write()).toEqualTypeOf<WriteGuard>()
expectTypeOf(rw.upgradableReadAsync()).toEqualTypeOf<Promise<UpgradableGuard>>()
expectTypeOf(rw.upgradableRead().upgrade()).toEqualTypeOf<WriteGuard>()
expectTypeOf(rw.write().downgrade()).toEqualTypeOf<ReadGuard>()
// @ts-expect-error a reader that is not upgradable can't become the writer
rw.read().upgrade()

expectTypeOf(new Barrier(2).wait()).toEqualTypeOf<BarrierPassage>()
expectTypeOf(new Semaphore(1).acquireAsync(2, { timeout: 1 })).toEqualTypeOf<Promise<void>>()
expectTypeOf(new Event({ auto: true }).isSet).toEqualTypeOf<boolean>()
// @ts-expect-error a semaphore has a number of permits
new Semaphore()

expectTypeOf(new OnceCell({ codec: i32 }).getOrInit(() => 1)).toEqualTypeOf<number>()
expectTypeOf(new OnceCell({ codec: i32 }).get()).toEqualTypeOf<number | undefined>()
expectTypeOf(new Lazy({ codec: i32 }, () => 1).value).toEqualTypeOf<number>()
const Point = struct({ x: f64, y: f64 })
new Shared(Point, { x: 1, y: 2 }).with((view) => {
  expectTypeOf(view.x).toEqualTypeOf<number>()
  view.x = 3
})
new Shared(i32, 1).with((value, set) => {
  expectTypeOf(value).toEqualTypeOf<number>()
  set(value + 1)
})
