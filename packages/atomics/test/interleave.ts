/** Deterministic interleavings: something else happens right before the n-th operation on shared memory. For tests under `heddle-model`. */
import { install, type Ops } from '../src/ops-model.js'
import * as native from '../src/ops.js'

const names = ['load', 'store', 'add', 'and', 'or', 'compareExchange', 'load64', 'compareExchange64', 'get', 'set', 'peek'] as const

/** Runs `body`, calling `intrude` right before its n-th operation (from 0). Returns whether there were that many. */
export function interleave(n: number, body: () => void, intrude: () => void): boolean {
  let count = 0
  let inside = false
  const hook = (): void => {
    if (inside || count++ !== n) return
    inside = true
    try {
      intrude()
    } finally {
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
  return count > n
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
