/** A message on its way from a mailbox to whoever receives it. */
import type { Entry } from './entry.js'
import { REQUEST } from './entry.js'
import type { Arrival } from './inbox.js'
import { Message } from './message.js'
import type { Port } from './port.js'
import { Reply } from './reply.js'
import type { Thread } from './thread.js'

/** One that has arrived. */
export class Mail implements Arrival {
  constructor(
    private readonly port: Port,
    private readonly entry: Entry,
    /** What the slot of a request is to name as its worker. */
    private readonly worker: number,
    /** Requests that have been looked at and not been replied to. */
    private readonly requests: Set<Message>,
  ) {}

  /** Part of `Arrival`. */
  get from(): Thread | undefined {
    return this.port.thread(this.entry.from)
  }

  /** Part of `Arrival`. */
  open(): Message | undefined {
    const { entry, port } = this
    if (entry.kind !== REQUEST) return new Message(entry.id, entry.payload, this.from, undefined, () => undefined)
    const reply = Reply.start(port.pool, entry.slot, entry.seen, this.worker)
    if (reply === undefined) return undefined
    let payload: unknown
    try {
      payload = reply.arguments()[0]
    } catch (error) {
      reply.reject(error)
      return undefined
    }
    const message = new Message(entry.id, payload, this.from, reply, (settled) => void this.requests.delete(settled))
    this.requests.add(message)
    return message
  }
}

/** Settles the call of an entry that nobody will look at, if it has one. */
export function refuseCall(port: Port, entry: Entry, worker: number, error: () => unknown): void {
  if (entry.slot !== -1) Reply.start(port.pool, entry.slot, entry.seen, worker)?.reject(error())
}
