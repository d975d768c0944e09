/** In what order an agent's messages to a thread leave, with and without room; refs. */
import { Region } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import { type Entry, entryCodec, JOIN, SEND, Unreadable } from '../../src/thread/entry.js'
import { CLOSING, ENDED, isOf, nextRef, OWNER_REF, phaseOf, recordOf, refOf, RUNNING, stateOf, VACANT } from '../../src/thread/layout.js'
import { Outbox } from '../../src/thread/outbox.js'

const entry = (id: number, payload: unknown = id): Entry => ({ kind: SEND, id, to: 257, from: 256, slot: -1, seen: 0, payload })

class Road {
  room = 0
  wanted = 0
  readonly sent: number[] = []
  error: Error | undefined
  post(_: number, { id }: Entry): boolean {
    if (this.error !== undefined) throw this.error
    if (this.room === 0) return false
    this.room--
    this.sent.push(id)
    return true
  }
  wantRoom(): void {
    this.wanted++
  }
}

describe('an outbox', () => {
  it('sends in order: what comes later waits behind what waits', () => {
    const road = new Road()
    const box = new Outbox(road, 257)
    const log: string[] = []
    const enter = (id: number): (() => void) =>
      box.enter(
        entry(id),
        () => log.push(`sent ${id}`),
        (error) => log.push(`${id}: ${String(error)}`),
      )
    expect(box.try(entry(0))).toBe(false)
    enter(1)
    const takeBack = enter(2)
    enter(3)
    expect(road.wanted).toBe(3)
    takeBack()
    takeBack()
    road.room = 1
    // Its room is taken by the one that waits.
    expect(box.try(entry(4))).toBe(false)
    expect(log).toEqual(['sent 1'])
    road.room = 2
    expect(box.try(entry(5))).toBe(true)
    expect(road.sent).toEqual([1, 3, 5])
    expect(box.isEmpty).toBe(true)
    enter(6)
    enter(7)
    road.error = new RangeError('ended')
    box.look()
    expect(log.slice(2)).toEqual(['6: RangeError: ended', '7: RangeError: ended'])
    expect(() => box.try(entry(8))).toThrow('ended')
  })

  it('asks to be rung before it looks the last time', () => {
    const road = new Road()
    const box = new Outbox(road, 257)
    road.wantRoom = () => {
      road.room = 1
    }
    expect(box.tryOrWant(entry(1))).toBe(true)
  })
})

describe('refs', () => {
  it('tell a thread from those before and after it in its record', () => {
    const first = nextRef(0, 3)
    const second = nextRef(stateOf(first, ENDED), 3)
    expect(recordOf(second)).toBe(3)
    expect(first).not.toBe(second)
    expect(isOf(stateOf(first, RUNNING), first)).toBe(true)
    expect(isOf(stateOf(second, RUNNING), first)).toBe(false)
    expect(isOf(stateOf(first, VACANT), first)).toBe(false)
    expect(phaseOf(stateOf(first, CLOSING))).toBe(CLOSING)
    expect(refOf(stateOf(second, RUNNING), 3)).toBe(second)
    // The last generation is followed by the first: no ref is 0 in its generation.
    expect(nextRef(stateOf(0xffffff00 | 3, ENDED), 3)).toBe(first)
    expect(recordOf(OWNER_REF)).toBe(0)
  })
})

describe('entries', () => {
  const region = Region.create({ bytes: 1 << 20 })
  const codec = entryCodec()

  it('arrive as they were written, small and large, and leave no memory', () => {
    const at = region.alloc(codec.bytes, 8)
    const { used } = region.stats()
    for (const one of [
      entry(1, { a: [1, 'x'] }),
      entry(2, 'y'.repeat(10_000)),
      { ...entry(3), payload: undefined, kind: JOIN, slot: 77, seen: -5 },
    ]) {
      codec.write(region, at, one)
      expect(codec.read(region, at)).toEqual(one)
      codec.free!(region, at)
      expect(region.stats().used).toBe(used)
    }
    expect(() =>
      codec.write(
        region,
        at,
        entry(4, () => 1),
      ),
    ).toThrow(expect.objectContaining({ code: 'ERR_NOT_SHAREABLE' }))
    region.free(at)
  })

  it('one that can not be read says why', () => {
    const at = region.alloc(codec.bytes, 8)
    const cell = { get boom(): number { throw new RangeError('getter') } } // prettier-ignore
    expect(() => codec.write(region, at, entry(1, cell))).toThrow('getter')
    expect(new Unreadable('why').reason).toBe('why')
    region.free(at)
  })
})
