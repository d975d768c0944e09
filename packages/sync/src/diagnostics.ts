/**
 * Finding a cycle of owners, in regions made with `diagnostics`.
 *
 * Source     Wait-for graphs (Holt, "Some Deadlock Properties of Computer Systems", 1972): every thread waits for one lock, and every
 *            lock has one owner, so the graph is a chain to follow.
 * Invariants G1 Only waits of threads are followed: a blocked thread can't release anything, while an agent whose promise waits may run
 *               other code that does. So what is reported never ends by itself, except by a time limit, a cancel or a death.
 *            G2 The chain is read while others run. It is read twice: owners and waits in a true cycle don't change between.
 * Cost       A pass over the waiter records for each step of the chain; only where a thread is about to sleep, and only with `diagnostics`.
 */
import { load } from '@heddle/atomics/ops'
import { agentRecord, ownerId } from '@heddle/atomics/internal'
import {
  type Agent,
  forEachRecordOf,
  KIND_THREAD,
  LOCKED_BIT,
  ownerOf,
  phaseOf,
  W_AGENT,
  W_KIND,
  W_LOCK,
  W_STATE,
  WAITING,
} from '@heddle/park/internal'

/** The lock word that the thread of an agent sleeps on, or 0. `tag` is the agent's. */
function waitOf(words: Int32Array, tag: number): number {
  let lock = 0
  forEachRecordOf(words, agentRecord(ownerId(tag)) >> 2, (r) => {
    if (load(words, r + W_KIND) !== KIND_THREAD || load(words, r + W_AGENT) !== tag) return
    if (phaseOf(load(words, r + W_STATE)) === WAITING && load(words, r + W_LOCK) !== 0) lock = load(words, r + W_LOCK)
  })
  return lock
}

function chain(agent: Agent, record: number): string | undefined {
  const { words, tag } = agent
  const steps: string[] = []
  let lock = load(words, record + W_LOCK)
  let waiter = tag
  for (let length = 0; length <= agent.region.agents && lock !== 0; length++) {
    const word = load(words, lock)
    if ((word & LOCKED_BIT) === 0) return undefined
    const owner = ownerOf(word)
    const place = lock * 4 - 4
    steps.push(
      `agent ${ownerId(waiter)}${waiter === tag ? ' (this one)' : ''} waits for the lock at byte ${place}, which agent ${ownerId(owner)} holds`,
    )
    if (owner === tag) return steps.join('; ')
    waiter = owner
    lock = waitOf(words, owner)
  }
  return undefined
}

/** The cycle that a thread's wait closes, in words; undefined when there is none. */
export function findCycle(agent: Agent, record: number): string | undefined {
  const first = chain(agent, record)
  return first !== undefined && chain(agent, record) === first ? first : undefined
}
