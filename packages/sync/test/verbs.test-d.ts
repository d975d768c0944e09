/** Types of every waiting verb: what it gives in each mode, and which options it takes. */
import { type Codec, i32, type Region, utf8 } from '@heddle/atomics'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { expectTypeOf, test } from 'vitest'
import { CancelToken } from '../../cancel/src/index.js'
import {
  Barrier,
  type BarrierPassage,
  type BrokenBarrierError,
  Condvar,
  type DeadlockError,
  Event,
  type Guard,
  Latch,
  Lazy,
  type LockMetrics,
  Mutex,
  type MutexGuard,
  type NotOwnerError,
  OnceCell,
  type PoisonedError,
  type ReadGuard,
  type ReentrantGuard,
  ReentrantMutex,
  RwLock,
  Semaphore,
  Shared,
  SpinMutex,
  type SpinMutexGuard,
  ThreadLocal,
  type UpgradableGuard,
  WaitGroup,
  type WriteGuard,
} from '../src/index.js'

/** The last argument of the three modes. */
function expectOptions(
  blocking: (options?: BlockingOptions) => unknown,
  promise: (options?: AsyncOptions) => Promise<unknown>,
  fiber: (options?: WaitOptions) => Iterable<unknown>,
): void {
  const { signal } = new AbortController()
  blocking({ timeout: 1, signal: CancelToken.none })
  void promise({ timeout: 1, signal, ref: false })
  void promise({ signal: CancelToken.none })
  fiber({ timeout: 1, signal })
  fiber({ signal: CancelToken.none })
  // @ts-expect-error a time limit is a number of milliseconds
  fiber({ timeout: '1' })
}

test('locks', () => {
  const mutex = new Mutex({ poison: true })
  expectOptions(mutex.lock.bind(mutex), mutex.lockAsync.bind(mutex), mutex.lockFiber.bind(mutex))
  expectTypeOf<MutexGuard>().toExtend<Guard>()
  expectTypeOf<MutexGuard>().toExtend<Disposable>()
  expectTypeOf<Mutex['withLockFiber']>().toBeCallableWith(function* () {
    yield undefined
    return 1
  })
  expectTypeOf<Mutex['metrics']>().returns.toEqualTypeOf<LockMetrics>()

  const reentrant = new ReentrantMutex()
  expectTypeOf(reentrant.lock()).toEqualTypeOf<ReentrantGuard>()
  expectTypeOf(reentrant.lockFiber()).toEqualTypeOf<FiberOperation<ReentrantGuard>>()
  expectTypeOf(reentrant.tryLock()).toEqualTypeOf<ReentrantGuard | undefined>()
  // @ts-expect-error which promise chain asks can't be told
  void reentrant.lockAsync

  expectTypeOf(new SpinMutex().lock()).toEqualTypeOf<SpinMutexGuard>()
  expectTypeOf(new SpinMutex().tryLock()).toEqualTypeOf<SpinMutexGuard | undefined>()
})

test('RwLock', () => {
  const lock = new RwLock()
  expectOptions(lock.read.bind(lock), lock.readAsync.bind(lock), lock.readFiber.bind(lock))
  expectOptions(lock.write.bind(lock), lock.writeAsync.bind(lock), lock.writeFiber.bind(lock))
  expectOptions(lock.upgradableRead.bind(lock), lock.upgradableReadAsync.bind(lock), lock.upgradableReadFiber.bind(lock))
  expectTypeOf(lock.readAsync()).toEqualTypeOf<Promise<ReadGuard>>()
  expectTypeOf(lock.writeFiber()).toEqualTypeOf<FiberOperation<WriteGuard>>()
  expectTypeOf(lock.tryRead()).toEqualTypeOf<ReadGuard | undefined>()
  expectTypeOf(lock.tryWrite()).toEqualTypeOf<WriteGuard | undefined>()
  expectTypeOf(lock.tryUpgradableRead()).toEqualTypeOf<UpgradableGuard | undefined>()
  expectTypeOf<UpgradableGuard['upgradeAsync']>().returns.toEqualTypeOf<Promise<WriteGuard>>()
  expectTypeOf<UpgradableGuard['upgradeFiber']>().returns.toEqualTypeOf<FiberOperation<WriteGuard>>()
  expectTypeOf<UpgradableGuard['downgrade']>().returns.toEqualTypeOf<ReadGuard>()
  expectTypeOf<WriteGuard['downgradeToUpgradable']>().returns.toEqualTypeOf<UpgradableGuard>()
  expectTypeOf(lock.withWriteAsync(async () => 1)).toEqualTypeOf<Promise<number>>()
})

test('Condvar, Semaphore', () => {
  const condvar = new Condvar()
  const guard = {} as MutexGuard
  expectOptions(condvar.wait.bind(condvar, guard), condvar.waitAsync.bind(condvar, guard), condvar.waitFiber.bind(condvar, guard))
  expectTypeOf(condvar.waitWhileAsync(guard, () => true)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(condvar.notify(1)).toEqualTypeOf<number>()
  // @ts-expect-error the guard of another lock has no mutex that a Condvar knows
  condvar.wait({} as SpinMutexGuard)

  const semaphore = new Semaphore(1, { max: 3 })
  expectTypeOf(semaphore.acquire(2, { timeout: 1 })).toEqualTypeOf<void>()
  expectTypeOf(semaphore.acquire({ signal: CancelToken.none })).toEqualTypeOf<void>()
  expectTypeOf(semaphore.acquireAsync({ ref: false })).toEqualTypeOf<Promise<void>>()
  expectTypeOf(semaphore.acquireFiber(1)).toEqualTypeOf<FiberOperation<void>>()
  expectTypeOf(semaphore.tryAcquire()).toEqualTypeOf<boolean>()
  expectTypeOf(semaphore.withPermit(() => 'x')).toEqualTypeOf<string>()
})

test('what opens for all', () => {
  for (const gate of [new Latch(1), new WaitGroup(), new Event()]) {
    expectOptions(gate.wait.bind(gate), gate.waitAsync.bind(gate), gate.waitFiber.bind(gate))
    expectTypeOf(gate.wait()).toEqualTypeOf<void>()
  }
  const barrier = new Barrier(2, { action: () => undefined })
  expectOptions(barrier.wait.bind(barrier), barrier.waitAsync.bind(barrier), barrier.waitFiber.bind(barrier))
  expectTypeOf(barrier.waitAsync()).toEqualTypeOf<Promise<BarrierPassage>>()
  expectTypeOf<BarrierPassage>().toEqualTypeOf<{ readonly isLeader: boolean; readonly generation: number }>()
})

test('values', () => {
  const cell = new OnceCell({ codec: utf8(10) })
  expectTypeOf(cell.getOrInitAsync(async () => 'x')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(cell.getOrInitFiber(() => 'x')).toEqualTypeOf<Generator<unknown, string, unknown>>()
  expectTypeOf(cell.set('x')).toEqualTypeOf<boolean>()
  // @ts-expect-error the codec says what it holds
  cell.set(1)
  expectTypeOf(new Lazy({ codec: i32 }, () => 1).valueAsync()).toEqualTypeOf<Promise<number>>()
  // @ts-expect-error the function makes what the codec holds
  void new Lazy({ codec: i32 }, () => 'x')

  const shared = new Shared(i32, 1)
  expectTypeOf(shared.with((value) => value > 0)).toEqualTypeOf<boolean>()
  expectTypeOf(shared.withReadAsync(async (value) => value)).toEqualTypeOf<Promise<number>>()
  shared.with((_value, set) => {
    // @ts-expect-error the codec says what it holds
    set('x')
  })
  expectTypeOf<Shared<number>['codec']>().toEqualTypeOf<Codec<number>>()

  const local = new ThreadLocal(
    () => [1],
    (value) => expectTypeOf(value).toEqualTypeOf<number[]>(),
  )
  expectTypeOf(local.get()).toEqualTypeOf<number[]>()
})

test('errors and options', () => {
  expectTypeOf<PoisonedError<MutexGuard>['guard']>().toEqualTypeOf<MutexGuard>()
  for (const code of [{} as DeadlockError['code'], {} as NotOwnerError['code'], {} as BrokenBarrierError['code']])
    expectTypeOf(code).toExtend<`ERR_${string}`>()
  expectTypeOf(Mutex).constructorParameters.toExtend<[unknown?]>()
  expectTypeOf(Mutex.init).parameter(0).toEqualTypeOf<Region>()
  expectTypeOf(Mutex.BYTES).toEqualTypeOf<number>()
})
