// What the programs of programs.mjs run in workers.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sleepAsync } from '@heddle/park'
import { Executor, tasks } from '@heddle/executor'
import { Scheduler } from '@heddle/scheduler'
import { Semaphore } from '@heddle/sync'

// Each fiber has ten children, down to one for each number; the sum of all numbers comes back.
function* family(scheduler, first, size) {
  if (size === 1) return first
  const step = size / 10
  const children = Array.from({ length: 10 }, (_, i) => scheduler.spawn(() => family(scheduler, first + i * step, step)))
  let sum = 0
  for (const child of children) sum += yield* child.joinFiber()
  return sum
}

function merged(a, b) {
  const all = new a.constructor(a.length + b.length)
  for (let i = 0, j = 0, k = 0; k < all.length; k++) all[k] = j === b.length || (i < a.length && a[i] <= b[j]) ? a[i++] : b[j++]
  return all
}

const COLOURS = 3
const complement = (a, b) => (a === b ? a : COLOURS - a - b)

export const programs = tasks(import.meta.url, {
  skynet(size) {
    const scheduler = new Scheduler()
    return scheduler.blockOn(family(scheduler, 0, size))
  },
  // Each of `count` fibers waits for the token and hands it on; the number of the one that has it last.
  threadRing(count, token) {
    const scheduler = new Scheduler()
    const turns = Array.from({ length: count }, () => new Semaphore(0))
    let left = token
    let last = 0
    let over = false
    for (let i = 0; i < count; i++)
      scheduler.spawn(function* () {
        for (;;) {
          yield* turns[i].acquireFiber()
          if (!over && left-- === 0) {
            last = i + 1
            over = true
          }
          turns[(i + 1) % count].release()
          if (over) return
        }
      })
    turns[0].release()
    scheduler.run()
    for (const turn of turns) turn.dispose()
    return last
  },
  // Creatures meet in pairs and take a new colour, until so many have met; how often each did, and how often itself.
  chameneos(colours, meetings) {
    const scheduler = new Scheduler()
    const free = new Semaphore(1)
    const called = colours.map(() => new Semaphore(0))
    const creatures = colours.map((colour) => ({ colour, met: 0, self: 0 }))
    let waiting = -1
    let left = meetings
    creatures.forEach((mine, i) =>
      scheduler.spawn(function* () {
        for (;;) {
          yield* free.acquireFiber()
          if (left === 0) return free.release()
          if (waiting === -1) {
            waiting = i
            free.release()
            yield* called[i].acquireFiber()
            if (left === -1) return
            continue
          }
          const other = creatures[waiting]
          if (other === mine) mine.self++
          mine.colour = other.colour = complement(mine.colour, other.colour)
          mine.met++
          other.met++
          const partner = waiting
          waiting = -1
          left--
          free.release()
          called[partner].release()
        }
      }),
    )
    scheduler.run()
    free.dispose()
    for (const one of called) one.dispose()
    return creatures
  },
  async mergeSort(numbers, depth) {
    if (depth === 0 || numbers.length < 2) return numbers.sort()
    const half = numbers.length >> 1
    const executor = Executor.current()
    const parts = [numbers.slice(0, half), numbers.slice(half)]
    const [a, b] = await Promise.all(parts.map((part) => executor.run(programs.mergeSort, part, depth - 1)))
    return merged(a, b)
  },
  // The rows from `first` on of the product of two square matrices.
  multiply(a, b, size, first, rows) {
    const product = new Float64Array(rows * size)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < size; j++) {
        let sum = 0
        for (let k = 0; k < size; k++) sum += a[(first + i) * size + k] * b[k * size + j]
        product[i * size + j] = sum
      }
    return product
  },
  double: (n) => n * 2,
  *increment(n) {
    yield
    return n + 1
  },
  async list(folder) {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.map((entry) => ({ path: join(folder, entry.name), isFolder: entry.isDirectory() }))
  },
  async measure(path) {
    const [text, { size }] = await Promise.all([readFile(path), stat(path)])
    return text.length === size ? size : -1
  },
  async sleep(ms, value) {
    await sleepAsync(ms)
    return value
  },
})
