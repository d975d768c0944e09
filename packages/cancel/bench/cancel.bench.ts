/**
 * What a token costs: a look, and making, cancelling and disposing of one, beside the bare load and the platform's AbortController.
 *
 * npx esbuild packages/cancel/bench/cancel.bench.ts --bundle --format=esm --platform=node --conditions=heddle-source --outfile=/tmp/cancel-bench.mjs && node /tmp/cancel-bench.mjs
 */
import { Region } from '@heddle/atomics'
import { CancelSource, CancelToken } from '../src/index.js'

const ROUNDS = 9

interface Row {
  name: string
  count: number
  body: (count: number) => number
}

/** Every row is measured once in each round, so that a slow moment of the machine meets all of them. */
function measure(rows: Row[]): void {
  const samples = rows.map(() => [] as number[])
  for (let round = 0; round < ROUNDS; round++) {
    rows.forEach(({ name, count, body }, index) => {
      const start = performance.now()
      const result = body(count)
      samples[index]!.push(((performance.now() - start) * 1e6) / count)
      if (result !== count) throw new Error(`${name}: wrong result ${result}`)
    })
  }
  const medians = samples.map((times) => times.sort((a, b) => a - b)[ROUNDS >> 1]!)
  rows.forEach(({ name }, index) => console.log(`${name.padEnd(64)} ${medians[index]!.toFixed(1).padStart(9)} ns`))
}

const region = Region.create({ bytes: 1 << 24, agents: 8 })
const pending = new CancelSource({ region })
const { token } = pending
const words = new Int32Array(new SharedArrayBuffer(64))
const { signal } = new AbortController()
const nothing = (): void => undefined
const parents = [new CancelSource({ region }).token, new CancelSource({ region }).token]

measure([
  {
    name: 'bare Atomics.load',
    count: 5e6,
    body: (count) => {
      let seen = 0
      for (let i = 0; i < count; i++) if (Atomics.load(words, 0) === 0) seen++
      return seen
    },
  },
  {
    name: 'isCancelled',
    count: 5e6,
    body: (count) => {
      let seen = 0
      for (let i = 0; i < count; i++) if (!token.isCancelled) seen++
      return seen
    },
  },
  {
    name: 'AbortSignal.aborted',
    count: 5e6,
    body: (count) => {
      let seen = 0
      for (let i = 0; i < count; i++) if (!signal.aborted) seen++
      return seen
    },
  },
  {
    name: 'source: make, dispose',
    count: 1e5,
    body: (count) => {
      let made = 0
      for (let i = 0; i < count; i++) {
        const source = new CancelSource({ region })
        if (!source.token.isCancelled) made++
        source.dispose()
      }
      return made
    },
  },
  {
    name: 'source: make, cancel, dispose',
    count: 1e5,
    body: (count) => {
      let cancelled = 0
      for (let i = 0; i < count; i++) {
        const source = new CancelSource({ region })
        if (source.cancel()) cancelled++
        source.dispose()
      }
      return cancelled
    },
  },
  {
    name: 'AbortController: make, abort',
    count: 1e5,
    body: (count) => {
      let cancelled = 0
      for (let i = 0; i < count; i++) {
        const controller = new AbortController()
        controller.abort(undefined)
        if (controller.signal.aborted) cancelled++
      }
      return cancelled
    },
  },
  {
    name: 'child: make, dispose',
    count: 1e5,
    body: (count) => {
      let made = 0
      for (let i = 0; i < count; i++) {
        const child = token.child()
        if (!child.token.isCancelled) made++
        child.dispose()
      }
      return made
    },
  },
  {
    name: 'any of two: make, dispose',
    count: 1e5,
    body: (count) => {
      let made = 0
      for (let i = 0; i < count; i++) {
        const any = CancelToken.any(parents)
        if (!any.isCancelled) made++
        any.dispose()
      }
      return made
    },
  },
  {
    name: 'timeout: make, dispose',
    count: 1e5,
    body: (count) => {
      let made = 0
      for (let i = 0; i < count; i++) {
        const timeout = CancelToken.timeout(60_000, { region })
        if (!timeout.isCancelled) made++
        timeout.dispose()
      }
      return made
    },
  },
  {
    name: 'onCancel, taken off',
    count: 1e5,
    body: (count) => {
      for (let i = 0; i < count; i++) token.onCancel(nothing)()
      return count
    },
  },
  {
    name: 'AbortSignal: addEventListener, removeEventListener',
    count: 1e5,
    body: (count) => {
      for (let i = 0; i < count; i++) {
        signal.addEventListener('abort', nothing)
        signal.removeEventListener('abort', nothing)
      }
      return count
    },
  },
  {
    name: 'of 1,000 children: make, cancel with their parent, dispose, each',
    count: 1e4,
    body: (count) => {
      let cancelled = 0
      for (let round = 0; round < count / 1000; round++) {
        const root = new CancelSource({ region })
        const children = Array.from({ length: 1000 }, () => root.token.child())
        root.cancel()
        for (const child of children) {
          if (child.token.isCancelled) cancelled++
          child.dispose()
        }
        root.dispose()
      }
      return cancelled
    },
  },
])
