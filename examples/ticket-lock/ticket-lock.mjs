/**
 * A fair lock for threads, promises and fibers: strictly in order of arrival, nobody barges. Built on the public WaitQueue.
 * Who dies while waiting is passed over; who dies while owning leaves it locked (heddle's Mutex tells the next one instead).
 */
import { AtomicInt32, WaitQueue } from 'heddle'

export class TicketLock {
  /** How many came; only changed under the queue's lock, so tickets are in the queue's order. */
  #tickets
  /** 1 while somebody has it. */
  #held
  #queue

  /** Makes a lock in a region, or opens one that another thread sent (`toHandle`). */
  constructor({ region, handle } = {}) {
    this.#tickets = handle ? AtomicInt32.fromHandle(handle.tickets) : new AtomicInt32({ region })
    this.#held = handle ? AtomicInt32.fromHandle(handle.held) : new AtomicInt32({ region })
    this.#queue = handle ? WaitQueue.fromHandle(handle.queue) : new WaitQueue({ region })
  }

  /** To be posted to another thread. */
  toHandle() {
    return { tickets: this.#tickets.toHandle(), held: this.#held.toHandle(), queue: this.#queue.toHandle() }
  }

  /** How many tickets were given out so far. */
  get tickets() {
    return this.#tickets.load()
  }

  /** Draws a ticket under the queue's lock, and takes a free lock there at once; asked again after a death, it keeps its ticket. */
  #draw(options) {
    let ticket = 0
    const validate = () => ((ticket ||= this.#tickets.add(1) + 1), this.#held.exchange(1) === 1)
    return { options: { ...options, validate }, ticket: () => ticket }
  }

  /** Blocks the thread until it is its turn; takes `{ timeout, signal }`. Who gives up is passed over. @returns its ticket */
  lock(options) {
    const draw = this.#draw(options)
    this.#queue.park(draw.options)
    return draw.ticket()
  }
  async lockAsync(options) {
    const draw = this.#draw(options)
    await this.#queue.parkAsync(draw.options)
    return draw.ticket()
  }
  *lockFiber(options) {
    const draw = this.#draw(options)
    yield* this.#queue.parkFiber(draw.options)
    return draw.ticket()
  }

  /** The next in the queue has it, without it ever being free; nobody there: it is free. Decided under the queue's lock. */
  unlock() {
    this.#queue.unparkOne(0, ({ woken }) => woken || this.#held.store(0))
  }
}
