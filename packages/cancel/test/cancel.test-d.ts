/** Types of the public surface. */
import type { Handle } from '@heddle/atomics'
import { type CancelledError as ParkCancelledError, type CancelSignal, sleep, sleepAsync } from '@heddle/park'
import { expectTypeOf, test } from 'vitest'
import { type CancelledError, CancelSource, CancelToken } from '../src/index.js'

test('a token is a signal of every wait; an AbortSignal of those that do not block', () => {
  expectTypeOf<CancelToken>().toExtend<CancelSignal>()
  expectTypeOf(sleep).toBeCallableWith(1, { signal: CancelToken.none })
  expectTypeOf(sleepAsync).toBeCallableWith(1, { signal: CancelToken.none.signal })
  expectTypeOf<CancelToken['signal']>().toEqualTypeOf<AbortSignal>()
})

test('what is given back', () => {
  expectTypeOf<CancelToken['child']>().returns.toEqualTypeOf<CancelSource>()
  expectTypeOf<CancelToken['onCancel']>().returns.toEqualTypeOf<() => void>()
  expectTypeOf<CancelToken['reason']>().toEqualTypeOf<unknown>()
  expectTypeOf<CancelToken['deadline']>().toEqualTypeOf<number | undefined>()
  expectTypeOf<CancelSource['token']>().toEqualTypeOf<CancelToken>()
  expectTypeOf<CancelSource['cancel']>().returns.toEqualTypeOf<boolean>()
  expectTypeOf<CancelSource['toHandle']>().returns.toEqualTypeOf<Handle>()
  expectTypeOf(CancelToken.any).parameter(0).toExtend<Iterable<CancelToken | AbortSignal>>()
  expectTypeOf<CancelledError>().toEqualTypeOf<ParkCancelledError>()
})

test('a token can not cancel', () => {
  // @ts-expect-error only a source does
  CancelToken.none.cancel()
  // @ts-expect-error a source is no signal
  sleep(1, { signal: new CancelSource() })
  // @ts-expect-error a timeout is a number
  new CancelSource({ timeout: '5' })
})
