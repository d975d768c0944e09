/**
 * The timer wheel against `setTimeout`: insert + cancel, and how late timers run when the agent sleeps in `wait`.
 *
 * npx esbuild packages/park/bench/timer-wheel.bench.ts --bundle --format=esm --platform=node --conditions=heddle-source --outfile=/tmp/timer-wheel.mjs && node /tmp/timer-wheel.mjs
 */
import { now, wait } from '@heddle/atomics/ops'
import { TimerWheel } from '../src/timer-wheel.js'

const nothing = (): void => undefined

/** Median of several rounds, in ns for one of `count`. */
function measure(count: number, body: () => void): number {
  const samples: number[] = []
  for (let round = 0; round < 9; round++) {
    const start = performance.now()
    body()
    samples.push(((performance.now() - start) * 1e6) / count)
  }
  samples.sort((a, b) => a - b)
  return samples[4]!
}

function insertAndCancel(pending: number): number {
  const wheel = new TimerWheel()
  const start = now()
  for (let i = 0; i < pending; i++) wheel.insert(start + 1e6 + Math.random() * 1e6, nothing)
  const count = 1_000_000
  const result = measure(count, () => {
    for (let i = 0; i < count; i++) wheel.cancel(wheel.insert(start + (i & 0xffff) + 0.5, nothing))
  })
  if (wheel.size !== pending) throw new Error('timers were lost')
  return result
}

function insertAndRun(): number {
  const count = 200_000
  return measure(count, () => {
    const clock = { now: 0 }
    const wheel = new TimerWheel(() => clock.now)
    for (let i = 0; i < count; i++) wheel.insert((i * 7919) % 100_000, nothing)
    for (; clock.now < 100_000; clock.now++) wheel.advance()
  })
}

function setTimeoutAndClear(): number {
  const count = 200_000
  return measure(count, () => {
    for (let i = 0; i < count; i++) clearTimeout(setTimeout(nothing, 1 + (i & 0xffff)))
  })
}

/** Lateness in ms of `count` timers spread over `spreadMs`, when the agent sleeps in `wait` until `next()`. */
function lateness(count: number, spreadMs: number): { p50: number; p99: number; max: number; early: number; wakes: number } {
  const wheel = new TimerWheel()
  const cell = new Int32Array(new SharedArrayBuffer(4))
  const late: number[] = []
  const start = now() + 50
  for (let i = 0; i < count; i++) {
    const deadline = start + Math.random() * spreadMs
    wheel.insert(deadline, () => late.push(now() - deadline))
  }
  let wakes = 0
  while (wheel.size > 0) {
    const sleep = wheel.next() - now()
    if (sleep > 0) wait(cell, 0, 0, sleep)
    wheel.advance()
    wakes++
  }
  late.sort((a, b) => a - b)
  return { p50: late[count >> 1]!, p99: late[Math.floor(count * 0.99)]!, max: late[count - 1]!, early: late.filter((ms) => ms < 0).length, wakes }
}

const ns = (value: number): string => `${value.toFixed(1)} ns`
console.log(`insert + cancel, none pending       ${ns(insertAndCancel(0))}`)
console.log(`insert + cancel, 100 K pending      ${ns(insertAndCancel(100_000))}`)
console.log(`insert + run, 200 K in 100 s        ${ns(insertAndRun())}`)
console.log(`setTimeout + clearTimeout           ${ns(setTimeoutAndClear())}`)
for (const [count, spread] of [
  [100_000, 5_000],
  [1_000, 2_000],
] as const) {
  const { p50, p99, max, early, wakes } = lateness(count, spread)
  console.log(
    `${count} timers in ${spread} ms, asleep in wait: late by p50 ${p50.toFixed(3)}, p99 ${p99.toFixed(3)}, max ${max.toFixed(3)} ms; early ${early}; ${wakes} wakes`,
  )
}
