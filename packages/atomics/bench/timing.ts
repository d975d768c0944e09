/** What the benches of this folder share: rows of one table, each measured by tinybench in batches. */
import { Bench } from 'tinybench'

const BATCH = 10_000
const time = Number(process.env.HEDDLE_BENCH_MS ?? 200)

/** A loop of `n` operations, written out: a shared loop would measure the call of its body. Returns something that depends on all of it. */
export type Loop = (n: number) => unknown

/** Measures loops against the first of them, and prints nanoseconds for one operation (the fastest batch, and the median) and the ratio. */
export async function compare(title: string, loops: Readonly<Record<string, Loop>>): Promise<void> {
  const bench = new Bench({ time, warmupTime: 50 })
  for (const [name, loop] of Object.entries(loops)) bench.add(name, () => void loop(BATCH))
  await bench.run()
  let floor = NaN
  for (const { name, result } of bench.tasks) {
    if (!('latency' in result)) throw new Error(`${title}: ${name} was not measured`)
    const fastest = (result.latency.min * 1e6) / BATCH
    const median = (result.latency.p50 * 1e6) / BATCH
    if (Number.isNaN(floor)) floor = fastest
    console.log(
      `${title.padEnd(34)} ${name.padEnd(28)} ${fastest.toFixed(2).padStart(8)} ns  median ${median.toFixed(2).padStart(8)}  x ${(fastest / floor).toFixed(3)}`,
    )
  }
}
