/** Receivers of times: after, tick, never. They belong to one agent and take no region memory. */
import { InvalidArgumentError } from '@heddle/atomics'
import { now } from '@heddle/atomics/ops'
import type { AsyncOptions, BlockingOptions, FiberOperation, WaitOptions } from '@heddle/park'
import { ClosedError } from './errors.js'
import { select, selectAsync, selectFiber } from './select.js'
import { CLOSED, EMPTY } from './symbols.js'
import { TimeSource } from './time-source.js'

/**
 * The receiving end of a clock: used like a `Receiver`, in the agent that made it only. A wait for it alone is one in `Region.default`: a
 * fiber whose scheduler works in another region selects it together with a channel of that region.
 */
export class TimeReceiver<T> {
  /**
   * What select looks at.
   * @internal
   */
  readonly source: TimeSource<T>
  /** For `after`, `tick` and `never`; not for others. */
  constructor(source: TimeSource<T>) {
    this.source = source
  }

  /** Blocks the thread until the time has come. @throws ClosedError when nothing comes any more, and as `Receiver.recv` */
  recv(options?: BlockingOptions): T {
    this.assertOpen()
    return (select({ time: this }, options) as { value: T }).value
  }

  /** As `recv`, as a promise. A pending one keeps the process alive unless `ref` is false. */
  async recvAsync(options?: AsyncOptions): Promise<T> {
    this.assertOpen()
    return ((await selectAsync({ time: this }, options)) as { value: T }).value
  }

  /** As `recv`, in a fiber. */
  *recvFiber(options?: WaitOptions): Generator<unknown, T, unknown> {
    this.assertOpen()
    const got = yield* selectFiber({ time: this }, options) as FiberOperation<unknown>
    return (got as { value: T }).value
  }

  /** What is due; `EMPTY` when the time has not come, `CLOSED` when none will. Never waits. */
  tryRecv(): T | typeof EMPTY | typeof CLOSED {
    if (this.source.isDue) return this.source.take()
    return this.source.isOver ? CLOSED : EMPTY
  }

  /** Whether nothing will come any more. */
  get isClosed(): boolean {
    return this.source.isOver
  }

  /** Stops the clock. */
  close(): void {
    this.source.end()
  }

  /** Receives until nothing comes any more; blocks the thread. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    while (!this.isClosed) yield this.recv()
  }

  /** Receives until nothing comes any more. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (!this.isClosed) yield await this.recvAsync()
  }

  private assertOpen(): void {
    if (this.source.isOver) throw new ClosedError(undefined, undefined, 'the time has passed, or the clock was stopped: nothing will come')
  }
}

function checkTime(name: string, ms: number, least: number): number {
  if (typeof ms !== 'number' || !(ms >= least))
    throw new InvalidArgumentError(`${name} takes a number of milliseconds, ${least === 0 ? '0 or' : 'above 0 and'} more, got ${String(ms)}`)
  return ms
}

/** One message, `ms` milliseconds from now, never earlier; then it is closed. A time limit for a case of `select`. @throws InvalidArgumentError */
export function after(ms: number): TimeReceiver<void> {
  return new TimeReceiver(new TimeSource<void>(now() + checkTime('after', ms, 0), 0, () => undefined))
}

/**
 * A message every `ms` milliseconds: the time that it was due, in milliseconds since the epoch. Who receives too slowly misses some.
 * @throws InvalidArgumentError
 */
export function tick(ms: number): TimeReceiver<number> {
  checkTime('tick', ms, Number.MIN_VALUE)
  return new TimeReceiver(new TimeSource<number>(now() + ms, ms, (at) => at))
}

/** Nothing, ever: a case of `select` that is switched off. */
export function never(): TimeReceiver<never> {
  return new TimeReceiver(new TimeSource<never>(Infinity, 1, () => undefined as never))
}
