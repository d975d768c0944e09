/** Deterministic interleavings: something else happens right before the n-th operation on shared memory. For tests under `heddle-model`. */
import { install, type Ops } from '../src/ops-model.js'
import * as native from '../src/ops.js'

const names = ['load', 'store', 'add', 'and', 'or', 'compareExchange', 'load64', 'compareExchange64', 'get', 'set', 'peek'] as const

/** What happens, and right before which operation of the body (from 0). */
export type Intrusion = readonly [n: number, act: () => void]

/** Runs `body` with the intrusions given. Returns whether all of them happened. */
export function interleave(body: () => void, ...intrusions: readonly Intrusion[]): boolean {
  let count = 0
  let inside = false
  let happened = 0
  const hook = (): void => {
    if (inside) return
    inside = true
    try {
      for (const [n, act] of intrusions) {
        if (n !== count) continue
        happened++
        act()
      }
    } finally {
      count++
      inside = false
    }
  }
  const hooked = Object.fromEntries(
    names.map((name) => [
      name,
      (...args: unknown[]) => {
        hook()
        return (native[name] as (...args: unknown[]) => unknown)(...args)
      },
    ]),
  ) as Partial<Ops>
  const restore = install({ ...hooked, agentLocal: agentLocals })
  try {
    body()
  } finally {
    restore()
  }
  return happened === intrusions.length
}

/** One agent runs both sides, so what is agent-local stays what it was between calls. */
const cells = new WeakMap<() => unknown, native.AgentLocal<unknown>>()
const agentLocals = (<T>(init: () => T) => {
  let local = cells.get(init) as native.AgentLocal<T> | undefined
  if (local === undefined) cells.set(init, (local = native.agentLocal(init)))
  return local
}) as Ops['agentLocal']

/** `run(n)` for n = 0, 1, 2 … for as long as it says that there was an n-th operation; how many there were. */
export function atEveryOperation(run: (n: number) => boolean): number {
  let n = 0
  while (run(n)) n++
  return n
}
