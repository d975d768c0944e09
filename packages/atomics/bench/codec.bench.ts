/**
 * What encoding and decoding cost, beside JSON, structuredClone and v8.serialize, and what a struct's fields cost.
 *
 * npx esbuild packages/atomics/bench/codec.bench.ts --bundle --format=esm --platform=node --conditions=heddle-source --external:tinybench --outfile=packages/atomics/bench/.codec.mjs && node packages/atomics/bench/.codec.mjs
 */
import { deserialize, serialize } from 'node:v8'
import { Bench } from 'tinybench'
import { f64, i32, Region, SeqLock, struct, utf8, value } from '@heddle/atomics'
import { decodeValue, encodeValue } from '@heddle/atomics/internal'

const region = Region.create({ bytes: 1 << 24, agents: 4 })
const samples: Record<string, unknown> = {
  'small object': { id: 1, name: 'x', list: [1, 2, 3] },
  '1 KB ASCII': 'abcdefghijklmnop'.repeat(64),
  '1 KB Unicode': 'абвгд日本'.repeat(64),
  '100 records': Array.from({ length: 100 }, (_, i) => ({ id: i, name: `name ${i}`, score: i / 3, tags: ['a', 'b'], active: i % 2 === 0 })),
  'Float64Array(1000)': new Float64Array(1000).map((_, i) => i / 7),
  'Map of 100': new Map(Array.from({ length: 100 }, (_, i) => [`key${i}`, i])),
}
const time = Number(process.env.HEDDLE_BENCH_MS ?? 300)
const results: Record<string, Record<string, string>> = {}
let sink: unknown

for (const [name, sample] of Object.entries(samples)) {
  const bench = new Bench({ time, warmupTime: 100 })
  const encoded = encodeValue(sample)
  const bytes = encoded.bytes.slice(0, encoded.length)
  const text = JSON.stringify(sample)
  const native = serialize(sample)
  const codec = value(1 << 20)
  const at = region.alloc(codec.bytes)
  const batch = 100
  const add = (title: string, run: () => void): void => {
    bench.add(title, () => {
      for (let i = 0; i < batch; i++) run()
    })
  }
  add('value: encode', () => (sink = encodeValue(sample).length))
  add('value: decode', () => (sink = decodeValue(bytes)))
  add('value: slot write + read + free', () => {
    codec.write(region, at, sample)
    sink = codec.read(region, at)
    codec.free!(region, at)
  })
  if (!(sample instanceof Map) && !ArrayBuffer.isView(sample)) {
    add('JSON: stringify', () => (sink = JSON.stringify(sample)))
    add('JSON: parse', () => (sink = JSON.parse(text)))
  }
  add('v8: serialize', () => (sink = serialize(sample)))
  add('v8: deserialize', () => (sink = deserialize(native)))
  add('structuredClone', () => (sink = structuredClone(sample)))
  await bench.run()
  for (const task of bench.tasks) {
    const { result } = task
    const median = 'latency' in result ? (result.latency.p50 * 1e6) / batch : NaN
    ;(results[task.name] ??= {})[name] = median.toFixed(0)
  }
  region.free(at)
}
console.log('ns each, median')
console.table(results)

const Point = struct({ x: f64, y: f64, id: i32, name: utf8(16) })
const point = new Point({ region })
const lock = new SeqLock(struct({ x: f64, y: f64 }), { region, value: { x: 0, y: 0 } })
const text = utf8(64)
const slot = region.alloc(text.bytes)
const plain = { x: 0, id: 0 }
const small = new Bench({ time, warmupTime: 100 })
const loop = (title: string, run: (i: number) => void): void => {
  small.add(title, () => {
    for (let i = 0; i < 1000; i++) run(i)
  })
}
loop('floor: a field of a JS object', (i) => (plain.id = (plain.id + i) | 0))
loop('struct: i32 += i', (i) => (point.id = (point.id + i) | 0))
loop('struct: f64 += i', (i) => (point.x += i))
loop('struct: utf8(16) write', () => (point.name = 'Argo'))
loop('struct: utf8(16) read', () => (sink = point.name))
loop('utf8(64) of 40 characters: write + read', () => {
  text.write(region, slot, 'forty characters of text, more or less..')
  sink = text.read(region, slot)
})
loop('SeqLock of 16 bytes: read', () => (sink = lock.read()))
loop('SeqLock of 16 bytes: write', (i) => lock.write({ x: i, y: i }))
await small.run()
console.table(
  Object.fromEntries(
    small.tasks.map(({ name, result }) => [name, 'latency' in result ? `${((result.latency.p50 * 1e6) / 1000).toFixed(1)} ns` : '']),
  ),
)
void sink
