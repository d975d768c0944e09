/**
 * What one thread does with what it is sent: who waits for a message, who listens, and what nobody has asked for yet. In the thread's own memory.
 *
 * A message goes to the first that waits for one (`recv`), else to the handlers, else it stays: in the mailbox as long as nobody wants any, else
 * in the backlog here. Messages of one sender keep their order.
 */
import { InvalidArgumentError, Region } from '@heddle/atomics'
import { canBlock } from '@heddle/atomics/internal'
import { now } from '@heddle/atomics/ops'
import { ClosedError } from '@heddle/channel'
import { BlockingNotAllowedError, type BlockingOptions, type CancelSignal, TimeoutError, type WaitOptions } from '@heddle/park'
import { Agent, BLOCKED, deadlineOf, getHost, isAbortSignal, runningFiber } from '@heddle/park/internal'
import { checkSignal, limit } from '../signal.js'
import type { Message } from './message.js'
import type { Thread } from './thread.js'

/** A message that nobody has looked at yet. */
export interface Arrival {
  readonly from: Thread | undefined
  /** The message; undefined when its sender has taken it back. */
  open(): Message | undefined
}

/** Where messages come from. */
export interface Source {
  readonly region: Region
  /** The next one, if there is one. */
  next(): Arrival | undefined
  /** From here on the agent is woken when one comes, until `stir` or `next`. */
  fallAsleep(): void
  /** Somebody wants messages now. */
  stir(): void
}

/** What `onMessage` takes. What it returns (or what the promise gives) replies to a request, unless it is undefined. */
export type MessageHandler = (message: Message) => unknown

interface Handler {
  readonly callback: MessageHandler
  readonly filter: Thread | undefined
}

interface Waiter {
  readonly filter: Thread | undefined
  /** It has got one. */
  give(arrival: Arrival): boolean
  fail(reason: unknown): void
}

/** Messages that may lie here while handlers ask for those of one thread only. */
const BACKLOG = 1000

/** One thread's messages. */
export class Inbox {
  /** Called when something may have ended: a handler, its promise, a listener. */
  onChange: (() => void) | undefined
  /** Handlers' promises that are open. */
  pending = 0
  private readonly sources: Source[] = []
  private backlog: Arrival[] = []
  private readonly handlers: Handler[] = []
  private readonly waiters: Waiter[] = []
  private closedBy: (() => unknown) | undefined
  private dispatching = 0
  private blocking = 0

  constructor(
    /** A handler failed and no request can be told. */
    private readonly onFailed: (error: unknown) => void,
  ) {}

  /** Adds a source. */
  addSource(source: Source): void {
    this.sources.push(source)
    if (this.wants) source.stir()
  }

  /** Takes a source away. */
  removeSource(source: Source): void {
    const index = this.sources.indexOf(source)
    if (index !== -1) this.sources.splice(index, 1)
  }

  /** Whether messages are wanted. */
  get wants(): boolean {
    if (this.waiters.length > 0) return true
    if (this.handlers.length === 0) return false
    return this.backlog.length < BACKLOG || this.handlers.some(({ filter }) => filter === undefined)
  }

  /** Whether there are messages that nobody wanted so far. */
  get hasBacklog(): boolean {
    return this.backlog.length > 0
  }

  /** Whether somebody listens. */
  get hasHandlers(): boolean {
    return this.handlers.length > 0
  }

  /** Whether the thread is inside a handler, or blocked in `recv`: others are not called meanwhile. */
  get isBusy(): boolean {
    return this.dispatching > 0 || this.blocking > 0
  }

  /** Listens; returns how to stop. */
  listen(callback: MessageHandler, filter: Thread | undefined): () => void {
    if (typeof callback !== 'function') throw new InvalidArgumentError(`a handler must be a function, got ${typeof callback}`)
    const handler = { callback, filter }
    this.handlers.push(handler)
    this.stir()
    return () => {
      const index = this.handlers.indexOf(handler)
      if (index === -1) return
      this.handlers.splice(index, 1)
      this.onChange?.()
    }
  }

  /** Gives a message to whoever wants it. */
  deliver(arrival: Arrival): void {
    if (!this.give(arrival)) this.backlog.push(arrival)
  }

  /** Gives what lies here to whoever wants it by now. */
  flush(): void {
    if (this.backlog.length === 0 || this.isBusy) return
    const list = this.backlog
    this.backlog = []
    for (let i = 0; i < list.length; i++) {
      if (this.give(list[i]!)) continue
      this.backlog.push(list[i]!)
    }
  }

  /** The next message, if there is one. */
  take(filter: Thread | undefined): Message | undefined {
    for (let i = 0; i < this.backlog.length; i++) {
      if (!matches(filter, this.backlog[i]!)) continue
      const message = this.backlog.splice(i--, 1)[0]!.open()
      if (message !== undefined) return message
    }
    for (const source of this.sources) {
      for (let arrival = source.next(); arrival !== undefined; arrival = source.next()) {
        if (!matches(filter, arrival)) {
          this.deliver(arrival)
          continue
        }
        const message = arrival.open()
        if (message !== undefined) return message
      }
    }
    return undefined
  }

  /** See `Thread.tryRecv`. */
  tryRecv(filter: Thread | undefined): Message | undefined {
    const message = this.take(filter)
    if (message === undefined) this.assertOpen()
    return message
  }

  /** See `Thread.recv`. */
  recv(filter: Thread | undefined, options: BlockingOptions | undefined): Message {
    const signal = options?.signal
    if (signal !== undefined && isAbortSignal(signal)) throw new TypeError("an AbortSignal can't fire while its thread is blocked: use recvAsync")
    const deadline = deadlineOf(options)
    checkSignal(signal)
    const found = this.tryRecv(filter)
    if (found !== undefined) return found
    assertMayBlock(options, 'recv')
    const agent = this.agent()
    const token = signal as CancelSignal | undefined
    const clean = token === undefined ? undefined : limit(agent, Infinity, token, () => undefined)
    const until = Math.min(deadline, token?.deadline ?? Infinity)
    this.blocking++
    try {
      for (;;) {
        for (const source of this.sources) source.fallAsleep()
        const message = this.tryRecv(filter)
        if (message !== undefined) return message
        token?.expire?.()
        if (token?.isCancelled === true) throw token.reason
        if (now() >= until) throw new TimeoutError('no message came within the time limit of recv')
        agent.block(until)
      }
    } finally {
      this.blocking--
      clean?.()
      this.stir()
    }
  }

  /** See `Thread.recvAsync`. */
  async recvAsync(filter: Thread | undefined, options: WaitOptions | undefined): Promise<Message> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    const found = this.tryRecv(filter)
    if (found !== undefined) return found
    const letGo = getHost().hold()
    let stop: (() => void) | undefined
    try {
      return await new Promise<Message>((resolve, reject) => {
        const waiter: Waiter = {
          filter,
          give: (arrival) => {
            const message = arrival.open()
            if (message !== undefined) resolve(message)
            return message !== undefined
          },
          fail: reject,
        }
        this.waiters.push(waiter)
        if (deadline !== Infinity || options?.signal !== undefined) {
          stop = limit(this.agent(), deadline, options?.signal, (reason) => {
            this.forget(waiter)
            reject(reason as Error)
          })
        }
        this.stir()
      })
    } finally {
      stop?.()
      letGo()
    }
  }

  /** See `Thread.recvFiber`. */
  *recvFiber(filter: Thread | undefined, options: WaitOptions | undefined): Generator<unknown, Message> {
    const deadline = deadlineOf(options)
    checkSignal(options?.signal)
    for (;;) {
      const found = this.tryRecv(filter)
      if (found !== undefined) return found
      const waker = runningFiber.get()
      if (waker === undefined) throw new BlockingNotAllowedError('recvFiber() is for fibers: use recvAsync')
      let got: Arrival | undefined
      let failed: { readonly reason: unknown } | undefined
      const fail = (reason: unknown): void => {
        failed = { reason }
        waker.wake()
      }
      const waiter: Waiter = {
        filter,
        give: (arrival) => {
          got = arrival
          waker.wake()
          return true
        },
        fail,
      }
      this.waiters.push(waiter)
      const stop = limit(this.agent(), deadline, options?.signal, fail)
      this.stir()
      const isOver = (): boolean => got !== undefined || failed !== undefined
      let taken = false
      try {
        while (!isOver()) yield BLOCKED
        taken = true
      } finally {
        stop()
        this.forget(waiter)
        // Cancelled after it was given one: that one is the next.
        if (!taken && got !== undefined) this.backlog.unshift(got)
      }
      const message = (got as Arrival | undefined)?.open()
      if (message !== undefined) return message
      const end = failed as { readonly reason: unknown } | undefined
      if (end !== undefined) throw end.reason
    }
  }

  /** No message comes any more: whoever waits is told, and whoever asks when nothing is left. */
  close(reason: () => unknown): void {
    this.closedBy ??= reason
    for (const waiter of this.waiters.splice(0)) waiter.fail(reason())
  }

  /** Forgets handlers and whoever waits; gives back what nobody has looked at. */
  reset(reason: () => unknown): Arrival[] {
    this.handlers.length = 0
    this.close(reason)
    this.onChange = undefined
    return this.backlog.splice(0)
  }

  private give(arrival: Arrival): boolean {
    for (const waiter of this.waiters) {
      if (!matches(waiter.filter, arrival)) continue
      // Taken back by its sender: the waiter goes on waiting.
      if (waiter.give(arrival)) this.forget(waiter)
      return true
    }
    if (!this.handlers.some(({ filter }) => matches(filter, arrival))) return false
    const message = arrival.open()
    if (message !== undefined) this.dispatch(message)
    return true
  }

  private dispatch(message: Message): void {
    this.dispatching++
    try {
      for (const { callback, filter } of [...this.handlers]) {
        if (message.handled) return
        if (filter !== undefined && message.from?.is(filter) !== true) continue
        try {
          const result = callback(message)
          if (typeof result === 'object' && result !== null && typeof (result as { then?: unknown }).then === 'function')
            this.follow(message, result as PromiseLike<unknown>)
          else this.answer(message, result)
        } catch (error) {
          this.failed(message, error)
        }
      }
    } finally {
      this.dispatching--
    }
  }

  private follow(message: Message, promise: PromiseLike<unknown>): void {
    this.pending++
    // The handler has it: those after it would get it while it is being handled.
    message.markHandled()
    const done = (): void => {
      this.pending--
      this.onChange?.()
    }
    promise.then(
      (result) => {
        try {
          this.answer(message, result)
        } catch (error) {
          this.failed(message, error)
        }
        done()
      },
      (error: unknown) => {
        this.failed(message, error)
        done()
      },
    )
  }

  private answer(message: Message, result: unknown): void {
    if (result !== undefined && message.isOpen) message.reply(result)
  }

  private failed(message: Message, error: unknown): void {
    message.markHandled()
    if (!message.abandon(error)) this.onFailed(error)
  }

  private forget(waiter: Waiter): void {
    const index = this.waiters.indexOf(waiter)
    if (index !== -1) this.waiters.splice(index, 1)
  }

  private stir(): void {
    for (const source of this.sources) source.stir()
  }

  private assertOpen(): void {
    if (this.closedBy !== undefined) throw this.closedBy()
  }

  private agent(): Agent {
    return Agent.of(this.sources[0]?.region ?? Region.default)
  }
}

/** Refuses to block where that is not allowed. @throws BlockingNotAllowedError */
export function assertMayBlock(options: BlockingOptions | undefined, verb: string): void {
  if (!canBlock()) throw new BlockingNotAllowedError(`this agent may not block: use ${verb}Async`)
  if (runningFiber.get() !== undefined && options?.blockFiber !== true)
    throw new BlockingNotAllowedError(`this would block the worker under a fiber: use ${verb}Fiber, or pass { blockFiber: true }`)
}

/** What `recv` fails with when no message comes any more. */
export function closedInbox(): ClosedError {
  return new ClosedError(undefined, undefined, 'the thread was closed, and all of its messages have been received')
}

function matches(filter: Thread | undefined, arrival: Arrival): boolean {
  return filter === undefined || arrival.from?.is(filter) === true
}
