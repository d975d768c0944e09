/** What a thread does with its messages, without threads. */
import { Region } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import { type Arrival, Inbox, type Source } from '../../src/thread/inbox.js'
import { Message } from '../../src/thread/message.js'
import type { Reply } from '../../src/thread/reply.js'
import type { Thread } from '../../src/thread/thread.js'

const region = Region.create({ bytes: 1 << 20 })

/** Threads by name, as far as an inbox looks at them. */
const thread = (name: string): Thread => {
  const made = { name, is: (other: unknown) => other === made }
  return made as unknown as Thread
}

/** A mailbox with what a test puts there. */
class Queue implements Source {
  readonly region = region
  readonly waiting: Arrival[] = []
  stirred = 0
  next(): Arrival | undefined {
    return this.waiting.shift()
  }
  fallAsleep(): void {}
  stir(): void {
    this.stirred++
  }
}

interface Settled {
  value?: unknown
  error?: unknown
  times: number
}

/** An arrival; a request when `settled` is there, withdrawn by its sender when that is `undefined` in `taken`. */
function arrival(payload: unknown, from?: Thread, settled?: Settled, isWithdrawn = false): Arrival {
  const reply =
    settled === undefined
      ? undefined
      : ({
          resolve: (value: unknown) => Object.assign(settled, { value, times: settled.times + 1 }),
          reject: (error: unknown) => Object.assign(settled, { error, times: settled.times + 1 }),
        } as unknown as Reply)
  return { from, open: () => (isWithdrawn ? undefined : new Message(1, payload, from, reply, () => undefined)) }
}

function inbox(): { queue: Queue; box: Inbox; errors: unknown[] } {
  const errors: unknown[] = []
  const box = new Inbox((error) => errors.push(error))
  const queue = new Queue()
  box.addSource(queue)
  return { queue, box, errors }
}

describe('an inbox', () => {
  it('wants messages when somebody listens or waits, and gives each to one', async () => {
    const { box, queue } = inbox()
    expect(box.wants).toBe(false)
    const first = box.recvAsync(undefined, undefined)
    const second = box.recvAsync(undefined, undefined)
    expect(box.wants).toBe(true)
    expect(queue.stirred).toBe(2)
    box.deliver(arrival('a'))
    box.deliver(arrival('b'))
    box.deliver(arrival('c'))
    expect((await first).payload).toBe('a')
    expect((await second).payload).toBe('b')
    expect(box.wants).toBe(false)
    const heard: unknown[] = []
    const stop = box.listen(({ payload }) => void heard.push(payload), undefined)
    box.flush()
    box.deliver(arrival('d'))
    expect(heard).toEqual(['c', 'd'])
    stop()
    box.deliver(arrival('e'))
    expect(heard).toEqual(['c', 'd'])
    expect(box.tryRecv(undefined)?.payload).toBe('e')
    expect(box.tryRecv(undefined)).toBeUndefined()
  })

  it('takes what waits outside in order, and keeps what is for others', () => {
    const { box, queue } = inbox()
    const [a, b] = [thread('a'), thread('b')]
    queue.waiting.push(arrival(1, a), arrival(2, b), arrival(3, a), arrival(4, b, { times: 0 }, true), arrival(5, b))
    expect(box.tryRecv(b)?.payload).toBe(2)
    expect(box.tryRecv(b)?.payload).toBe(5)
    expect(box.tryRecv(undefined)?.payload).toBe(1)
    expect(box.tryRecv(b)).toBeUndefined()
    expect(box.tryRecv(a)?.payload).toBe(3)
  })

  it('calls handlers in their order until one has handled the message', () => {
    const { box } = inbox()
    const [a, b] = [thread('a'), thread('b')]
    const log: string[] = []
    box.listen((message) => {
      log.push(`1:${String(message.payload)}`)
      if (message.payload === 'stop') message.markHandled()
    }, undefined)
    box.listen(({ payload }) => void log.push(`2:${String(payload)}`), a)
    for (const [payload, from] of [
      ['x', a],
      ['y', b],
      ['stop', a],
    ] as const)
      box.deliver(arrival(payload, from))
    expect(log).toEqual(['1:x', '2:x', '1:y', '1:stop'])
  })

  it('replies with what a handler returns, and rejects with what it throws', async () => {
    const { box, errors } = inbox()
    let act: (message: Message) => unknown = () => 1
    box.listen((message) => act(message), undefined)
    const ask = (): Settled => {
      const settled = { times: 0 }
      box.deliver(arrival('x', undefined, settled))
      return settled
    }
    expect(ask()).toEqual({ value: 1, times: 1 })
    act = () => undefined
    expect(ask()).toEqual({ times: 0 })
    act = (message) => {
      message.reply(2)
      return 3
    }
    expect(ask()).toEqual({ value: 2, times: 1 })
    act = () => {
      throw new RangeError('thrown')
    }
    expect(ask()).toEqual({ error: new RangeError('thrown'), times: 1 })
    act = async () => Promise.resolve(4)
    const later = ask()
    expect(box.pending).toBe(1)
    await Promise.resolve().then(() => undefined)
    await new Promise<void>((resolve) => (box.onChange = resolve))
    expect(later).toEqual({ value: 4, times: 1 })
    expect(box.pending).toBe(0)
    expect(errors).toEqual([])
    act = () => {
      throw new RangeError('nobody asked')
    }
    box.deliver(arrival('x'))
    expect(errors).toEqual([new RangeError('nobody asked')])
  })

  it('ends waits by time and signal, and loses no message to a wait that has ended', async () => {
    const { box } = inbox()
    await expect(box.recvAsync(undefined, { timeout: 1 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' })
    const controller = new AbortController()
    const waiting = box.recvAsync(undefined, { signal: controller.signal })
    controller.abort(new RangeError('stop'))
    await expect(waiting).rejects.toThrow('stop')
    expect(() => box.recv(undefined, { signal: controller.signal })).toThrow(TypeError)
    expect(() => box.recv(undefined, { timeout: 1 })).toThrow(expect.objectContaining({ code: 'ERR_TIMEOUT' }))
    box.deliver(arrival('x'))
    expect(box.recv(undefined, undefined).payload).toBe('x')
    expect(() => box.recvFiber(undefined, undefined).next()).toThrow(expect.objectContaining({ code: 'ERR_BLOCKING_NOT_ALLOWED' }))
  })

  it('a request that its sender took back is no message', async () => {
    const { box } = inbox()
    const waiting = box.recvAsync(undefined, undefined)
    box.deliver(arrival('gone', undefined, { times: 0 }, true))
    box.deliver(arrival('there'))
    expect((await waiting).payload).toBe('there')
  })

  it('gives what is left after it was closed, and then says so', async () => {
    const { box } = inbox()
    const closed = new RangeError('closed')
    const waiting = box.recvAsync(thread('other'), undefined)
    box.deliver(arrival('left'))
    box.close(() => closed)
    await expect(waiting).rejects.toBe(closed)
    expect(box.tryRecv(undefined)?.payload).toBe('left')
    expect(() => box.tryRecv(undefined)).toThrow(closed)
    expect(() => box.recv(undefined, undefined)).toThrow(closed)
  })

  it('wants no more of one thread than there is room for what others send meanwhile', () => {
    const { box } = inbox()
    const [a, b] = [thread('a'), thread('b')]
    box.listen(() => undefined, a)
    for (let i = 0; i < 999; i++) box.deliver(arrival(i, b))
    expect(box.wants).toBe(true)
    box.deliver(arrival(999, b))
    expect(box.wants).toBe(false)
    expect(box.tryRecv(undefined)?.payload).toBe(0)
    expect(box.wants).toBe(true)
  })
})
