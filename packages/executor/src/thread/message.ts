/** What a thread receives. */
import { InvalidArgumentError } from '@heddle/atomics'
import type { Reply } from './reply.js'
import type { Thread } from './thread.js'

/**
 * A message in a thread's mailbox. Handlers of `onMessage` get it in the order in which they were added, until one of them has handled it: by
 * `reply`, by `markHandled`, or, for a request, by returning something else than undefined (or a promise of it), which is the reply then.
 * @example
 * ```ts file=adder.ts
 * export const adder = tasks(import.meta.url, {
 *   serve: () => void currentThread()!.onMessage((message) => message.reply((message.payload as number) + 1)),
 * })
 * ```
 * ```ts
 * import { nodeHost } from '@heddle/node'
 * import { adder } from './adder.js'
 * const executor = await Executor.start({ host: nodeHost })
 * const thread = await executor.thread(adder.serve)
 * console.log(await thread.request(1)) // 2
 * thread.close()
 * ```
 */
export class Message<T = unknown> {
  private isHandled = false

  /** @internal */
  constructor(
    /** A number that its sender gives to no other message of that executor (within four thousand millions). */
    readonly id: number,
    /** What was sent: a copy, but shared objects are what they were. */
    readonly payload: T,
    /** The thread that sent it; undefined when that was a worker of the pool. */
    readonly from: Thread | undefined,
    private call: Reply | undefined,
    private readonly onSettled: (message: Message) => void,
  ) {
    this.isRequest = call !== undefined
  }

  /** Whether its sender waits for a reply. */
  readonly isRequest: boolean

  /** Whether somebody has handled it: by `reply`, `reject` or `markHandled`. Handlers that come after that one don't get it. */
  get handled(): boolean {
    return this.isHandled
  }

  /** Says that nobody else is to handle it. A request may still be replied to, also later. */
  markHandled(): void {
    this.isHandled = true
  }

  /**
   * Settles the request with a value; nothing happens when its sender waits no more.
   * @throws InvalidArgumentError when it is no request or was replied to; NotShareableError, RegionFullError: then it may be replied to again
   */
  reply(value: unknown): void {
    const call = this.open('reply')
    call.resolve(value)
    this.settled()
  }

  /** Settles the request with an error, which its sender's `request` rejects with. @throws InvalidArgumentError as `reply` */
  reject(error: unknown): void {
    this.open('reject').reject(error)
    this.settled()
  }

  /** @internal Rejects it if it is still open; whether it was. */
  abandon(error: unknown): boolean {
    if (this.call === undefined) return false
    this.reject(error)
    return true
  }

  /** @internal Whether a reply is still possible. */
  get isOpen(): boolean {
    return this.call !== undefined
  }

  private open(verb: string): Reply {
    if (this.call !== undefined) return this.call
    throw new InvalidArgumentError(
      this.isRequest ? 'the request has been replied to already' : `${verb}() is for requests: this message was sent without waiting for a reply`,
    )
  }

  private settled(): void {
    this.isHandled = true
    this.call = undefined
    this.onSettled(this)
  }
}
