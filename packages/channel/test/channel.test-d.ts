/** What the types promise. */
import { array, bytes, type Codec, f64, type Handle, handle, i32, json, type Region, struct, utf8, value } from '@heddle/atomics'
import type { FiberOperation } from '@heddle/park'
import { expectTypeOf } from 'vitest'
import {
  after,
  broadcast,
  type BroadcastReceiver,
  channel,
  channelAt,
  CLOSED,
  type ClosedError,
  EMPTY,
  type LaggedError,
  mpsc,
  never,
  oneshot,
  Receiver,
  select,
  selectAsync,
  selectFiber,
  Sender,
  spsc,
  tick,
  type TimeReceiver,
  trySelect,
  unbounded,
  type UnboundedFullError,
  watch,
  type WatchReceiver,
} from '../src/index.js'

declare const region: Region
declare const link: Handle

// The codec says what goes in and comes out, in every flavour.
expectTypeOf(channel({ codec: i32 })).toEqualTypeOf<[Sender<number>, Receiver<number>]>()
expectTypeOf(channel({ capacity: 0, codec: utf8(5), region })).toEqualTypeOf<[Sender<string>, Receiver<string>]>()
expectTypeOf(spsc({ codec: bytes(5) })).toEqualTypeOf<[Sender<Uint8Array>, Receiver<Uint8Array>]>()
expectTypeOf(mpsc({ codec: f64 })).toEqualTypeOf<[Sender<number>, Receiver<number>]>()
expectTypeOf(unbounded({ codec: json<{ a: 1 }>(100) })).toEqualTypeOf<[Sender<{ a: 1 }>, Receiver<{ a: 1 }>]>()
expectTypeOf(oneshot({ codec: value<Map<string, number>>(100) })).toEqualTypeOf<[Sender<Map<string, number>>, Receiver<Map<string, number>>]>()
expectTypeOf(broadcast({ codec: utf8(5), lag: 'skip' })).toEqualTypeOf<[Sender<string>, BroadcastReceiver<string>]>()
expectTypeOf(watch('a', { codec: utf8(5) })).toEqualTypeOf<[Sender<string>, WatchReceiver<string>]>()
expectTypeOf(channelAt(region, 64, { codec: i32 })).toEqualTypeOf<[Sender<number>, Receiver<number>]>()
expectTypeOf(channel<string>)
  .parameter(0)
  .toHaveProperty('codec')
  .toEqualTypeOf<Codec<string>>()
expectTypeOf(channel({ codec: array(i32, 3) })[0].send)
  .parameter(0)
  .not.toBeAny()
const Point = struct({ x: f64, name: utf8(8) })
expectTypeOf(channel({ codec: Point })[1].recv().x).toEqualTypeOf<number>()
// @ts-expect-error a channel has a codec
channel({ capacity: 5 })
// @ts-expect-error the codec's type is the message's
channel({ codec: i32 })[0].send('text')
// @ts-expect-error the first value, too
watch(5, { codec: utf8(5) })
// @ts-expect-error unbounded has no capacity
unbounded({ codec: i32, capacity: 5 })
// @ts-expect-error there are two answers to a lag
broadcast({ codec: i32, lag: 'wait' })

const [tx, rx] = channel({ codec: utf8(10) })
const [numbers, read] = channel({ codec: i32 })

// Sender
expectTypeOf(tx.send('a')).toEqualTypeOf<void>()
expectTypeOf(tx.sendAsync('a', { timeout: 5 })).toEqualTypeOf<Promise<void>>()
expectTypeOf(tx.sendFiber('a')).toEqualTypeOf<FiberOperation<void>>()
expectTypeOf(tx.trySend('a')).toEqualTypeOf<boolean>()
expectTypeOf(numbers.sendMany(Int32Array.of(1))).toEqualTypeOf<number>()
expectTypeOf(tx.sendManyAsync(['a'])).toEqualTypeOf<Promise<number>>()
expectTypeOf(tx.toWritableStream()).toEqualTypeOf<WritableStream<string>>()
// @ts-expect-error a typed array holds no strings
tx.sendMany(Int32Array.of(1))

// Receiver
expectTypeOf(rx.recv()).toEqualTypeOf<string>()
expectTypeOf(rx.recvAsync()).toEqualTypeOf<Promise<string>>()
expectTypeOf(rx.recvFiber()).toEqualTypeOf<FiberOperation<string>>()
expectTypeOf(rx.tryRecv()).toEqualTypeOf<string | typeof EMPTY | typeof CLOSED>()
expectTypeOf(rx.recvMany(5)).toEqualTypeOf<string[]>()
expectTypeOf(read.recvMany(new Int32Array(5))).toEqualTypeOf<Int32Array<ArrayBuffer>>()
expectTypeOf(read.recvManyAsync(5)).toEqualTypeOf<Promise<number[]>>()
expectTypeOf(rx[Symbol.iterator]().next().value).toEqualTypeOf<string | void>()
expectTypeOf(rx.toReadableStream()).toEqualTypeOf<ReadableStream<string>>()
expectTypeOf(Receiver.fromHandle<string>(link)).toEqualTypeOf<Receiver<string>>()
expectTypeOf(Sender.at<number>(region, 64)).toEqualTypeOf<Sender<number>>()
expectTypeOf(Sender.fromHandle(link)).toEqualTypeOf<Sender<unknown>>()

// What tryRecv says is told apart without a cast.
const found = rx.tryRecv()
if (found !== EMPTY && found !== CLOSED) expectTypeOf(found).toEqualTypeOf<string>()
else expectTypeOf(found).toEqualTypeOf<typeof EMPTY | typeof CLOSED>()
expectTypeOf<typeof EMPTY>().not.toEqualTypeOf<typeof CLOSED>()

// Receivers of their own
const [, listener] = broadcast({ codec: i32 })
expectTypeOf(listener.subscribe()).toEqualTypeOf<BroadcastReceiver<number>>()
expectTypeOf(listener.clone()).toEqualTypeOf<BroadcastReceiver<number>>()
expectTypeOf(listener.missed).toEqualTypeOf<number>()
expectTypeOf(listener).toExtend<Receiver<number>>()
const [, state] = watch(0, { codec: i32 })
expectTypeOf(state.get()).toEqualTypeOf<number>()
expectTypeOf(state.changed()).toEqualTypeOf<void>()
expectTypeOf(state.changedAsync({ timeout: 1 })).toEqualTypeOf<Promise<void>>()
expectTypeOf(state.changedFiber()).toEqualTypeOf<FiberOperation<void>>()
expectTypeOf(state.subscribe()).toEqualTypeOf<WatchReceiver<number>>()

// Clocks
expectTypeOf(after(5)).toEqualTypeOf<TimeReceiver<void>>()
expectTypeOf(tick(5)).toEqualTypeOf<TimeReceiver<number>>()
expectTypeOf(never()).toEqualTypeOf<TimeReceiver<never>>()
expectTypeOf(tick(5).tryRecv()).toEqualTypeOf<number | typeof EMPTY | typeof CLOSED>()

// A select's result is discriminated by its key.
const got = select({ text: rx, number: read, sent: [numbers, 5], late: after(10), beat: tick(10), heard: listener })
expectTypeOf(got.key).toEqualTypeOf<'text' | 'number' | 'sent' | 'late' | 'beat' | 'heard'>()
if (got.key === 'text') {
  expectTypeOf(got.value).toEqualTypeOf<string | undefined>()
  if (!got.closed) expectTypeOf(got.value).toEqualTypeOf<string>()
  else expectTypeOf(got.value).toEqualTypeOf<undefined>()
}
if (got.key === 'number' && got.closed !== true) expectTypeOf(got.value).toEqualTypeOf<number>()
if (got.key === 'heard' && got.closed !== true) expectTypeOf(got.value).toEqualTypeOf<number>()
if (got.key === 'sent') expectTypeOf(got.value).toEqualTypeOf<undefined>()
if (got.key === 'late') {
  expectTypeOf(got.value).toEqualTypeOf<void>()
  expectTypeOf(got.closed).toEqualTypeOf<undefined>()
}
if (got.key === 'beat') expectTypeOf(got.value).toEqualTypeOf<number>()
expectTypeOf(trySelect({ text: rx })).toEqualTypeOf<ReturnType<typeof select<{ text: Receiver<string> }>> | undefined>()
expectTypeOf(selectAsync({ text: rx }))
  .resolves.toHaveProperty('key')
  .toEqualTypeOf<'text'>()
expectTypeOf(selectFiber({ text: rx })).toExtend<FiberOperation<{ key: 'text' }>>()
// @ts-expect-error a number is no case
select({ wrong: 5 })

// Errors give the message back.
expectTypeOf<ClosedError<string>['value']>().toEqualTypeOf<string | undefined>()
expectTypeOf<UnboundedFullError<string>['value']>().toEqualTypeOf<string>()
expectTypeOf<LaggedError['missed']>().toEqualTypeOf<number>()

// Channels through channels
const [carry] = channel({ codec: handle<Sender<string>>(Sender as never) })
expectTypeOf(carry.send).parameter(0).toEqualTypeOf<Sender<string>>()
