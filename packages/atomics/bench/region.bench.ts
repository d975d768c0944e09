/**
 * What `alloc` and `free` cost when nobody contends, beside the floor that their lock stands on.
 *
 * npx esbuild packages/atomics/bench/region.bench.ts --bundle --format=esm --platform=node --conditions=heddle-source --external:tinybench --outfile=packages/atomics/bench/.region.mjs && node packages/atomics/bench/.region.mjs
 */
import { Bench } from 'tinybench'
import { Region } from '@heddle/atomics'

const BATCH = 200
const time = Number(process.env.HEDDLE_BENCH_MS ?? 300)
const bench = new Bench({ time, warmupTime: 100 })
const add = (title: string, run: () => void): void => {
  bench.add(title, () => {
    for (let i = 0; i < BATCH; i++) run()
  })
}

const word = new Int32Array(new SharedArrayBuffer(64))
add('floor: bare compareExchange + store', () => {
  Atomics.compareExchange(word, 0, 0, 1)
  Atomics.store(word, 0, 0)
})

const region = Region.create({ bytes: 1 << 26 })
for (const [bytes, align] of [
  [8, 8],
  [64, 8],
  [64, 64],
  [256, 8],
  [1024, 8],
  [4096, 64],
  [65_536, 8],
] as const) {
  add(`alloc + free, ${bytes} bytes aligned to ${align}`, () => {
    region.free(region.alloc(bytes, align))
  })
}

// A thousand blocks of 16 to 215 bytes in the order of chance: merges, splits and every small list.
const crowded = Region.create({ bytes: 1 << 24 })
const live = Array.from({ length: 1000 }, (_, i) => crowded.alloc(16 + ((i * 37) % 200)))
let state = 1
add('free + alloc of one among 1000 blocks, 16 to 215 bytes', () => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
  const slot = (state >>> 8) % live.length
  crowded.free(live[slot]!)
  live[slot] = crowded.alloc(16 + ((state >>> 16) % 200))
})

await bench.run()
console.table(
  bench.tasks.map((task) => {
    if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`)
    const { p50, min } = task.result.latency
    return { operation: task.name, 'median ns': ((p50 * 1e6) / BATCH).toFixed(1), 'min ns': ((min * 1e6) / BATCH).toFixed(1) }
  }),
)

for (const at of live) crowded.free(at)
for (const each of [region, crowded]) {
  each.check()
  if (each.stats().blocks !== 0) throw new Error('blocks were lost')
}
