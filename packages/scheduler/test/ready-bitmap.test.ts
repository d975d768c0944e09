import { describe, expect, it } from 'vitest'
import { DisposedError, InvalidArgumentError, Region, revive, share } from '@heddle/atomics'
import { ReadyBitmap } from '../src/index.js'
import { generator, SEED } from './random.js'

const region = Region.create({ bytes: 1 << 20, agents: 4 })

describe('ReadyBitmap', () => {
  it('takes the most urgent first, in rotation, each once', () => {
    const ready = new ReadyBitmap(100, { region })
    expect(ready.set(7)).toBe(true)
    expect(ready.set(7)).toBe(false)
    ready.set(8)
    ready.set(99, 'critical')
    expect(ready.test(99, 'critical')).toBe(true)
    expect([ready.take(), ready.take()]).toEqual([99, 7])
    ready.set(7)
    expect([ready.take(), ready.take(), ready.take()]).toEqual([8, 7, -1])
    ready.set(5, 'low')
    expect([ready.clear(5, 'low'), ready.clear(5, 'low'), ready.take()]).toEqual([true, false, -1])
    ready.dispose()
    expect(() => ready.set(1)).toThrow(DisposedError)
    expect(() => ready.take()).toThrow(DisposedError)
  })

  it('keeps the shares of lower priorities', () => {
    const ready = new ReadyBitmap(4, { region })
    const counts = [0, 0, 0, 0]
    const priorities = ['critical', 'high', 'normal', 'low'] as const
    priorities.forEach((priority, slot) => ready.set(slot, priority))
    for (let i = 0; i < 320; i++) {
      const slot = ready.take()
      counts[slot]!++
      ready.set(slot, priorities[slot]!)
    }
    expect(counts).toEqual([250, 40, 20, 10])
    ready.dispose()
  })

  it('is opened by handle and by place, and refuses what is none', () => {
    const ready = new ReadyBitmap(2000, { region })
    ready.set(1999, 'high')
    const other = revive(share(ready)) as ReadyBitmap
    expect([other.size, other.take()]).toEqual([2000, 1999])
    expect(ReadyBitmap.BYTES).toBe(ReadyBitmap.bytesFor(1))
    const at = region.alloc(ReadyBitmap.bytesFor(40), ReadyBitmap.ALIGN)
    const embedded = ReadyBitmap.init(region, at, 40)
    embedded.set(39)
    expect(ReadyBitmap.at(region, at).take()).toBe(39)
    const handle = ready.toHandle()
    ready.dispose()
    expect(() => ReadyBitmap.fromHandle(handle)).toThrow(DisposedError)
    expect(() => new ReadyBitmap(0, { region })).toThrow(InvalidArgumentError)
    expect(() => embedded.set(40)).toThrow(InvalidArgumentError)
    embedded.dispose()
    region.free(at)
  })

  it(`loses and doubles nothing (HEDDLE_SEED=${SEED})`, () => {
    const random = generator(SEED)
    const ready = new ReadyBitmap(3000, { region })
    const members = new Map<number, string>()
    const priorities = ['critical', 'high', 'normal', 'low'] as const
    for (let i = 0; i < 20_000; i++) {
      if (random(2) === 0) {
        const slot = random(3000)
        const priority = priorities[slot % 4]!
        expect(ready.set(slot, priority)).toBe(!members.has(slot))
        members.set(slot, priority)
      } else {
        const slot = ready.take()
        expect(members.delete(slot) || (slot === -1 && members.size === 0)).toBe(true)
      }
    }
    ready.dispose()
  })
})
