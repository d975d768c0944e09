/**
 * Several agents in one thread, and a death at any operation of any of them, for certain.
 *
 * An implementation of `ops` that counts is put under the unmodified source (import condition `heddle-model`). One agent at a time acts.
 * The victim is stopped at its n-th operation by a private throw, and every operation after it throws too, so that no `finally` of the
 * library runs on: to shared memory this is a thread that ended between two instructions. Then a survivor reaps it.
 */
import { type Region } from '@heddle/atomics'
import { type AgentIdentity, registerAgent } from '@heddle/atomics/internal'
import { type AgentLocal, install, nativeOps, type Ops } from '@heddle/atomics/ops-model'
import { Agent, reap } from '@heddle/park/internal'

/** What ends a victim. */
export class Killed extends Error {}

const COUNTED = [
  'load',
  'store',
  'add',
  'sub',
  'and',
  'or',
  'xor',
  'exchange',
  'compareExchange',
  'notify',
  'wait',
  'get',
  'set',
  'peek',
  'copy',
  'fill',
  'getByte',
  'setByte',
  'getFloat',
  'setFloat',
  'getBig',
  'setBig',
] as const

let left = Infinity
let dead = false
/** Whose turn it is to act: an actor's identity. */
let current: AgentIdentity | undefined

/** Every actor has its own value, as every thread would. */
class ActorLocal<T> implements AgentLocal<T> {
  private readonly values = new Map<AgentIdentity | undefined, T>()
  constructor(private readonly init: () => T) {}
  get(): T {
    if (!this.values.has(current)) this.set(this.init())
    return this.values.get(current) as T
  }
  set(value: T): void {
    this.values.set(current, value)
  }
}

/** Puts the counting implementation in place; returns how to take it away. */
export function installDeaths(): () => void {
  const counted: Partial<Record<string, unknown>> = {}
  for (const name of COUNTED) {
    const native = nativeOps[name] as (...args: unknown[]) => unknown
    counted[name] = (...args: unknown[]) => {
      if (dead || --left < 0) {
        dead = true
        throw new Killed()
      }
      return native(...args)
    }
  }
  left = Infinity
  dead = false
  current = undefined
  return install({ ...counted, agentLocal: (init) => new ActorLocal(init) } as Partial<Ops>)
}

/** Runs `act` and dies at its n-th operation. @returns whether it died before `act` was through */
export function dieAt(n: number, act: () => void): boolean {
  left = n
  try {
    act()
    // A promise shell may have caught it.
    return dead
  } catch (error) {
    if (error instanceof Killed) return true
    throw error
  } finally {
    left = Infinity
    dead = false
  }
}

/** An agent that this thread can be. */
export class Actor {
  readonly identity: AgentIdentity
  constructor(readonly region: Region) {
    this.identity = registerAgent(region.words)
    this.be()
    this.agent = Agent.of(region)
  }
  readonly agent: Agent

  /** From here on this thread acts as this agent. */
  be(): this {
    current = this.identity
    this.region.self.set(this.identity)
    return this
  }

  /** Acts as this agent and dies at its n-th operation. @returns whether it died before `act` was through */
  dieAt(n: number, act: () => void): boolean {
    this.be()
    const died = dieAt(n, act)
    if (died) this.end()
    return died
  }

  /** A thread that has ended has no event loop any more. */
  private end(): void {
    Object.assign(this.agent, { turn: () => undefined })
  }

  /** Declares another agent dead and gives back what it had. */
  reap(victim: Actor): boolean {
    victim.end()
    this.be()
    return reap(this.agent, victim.identity.id, victim.identity.generation)
  }
}

/** Lets every event that is under way arrive: wakes come through the event loop. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
