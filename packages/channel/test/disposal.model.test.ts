/**
 * A channel that is disposed of as soon as its message was handed over, while who got it may still be in a queue or its lock. Its memory has
 * another use at once: the checker finds any access that races with that.
 */
import { i32, InvalidArgumentError, type Region } from '@heddle/atomics'
import { set } from '@heddle/atomics/ops'
import { model, type ModelOptions } from '@heddle/model'
import { Agent, QUEUE_BYTES } from '@heddle/park/internal'
import { expect, test } from 'vitest'
import { channel, type Receiver, type Sender } from '../src/index.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const options: ModelOptions = { regionBytes: 1 << 16, preemptions: full ? 3 : 2 }

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
