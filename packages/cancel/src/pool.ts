/**
 * Memory of token nodes: one pool in each region, which grows and never shrinks.
 *
 * Source     Type-stable memory, as Linux's SLAB_TYPESAFE_BY_RCU: what was a node stays one, so that locking one that is gone is harmless.
 * Layout     +0 a queue's words, for its lock (park's queue.ts) · P_FREE · P_SERIAL · P_MADE. A free node's E_NEXT is the next free one.
 * Invariants P1 P_FREE and the E_NEXT of free nodes change under the lock; one store takes a node out, one puts it in.
 *            P2 A free node's header is 0, and its queue is empty. Its lock word is never reset: who still holds it gives it back.
 * Progress   An agent that dies between taking a node and publishing it leaks that node; one that dies while the pool grows, 1 KB.
 * Rejected   `region.alloc` for each node (whoever unlinks himself while another disposes would lock memory of somebody else's). Free
 *            lists of each agent (what dies with the agent, and half of all nodes are given back by another than took them).
 */
import type { Region } from '@heddle/atomics'
import { H_ROOTS, LINE_BYTES, ROOT_CANCEL_POOL } from '@heddle/atomics/internal'
import { add, compareExchange, load, set, store } from '@heddle/atomics/ops'
import {
  type Agent,
  E_NEXT,
  E_PARENT,
  E_TARGET,
  lockQueue,
  N_DEADLINE_HIGH,
  N_DEADLINE_LOW,
  N_FLAGS,
  N_STATE,
  NODE_WORDS,
  unlockQueue,
} from '@heddle/park/internal'

const P_FREE = 4
const P_SERIAL = 5
/** How many nodes there are, free ones included. */
const P_MADE = 6
const POOL_BYTES = 32
const CHUNK_NODES = 16

/** Word index of a region's pool; made on first use. @throws RegionFullError */
function poolOf(region: Region): number {
  const { words } = region
  const root = H_ROOTS + ROOT_CANCEL_POOL
  if (load(words, root) === 0) {
    const made = region.alloc(POOL_BYTES, LINE_BYTES)
    if (compareExchange(words, root, 0, made) !== 0) region.free(made)
  }
  return load(words, root) >> 2
}

/** A number that no other reason of the region has, until it wraps. */
export function takeSerial(region: Region): number {
  return add(region.words, poolOf(region) + P_SERIAL, 1)
}

/** How many nodes are in use, in all agents. For tests: it walks the free ones, under the lock. */
export function nodesInUse(agent: Agent): number {
  const { region, words } = agent
  const pool = poolOf(region)
  lockQueue(agent, pool)
  let used = load(words, pool + P_MADE)
  for (let node = load(words, pool + P_FREE); node !== 0; node = load(words, node + E_NEXT)) used--
  unlockQueue(agent, pool)
  return used
}

/** Takes a node: all words but the header and the queue are 0, and E_TARGET is the node. @throws RegionFullError */
export function takeNode(agent: Agent): number {
  const { region, words } = agent
  const pool = poolOf(region)
  lockQueue(agent, pool)
  let node = load(words, pool + P_FREE)
  if (node !== 0) store(words, pool + P_FREE, load(words, node + E_NEXT))
  unlockQueue(agent, pool)
  if (node === 0) node = grow(agent, pool)
  // Who has the node from a former life may still look at these, before its header turns him away.
  store(words, node + N_STATE, 0)
  store(words, node + N_FLAGS, 0)
  store(words, node + N_DEADLINE_HIGH, 0)
  store(words, node + N_DEADLINE_LOW, 0)
  // And nobody at those.
  for (let word = E_PARENT; word < N_FLAGS; word++) set(words, node + word, 0)
  set(words, node + E_TARGET, node)
  return node
}

/** Gives a node back whose header is 0 and that is in no list. */
export function giveNode(agent: Agent, node: number): void {
  const { region, words } = agent
  const pool = poolOf(region)
  lockQueue(agent, pool)
  store(words, node + E_NEXT, load(words, pool + P_FREE))
  store(words, pool + P_FREE, node)
  unlockQueue(agent, pool)
}

/** Adds nodes to the pool. @returns one more, for the caller */
function grow(agent: Agent, pool: number): number {
  const { region, words } = agent
  const first = region.alloc(CHUNK_NODES * NODE_WORDS * 4, LINE_BYTES) >> 2
  const last = first + (CHUNK_NODES - 1) * NODE_WORDS
  // Nobody knows them yet.
  for (let node = first + NODE_WORDS; node < last; node += NODE_WORDS) set(words, node + E_NEXT, node + NODE_WORDS)
  lockQueue(agent, pool)
  store(words, last + E_NEXT, load(words, pool + P_FREE))
  store(words, pool + P_FREE, first + NODE_WORDS)
  store(words, pool + P_MADE, load(words, pool + P_MADE) + CHUNK_NODES)
  unlockQueue(agent, pool)
  return first
}
