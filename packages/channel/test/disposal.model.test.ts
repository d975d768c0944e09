/**
 * A channel that is disposed of as soon as what was to be said with it was said, while the others may still be on their way out of their calls. Its
 * memory has another use at once: the checker finds any plain access that races with that, and the final check any change.
 */
import { type Codec, i32, InvalidArgumentError, type Region } from '@heddle/atomics'
import { load, set, store } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { TimeoutError } from '@heddle/park'
import { Agent, QUEUE_BYTES } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { broadcast, channel, ClosedError, mpsc, oneshot, type Receiver, select, type Sender, spsc, unbounded, watch } from '../src/index.js'
import { HEAD_BYTES } from '../src/layout.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 16, preemptions: 2 }

const ready = (region: Region) => ({
  before: (): void => {
    const { slab } = Agent.of(region)
    slab.release(slab.acquire())
  },
})

interface Queues {
  readonly flavor: { readonly sendQueue: number; readonly receiveQueue: number }
}

/** Disposes of the channel, unless somebody waits, and uses the words of its queues for something else. */
function reuse(region: Region, end: Sender<number> | Receiver<number>): boolean {
  const { sendQueue, receiveQueue } = (end as unknown as Queues).flavor
  try {
    end.dispose()
  } catch (error) {
    if (error instanceof InvalidArgumentError) return false
    throw error
  }
  for (const queue of [sendQueue, receiveQueue]) for (let i = 0; i < QUEUE_BYTES >> 2; i++) set(region.words, queue + i, 1)
  return true
}

for (const capacity of [1, 2]) {
  test(`a channel is not gone while its receiver, who waited, is still in a queue, capacity ${capacity}`, () => {
    const report = model(
      `recv | send, dispose, capacity ${capacity}`,
      ({ region, spawn }) => {
        const [tx, rx] = channel({ capacity, codec: i32, region })
        const receiver = spawn(() => rx.recv(), ready(region))
        const sender = spawn(() => {
          tx.send(7)
          // With room for it the message may be there still, and the receiver about to come: a disposal would be misuse.
          return tx.length === 0 && reuse(region, tx)
        }, ready(region))
        return () => [receiver.result, sender.result]
      },
      options,
    )
    // Disposed of, or refused.
    expect([report.complete, ...[...report.outcomes.keys()].sort()]).toEqual([true, '[7,false]', '[7,true]'])
  })
}

/** What the new owner of the memory keeps there. */
const OTHER = 0x5a5a5a5a

/** First words of the blocks that a channel of capacity 0 has in the region (rendezvous.ts). */
function slotsOf(region: Region, base: number): number[] {
  const slots: number[] = []
  for (let slot = load(region.words, base + (HEAD_BYTES >> 2)); slot !== 0; slot = load(region.words, slot)) slots.push(slot)
  return slots
}

/**
 * Disposes of the channel, unless somebody waits, and has another use for its memory: looks do no harm there, but nobody may change it.
 * @returns what says, at the end, what became of it
 */
function reuseAll(region: Region, end: Sender<number> | Receiver<number>): () => string {
  const { base } = (end as unknown as { flavor: { base: number } }).flavor
  const slots = end.capacity === 0 ? slotsOf(region, base) : []
  try {
    end.dispose()
  } catch (error) {
    if (error instanceof InvalidArgumentError) return () => 'refused'
    throw error
  }
  // The channel up to its first slots, and of each slot outside of it the state, the door and the value.
  const words = Array.from({ length: (HEAD_BYTES >> 2) + 8 }, (_, i) => base + i)
  for (const slot of slots) words.push(slot + 2, slot + 3, slot + 4)
  for (const at of words) store(region.words, at, OTHER)
  return () => (words.every((at) => load(region.words, at) === OTHER) ? 'disposed' : 'changed after the disposal')
}

/** What `act` gave; 'late' when its time was over, 'closed' when the channel was. */
function told<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    if (error instanceof TimeoutError) return 'late'
    if (error instanceof ClosedError) return 'closed'
    throw error
  }
}

/** Two threads of which the second disposes of the channel. @returns all outcomes */
function outcomes(
  name: string,
  make: (region: Region) => { first: () => unknown; second: () => unknown; end: Sender<number> | Receiver<number> },
  settings: ModelOptions = {},
): string[] {
  const report = model(
    name,
    ({ region, spawn }) => {
      const { first, second, end } = make(region)
      const one = spawn(first, ready(region))
      const two = spawn(() => {
        const result = second()
        // Whatever else is misuse: the other one may only be about to begin.
        return { result, end: result === 'late' ? () => 'kept' : reuseAll(region, end) }
      }, ready(region))
      return () => [one.result, two.result.result, two.result.end()]
    },
    { ...options, ...settings },
  )
  expect(report.complete).toBe(true)
  return [...report.outcomes.keys()].sort()
}

interface Ends {
  tx: Sender<number>
  rx: Receiver<number>
}
type Make = (options: { codec: Codec<number>; region: Region }) => [Sender<number>, Receiver<number>]
const flavors: Record<string, Make> = {
  'capacity 0': (o) => channel({ capacity: 0, ...o }),
  'channel of 1': (o) => channel({ capacity: 1, ...o }),
  'channel of 8': (o) => channel({ capacity: 8, ...o }),
  'mpsc of 1': (o) => mpsc({ capacity: 1, ...o }),
  'spsc of 1': (o) => spsc({ capacity: 1, ...o }),
  oneshot,
  unbounded,
  'broadcast of 1': (o) => broadcast({ capacity: 1, ...o }),
  watch: (o) => watch(0, o),
}
const pair = (name: string, region: Region): Ends => {
  const [tx, rx] = flavors[name]!({ codec: i32, region })
  return { tx, rx }
}

for (const name of Object.keys(flavors)) {
  const isShared = name === 'watch' || name.startsWith('broadcast')
  test(`${name}: who sent touches nothing of what the receiver has disposed of`, () => {
    const make = (region: Region) => {
      const { tx, rx } = pair(name, region)
      return { first: () => told(() => tx.send(7)), second: () => rx.recv(), end: isShared ? tx : rx }
    }
    // Without races where the allocator itself writes to what was freed, in which a sender may look for signals.
    const found = outcomes(`${name}: send | recv, dispose`, make, { races: !isShared })
    expect(found).toEqual(['[null,7,"disposed"]'])
  })

  test(`${name}: who closed touches nothing of what the receiver has disposed of`, () => {
    const found = outcomes(`${name}: close | recv until closed, dispose`, (region) => {
      const { tx, rx } = pair(name, region)
      return { first: () => tx.close(), second: () => told(() => rx.recv()), end: isShared ? tx : rx }
    })
    expect(found).toEqual(['[null,"closed","disposed"]'])
  })
}

for (const name of ['channel of 1', 'mpsc of 1', 'spsc of 1']) {
  test(`${name}: who received touches nothing of what the sender has disposed of`, () => {
    const found = outcomes(`${name}: recv | send ×2, dispose`, (region) => {
      const { tx, rx } = pair(name, region)
      const second = (): void => {
        tx.send(7)
        // There is room for it as soon as the first was received.
        tx.send(8)
      }
      return { first: () => rx.recv(), second, end: tx }
    })
    expect(found).toEqual(['[7,null,"disposed"]'])
  })
}

for (const [name, make] of [
  ['channel', channel],
  ['spsc', spsc],
] as const)
  test(`${name}: who sent many touches nothing of what the receiver has disposed of`, () => {
    const two = (region: Region) => {
      const [tx, rx] = make({ capacity: 8, codec: i32, region })
      return { first: () => tx.sendMany([7, 8]), second: () => rx.recvMany(2).join(), end: rx }
    }
    // Without races: who looks ahead looks at inner states that are being written (P4 of spsc-ring.ts).
    const found = outcomes(`${name}: sendMany | recvMany, dispose`, two, { races: name === 'channel' })
    expect(found).toEqual(['[2,"7,8","disposed"]'])
  })

test('capacity 0: the message is there when its sender disposes of the channel, or it may not yet', () => {
  const found = outcomes('capacity 0: recv | send, dispose', (region) => {
    const { tx, rx } = pair('capacity 0', region)
    return { first: () => rx.recv(), second: () => tx.send(7), end: tx }
  })
  expect(found).toEqual(['[7,null,"disposed"]', '[7,null,"refused"]'])
})

test('capacity 0: who receives with a time limit, and is closed', () => {
  const found = outcomes('capacity 0: recv | close, dispose', (region) => {
    const { tx, rx } = pair('capacity 0', region)
    const waiting = (): void => {
      // Not before it waits: a receive after the disposal would be misuse.
      while ((load(region.words, (tx.at >> 2) + 1) & 1) === 0);
      tx.close()
    }
    return { first: () => told(() => rx.recv({ timeout: 1e9 })), second: waiting, end: tx }
  })
  expect(found).toEqual(['["closed",null,"disposed"]', '["closed",null,"refused"]'].slice(0, found.length))
})

for (const sends of [true, false])
  test(`capacity 0, time limits: a waiter touches nothing of what the other one has disposed of; the first ${sends ? 'sends' : 'receives'}`, () => {
    const found = outcomes(
      `capacity 0: ${sends ? 'send' : 'recv'} with a limit | ${sends ? 'recv' : 'send'} with a limit, dispose`,
      (region) => {
        const { tx, rx } = pair('capacity 0', region)
        const send = (): unknown => told(() => tx.send(7, { timeout: 5 }) ?? 'sent')
        const recv = (): unknown => told(() => rx.recv({ timeout: 5 }))
        return { first: sends ? send : recv, second: sends ? recv : send, end: tx }
      },
      { timeouts: 1, preemptions: full ? 2 : 1 },
    )
    const met = sends ? ['["sent",7,"disposed"]'] : ['[7,"sent","disposed"]', '[7,"sent","refused"]']
    expect(found.filter((outcome) => !outcome.includes('kept'))).toEqual(met)
    expect(found).toContain('["late","late","kept"]')
  })

for (const sends of [true, false])
  test(`capacity 0: a select touches nothing of the channel that was chosen and disposed of; it ${sends ? 'sends' : 'receives'}`, () => {
    const found = outcomes(`capacity 0: select ${sends ? 'send' : 'recv'} a, recv b | ${sends ? 'recv' : 'send'} a, dispose a`, (region) => {
      const a = pair('capacity 0', region)
      const b = pair('capacity 0', region)
      const choose = (): unknown => {
        const got = select({ a: sends ? [a.tx, 7] : a.rx, b: b.rx })
        return [got.key, got.value]
      }
      return { first: choose, second: () => (sends ? a.rx.recv() : a.tx.send(7)), end: a.tx }
    })
    const met = sends ? ['[["a",null],7,"disposed"]'] : ['[["a",7],null,"disposed"]', '[["a",7],null,"refused"]']
    expect(found).toEqual(met)
  })
