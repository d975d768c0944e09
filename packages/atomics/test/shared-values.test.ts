import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, test } from 'vitest'
import {
  array,
  AtomicInt32,
  bool,
  type Codec,
  DisposedError,
  f64,
  i32,
  InvalidArgumentError,
  NotShareableError,
  Region,
  registerCodec,
  revive,
  SeqLock,
  share,
  SharedBox,
  SharedObject,
  struct,
  u32,
  utf8,
  value,
  ValueTooLargeError,
} from '../src/index.js'
import type { Request } from './fixtures/shared-values.worker.js'
import { declareDead } from './support.js'

const region = Region.create({ bytes: 1 << 22, agents: 8 })
const workers: Worker[] = []
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.terminate()))
})

function start(): Worker {
  const worker = new Worker(new URL('.fixtures/shared-values.js', import.meta.url))
  workers.push(worker)
  return worker
}

async function ask(worker: Worker, request: Request): Promise<unknown> {
  const answer = new Promise<{ result?: unknown; error?: unknown }>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  worker.postMessage(request)
  const { result, error } = await answer
  if (error !== undefined) throw new Error(JSON.stringify(error))
  return result
}

describe('SeqLock', () => {
  test('holds a value of any fixed codec, in its whole range', () => {
    const Pose = struct({ x: f64, on: bool, name: utf8(300) })
    const lock = new SeqLock(Pose, { region })
    expect(lock.read()).toEqual({ x: 0, on: false, name: '' })
    for (const name of ['', 'short', 'x'.repeat(300)]) {
      lock.write({ x: 1.5, on: true, name })
      expect(lock.read()).toEqual({ x: 1.5, on: true, name })
      expect((SeqLock.fromHandle(lock.toHandle()) as typeof lock).read()).toEqual({ x: 1.5, on: true, name })
      expect((SeqLock.at(region, lock.at) as typeof lock).read()).toEqual({ x: 1.5, on: true, name })
    }
    expect(() => lock.write({ x: 1, on: true, name: 'x'.repeat(301) })).toThrow(ValueTooLargeError)
    expect(lock.read().name).toHaveLength(300)
    const text = new SeqLock(value<unknown>(1000), { region, value: { long: 'y'.repeat(900) } })
    expect(text.read()).toEqual({ long: 'y'.repeat(900) })
    text.dispose()
    expect(() => text.read()).toThrow(DisposedError)
    expect(() => text.write(1)).toThrow(DisposedError)
    lock.dispose()
  })

  test('allocates nothing when it cannot be made, and works in memory of the caller', () => {
    const { blocks } = region.stats()
    expect(() => new SeqLock({ ...i32, kind: 'loose', fixed: false }, { region })).toThrow(InvalidArgumentError)
    expect(() => new SeqLock(i32, { region, value: 1.5 })).toThrow(InvalidArgumentError)
    expect(region.stats().blocks).toBe(blocks)
    const at = region.alloc(SeqLock.bytes(f64))
    const lock = SeqLock.init(region, at, f64, 2.5)
    expect(SeqLock.at<number>(region, at).read()).toBe(2.5)
    lock.dispose()
    expect(() => SeqLock.at(region, at)).toThrow(DisposedError)
    region.free(at)
    expect(region.stats().blocks).toBe(blocks)
  })

  test('keeps the last complete value when a writer dies in the middle of writing, and lets the next one write', () => {
    const lock = new SeqLock(array(i32, 4), { region, value: [1, 1, 1, 1] })
    // What a writer leaves that died half-way: its tag in the writer word, two words in the slot that nobody reads.
    const dead = { id: 5, generation: 3 }
    const words = lock.at >> 2
    const version = region.words[words + 1]!
    const slotWords = 4
    region.words[words + 2] = (dead.generation << 12) | (dead.id << 4) | 1
    region.words[words + 4 + ((version + 1) & 1) * slotWords] = 9
    declareDead(region, dead)
    expect(lock.read()).toEqual([1, 1, 1, 1])
    lock.write([2, 2, 2, 2])
    expect(lock.read()).toEqual([2, 2, 2, 2])
    expect(region.words[words + 2]).toBe(0)
    lock.dispose()
  })

  test('survives the wrap of its version', () => {
    const lock = new SeqLock(i32, { region })
    for (const start of [2 ** 31 - 2, -3]) {
      lock.write(-1)
      const current = lock.read()
      // The value is in both slots, so that the version may be set freely.
      lock.write(current)
      region.words[(lock.at >> 2) + 1] = start
      for (let i = 0; i < 6; i++) {
        lock.write(i)
        expect(lock.read()).toBe(i)
      }
    }
    lock.dispose()
  })

  test('readers on other threads never see a half-written value', async () => {
    const lock = new SeqLock(array(f64, 6), { region, value: [0, 0, 0, 0, 0, 0] })
    const [writer, other, reader] = [start(), start(), start()]
    const rounds = 40_000
    const [, , seen] = await Promise.all([
      ask(writer, { action: 'write', value: lock.toHandle(), rounds, number: 1 }),
      ask(other, { action: 'write', value: lock.toHandle(), rounds, number: 2 }),
      ask(reader, { action: 'read', value: lock.toHandle(), rounds }),
    ])
    expect((seen as { torn: number }).torn).toBe(0)
    expect(lock.read().every((one) => one === 1_000_000 + rounds || one === 2_000_000 + rounds)).toBe(true)
    expect(region.words[(lock.at >> 2) + 1]).toBe(2 * rounds + 1)
    lock.dispose()
  })
})

describe('SharedBox', () => {
  test('lives until its last reference is released, then value and memory are free', () => {
    const { blocks } = region.stats()
    const box = new SharedBox({ codec: utf8(100_000), region }, 'x'.repeat(50_000))
    const clone = box.clone()
    expect([box.count, clone.count]).toEqual([2, 2])
    box.release()
    expect(clone.value).toHaveLength(50_000)
    expect([box.isDisposed, clone.isDisposed]).toEqual([true, false])
    clone[Symbol.dispose]()
    expect(region.stats().blocks).toBe(blocks)
  })

  test('refuses every use of a reference that was released', () => {
    const box = new SharedBox({ codec: i32, region }, 1)
    const other = box.clone()
    box.release()
    for (const use of [() => box.release(), () => box.dispose(), () => box.value, () => box.count, () => box.clone(), () => box.toHandle()])
      expect(use).toThrow(DisposedError)
    expect([other.value, other.count]).toEqual([1, 1])
    const { at } = other
    other.release()
    expect(() => SharedBox.at(region, at)).toThrow(DisposedError)
    expect(() => other.release()).toThrow(DisposedError)
  })

  test('a handle carries one reference and is opened once', () => {
    const box = new SharedBox({ codec: u32, region }, 7)
    const first = box.toHandle()
    expect(box.count).toBe(2)
    const second = box.toHandle()
    box.release()
    const opened = SharedBox.fromHandle<number>(first)
    expect([opened.value, opened.count]).toEqual([7, 2])
    opened.release()
    const last = SharedBox.fromHandle<number>(second)
    expect(() => SharedBox.fromHandle(second)).toThrow(InvalidArgumentError)
    last.release()
    expect(() => SharedBox.fromHandle(second)).toThrow(DisposedError)
  })

  test('allocates nothing when its value is refused, and works in memory of the caller', () => {
    const { blocks } = region.stats()
    expect(() => new SharedBox({ codec: i32, region }, 'x' as never)).toThrow(InvalidArgumentError)
    expect(() => new SharedBox({ codec: utf8(3), region }, 'xxxx')).toThrow(ValueTooLargeError)
    expect(region.stats().blocks).toBe(blocks)
    const at = region.alloc(SharedBox.bytes(utf8(500)))
    expect(() => SharedBox.init(region, at, utf8(500), 'x'.repeat(501))).toThrow(ValueTooLargeError)
    region.bytes.fill(0, at, at + SharedBox.bytes(utf8(500)))
    const box = SharedBox.init(region, at, utf8(500), 'x'.repeat(500))
    const again = SharedBox.at<string>(region, at)
    expect([again.value.length, box.count]).toEqual([500, 2])
    again.release()
    box.release()
    region.free(at)
    expect(region.stats().blocks).toBe(blocks)
  })

  test('crosses to a worker with its reference', async () => {
    const { blocks } = region.stats()
    const worker = start()
    const box = new SharedBox({ codec: utf8(1000), region }, 'to the other side')
    const answer = ask(worker, { action: 'adopt', value: box.toHandle() })
    box.release()
    expect(await answer).toEqual({ value: 'to the other side', count: 1 })
    expect(region.stats().blocks).toBe(blocks)
  })

  test('counts right under contention', async () => {
    const box = new SharedBox({ codec: i32, region }, 3)
    const [one, two] = [start(), start()]
    const request: Request = { action: 'box', buffer: region.buffer, number: box.at, rounds: 20_000 }
    expect(await Promise.all([ask(one, request), ask(two, request)])).toEqual([60_000, 60_000])
    expect(box.count).toBe(1)
    box.release()
  })

  test('keeps a codec of the user only where it is registered', () => {
    const mine: Codec<number> = { ...i32, kind: 'mine' }
    const box = new SharedBox({ codec: mine, region }, 5)
    expect(() => SharedBox.at(region, box.at)).toThrow(NotShareableError)
    registerCodec(mine)
    const other = SharedBox.at(region, box.at)
    expect(other.value).toBe(5)
  })
})

describe('share and revive', () => {
  test('replace shared objects in whole trees, keeping cycles and identity', () => {
    const cell = new AtomicInt32({ region, value: 1 })
    const list: unknown[] = [cell, 1, 'x']
    list[4] = { deep: cell }
    const tree: Record<string, unknown> = { cell, list, map: new Map<unknown, unknown>([[cell, 'key'], ['v', cell]]), set: new Set([cell]) } // prettier-ignore
    tree.self = tree
    const shared = share(tree) as typeof tree
    expect(shared).not.toBe(tree)
    expect(shared.self).toBe(shared)
    expect(shared.cell).toEqual(cell.toHandle())
    expect((shared.list as unknown[])[0]).toBe(shared.cell)
    const back = revive(structuredClone(shared)) as {
      cell: AtomicInt32
      list: unknown[]
      map: Map<unknown, unknown>
      set: Set<unknown>
      self: unknown
    }
    expect(back.self).toBe(back)
    back.cell.add(1)
    expect(cell.load()).toBe(2)
    for (const one of [back.list[0], (back.list[4] as { deep: unknown }).deep, [...back.map.keys()][0], back.map.get('v'), [...back.set][0]])
      expect(one).toBe(back.cell)
    expect(3 in back.list).toBe(false)
    cell.dispose()
    expect(() => share(tree)).toThrow(DisposedError)
    expect(() => revive(structuredClone(shared))).toThrow(DisposedError)
  })

  test('give back what holds no shared object as it is', () => {
    const loop: unknown[] = []
    loop.push(loop)
    const plain = {
      date: new Date(),
      error: new Error('x'),
      f: () => 1,
      nested: { deep: [new Map([[1, new Set([2])]])] },
      loop,
      handleLike: { heddle: 'x', at: 1 },
    }
    for (const one of [plain, 1, 'x', null, undefined, plain.f]) {
      expect(share(one)).toBe(one)
      expect(revive(one)).toBe(one)
    }
    expect(share(new AtomicInt32({ region }))).toMatchObject({ heddle: 'AtomicInt32' })
  })

  test('of deep trees without shared objects, and __proto__ as a name', () => {
    let deep: unknown = 1
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(share(deep)).toBe(deep)
    const cell = new AtomicInt32({ region })
    const odd = JSON.parse('{"__proto__": {"a": 1}}') as Record<string, unknown>
    odd.cell = cell
    expect(Object.getOwnPropertyNames(share(odd))).toEqual(['__proto__', 'cell'])
  })

  test('a tree that can not be shared, or revived, takes no references', () => {
    const box = new SharedBox({ codec: i32, region }, 1)
    const gone = new AtomicInt32({ region })
    gone.dispose()
    expect(() => share([box, gone])).toThrow(DisposedError)
    expect(box.count).toBe(1)
    const sent = [...(share([box]) as unknown[]), { heddle: 'Unknown', buffer: region.buffer, at: 64, header: 1 }]
    expect(() => revive(sent)).toThrow(NotShareableError)
    const [again] = revive(sent.slice(0, 1)) as [SharedBox<number>]
    expect(again.count).toBe(2)
    again.release()
    box.release()
  })

  test('a kind that is not registered is refused by name', () => {
    class Alien extends SharedObject {
      static readonly kind = 'Alien'
    }
    void Alien
    expect(() => revive([{ heddle: 'Alien', buffer: region.buffer, at: 64, header: 1 }])).toThrow(NotShareableError)
    expect(() => revive({ heddle: 'Alien', buffer: region.buffer, at: 64, header: 1 })).toThrow("call registerShareable('Alien', Class)")
  })

  test('make a round trip through a real worker', async () => {
    const cell = new AtomicInt32({ region, value: 1 })
    await expect(ask(start(), { action: 'adopt', value: new AtomicInt32({ region }).toHandle() })).rejects.toThrow('not of a SharedBox')
    const answer = (await ask(start(), { action: 'revive', value: share({ cell, list: [cell], map: new Map([['cell', cell]]) }) })) as {
      same: boolean
      back: unknown
    }
    expect(answer.same).toBe(true)
    expect(cell.load()).toBe(111)
    const back = revive(answer.back) as { cell: AtomicInt32; list: AtomicInt32[] }
    expect(back.cell.load()).toBe(111)
    expect(back.list[0]).toBe(back.cell)
  })
})
