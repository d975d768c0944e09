/**
 * Cancelling a subtree of tokens, exactly once, also when the canceller dies half-way. `@heddle/cancel` builds tokens on it; it is here
 * so that every reaper can finish what a dead canceller began.
 *
 * Source     Go's `context` (propagation under the parent's lock, from parent to child), with links that outlive their writer.
 * Layout     N_* below: one cache line a node. A node has a wait queue (queue.ts) whose lock also guards its state and its list of
 *            edges. An edge leads from a parent to a child; a child's first edge is part of its own node, further ones
 *            (a token of several parents) are nodes of their own. N_CHILDREN and E_NEXT are the list, E_PREVIOUS is a hint.
 *   state      meaning
 *   0          not cancelled
 *   CANCELLED  cancelled; somebody who holds the node's lock tells its waiters and its subtree
 *   … SETTLED  its waiters and its whole subtree have been told
 * Invariants T1 The state changes under the node's lock, away from 0 once. It is read without the lock.
 *            T2 Locks are taken from parent to child; edges lead from older to younger tokens, so there is no circle. Nobody waits for
 *               a parent's lock while holding a child's.
 *            T3 A node is in the list of N_CHILDREN and E_NEXT of its parent or it is not: one store decides. N_DIRTY is set while hints may
 *               be wrong: who finds it set under the lock walks the list instead of trusting them.
 *            T4 Who finds CANCELLED without SETTLED under the lock finishes the cancel. A_CANCELLING names the node that an agent has
 *               begun with, from before its state changes until all is told, so that a reaper does so when nobody comes by.
 *            T5 Links are taken out of a node's queue by their owners (or a reaper) only: a node whose queue is empty has nobody who still
 *               has to look at it.
 *            T6 Whoever may lock a node that is gone locks memory that is still a node's: nodes are recycled as nodes only
 *               (`@heddle/cancel`, pool.ts). Under the lock, the header says whether it is the same token.
 * Pairs      The store of N_STATE is seen by isCancelled, and by a wait that linked itself and then looked; the claim by everybody else.
 * Progress   cancel holds the locks on the path from its token to the one that it tells; cost is linear in the subtree and its waits.
 * Rejected   Marking without the parent's lock (a child that is being made or disposed of meanwhile is missed or freed under
 *            the canceller). Looking at all ancestors in isCancelled (a load for each level). A list of cancels in progress for the
 *            region (one word in the agent's record does it).
 */
import { add, get, load, set, store } from '@heddle/atomics/ops'
import { A_CANCELLING, A_CANCELLING_HEADER } from '@heddle/atomics/internal'
import type { Agent } from './agent.js'
import { CANCELLED as RECORD_CANCELLED, CASE_TOKEN } from './layout.js'
import { firstOf, lockQueue, nextOf, unlockQueue } from './queue.js'
import { claim, mainOf } from './record.js'
import { announce, deliver } from './wake.js'

// A node, in words. Word 0 is its SharedObject header; 0: free, or an edge.
export const N_STATE = 1
/** The queue that waits link themselves into (QUEUE_BYTES); its lock is the node's. */
export const N_QUEUE = 2
/** Word index of the parent whose list the edge is in; 0: in none. Changed under that parent's lock. */
export const E_PARENT = 6
export const E_NEXT = 7
export const E_PREVIOUS = 8
/** Word index of the child that the edge leads to: for the edge in a node, the node itself. */
export const E_TARGET = 9
/** First edge of the list of children. */
export const N_CHILDREN = 10
export const N_DIRTY = 11
/** The child's next further edge; 0 for none. Written before the child is published. */
export const N_MORE = 12
/** For `@heddle/cancel`. */
export const N_FLAGS = 13
export const N_DEADLINE_HIGH = 14
export const N_DEADLINE_LOW = 15
export const NODE_WORDS = 16

// A state word: flags, and from bit 4 on the byte offset of the reason's block (16-aligned), 0 for none.
export const NODE_CANCELLED = 1
export const NODE_SETTLED = 2
const BLOCK_MASK = ~15

/** Byte offset of the reason's block in a state word; 0 for none. Its first word counts the nodes that name it. */
export function blockOf(state: number): number {
  return state & BLOCK_MASK
}

/** Claims every wait that is linked into a queue. Under its lock; the claimed are delivered after it. */
function claimLinked(agent: Agent, q: number, claimed: number[]): void {
  const { words } = agent
  for (let r = firstOf(words, q); r !== 0; r = nextOf(words, r)) {
    const main = mainOf(words, r)
    // One that is only looking again has yet to look at the flag.
    if (!claim(words, main, RECORD_CANCELLED, CASE_TOKEN)) continue
    announce(agent, main)
    claimed.push(main)
  }
}

/** Ends every wait that is linked into a token's queue, after the token's flag was set: `cancel()` of a token without a tree. */
export function cancelWaiters(agent: Agent, q: number): void {
  const claimed: number[] = []
  lockQueue(agent, q)
  claimLinked(agent, q, claimed)
  unlockQueue(agent, q)
  for (const main of claimed) deliver(agent, main)
}

/**
 * Cancels a node and its subtree.
 * @param header what the node's header must be: otherwise it is gone, and nothing happens
 * @param state NODE_CANCELLED, further flags and a reason's block, for which the caller has counted this node
 * @param claimed receives the records of the waits that were ended: the caller delivers them
 * @returns whether this call cancelled it
 */
export function cancelNode(agent: Agent, node: number, header: number, state: number, claimed: number[]): boolean {
  const { words } = agent
  lockQueue(agent, node + N_QUEUE)
  const isFirst = load(words, node) === header && cancelUnderLock(agent, node, state, claimed)
  unlockQueue(agent, node + N_QUEUE)
  return isFirst
}

/** As `cancelNode`, under the lock of a node that is there. */
export function cancelUnderLock(agent: Agent, node: number, state: number, claimed: number[]): boolean {
  const { words, record } = agent
  const isFirst = load(words, node + N_STATE) === 0
  if (isFirst) {
    store(words, record + A_CANCELLING_HEADER, load(words, node))
    store(words, record + A_CANCELLING, node)
    store(words, node + N_STATE, state)
  }
  finishUnderLock(agent, node, claimed)
  if (isFirst) store(words, record + A_CANCELLING, 0)
  return isFirst
}

/** Tells the waits and the subtree of a node that was cancelled, unless that was done. Under its lock (T4). */
export function finishUnderLock(agent: Agent, node: number, claimed: number[]): void {
  const { words } = agent
  if (!isUnsettled(load(words, node + N_STATE))) return
  claimLinked(agent, node + N_QUEUE, claimed)
  /** Edges from the node down to the one that is being told: the locks that are held besides. */
  const path: number[] = []
  let parent = node
  let edge = load(words, node + N_CHILDREN)
  for (;;) {
    if (edge !== 0) {
      // E_TARGET was written before the edge was linked.
      const child = get(words, edge + E_TARGET)
      lockQueue(agent, child + N_QUEUE)
      if (inherit(words, parent, child)) {
        claimLinked(agent, child + N_QUEUE, claimed)
        path.push(edge)
        parent = child
        edge = load(words, child + N_CHILDREN)
      } else {
        unlockQueue(agent, child + N_QUEUE)
        edge = load(words, edge + E_NEXT)
      }
      continue
    }
    store(words, parent + N_STATE, load(words, parent + N_STATE) | NODE_SETTLED)
    const back = path.pop()
    if (back === undefined) return
    unlockQueue(agent, parent + N_QUEUE)
    parent = load(words, back + E_PARENT)
    edge = load(words, back + E_NEXT)
  }
}

function isUnsettled(state: number): boolean {
  return (state & (NODE_CANCELLED | NODE_SETTLED)) === NODE_CANCELLED
}

/** Cancels a child for its parent's reason. Under both locks. @returns whether its waits and children are to be told */
function inherit(words: Int32Array, parent: number, child: number): boolean {
  const state = load(words, child + N_STATE)
  if (state !== 0) return isUnsettled(state)
  store(words, child + N_STATE, inheritedState(words, load(words, parent + N_STATE)) & ~NODE_SETTLED)
  return true
}

/** The state word of one more node that is cancelled for the same reason: the reason's block is counted first, so that a death in between leaks it at worst. */
export function inheritedState(words: Int32Array, state: number): number {
  const block = blockOf(state)
  if (block !== 0) add(words, block >> 2, 1)
  return state
}

/** Finishes what a dead agent had begun to cancel. For its reaper; can be done twice. */
export function finishCancelOf(agent: Agent, record: number): void {
  const { words } = agent
  const node = load(words, record + A_CANCELLING)
  if (node === 0) return
  // Gone since: who disposed of it has finished the cancel (T4).
  if (load(words, node) === load(words, record + A_CANCELLING_HEADER)) {
    const claimed: number[] = []
    lockQueue(agent, node + N_QUEUE)
    finishUnderLock(agent, node, claimed)
    unlockQueue(agent, node + N_QUEUE)
    for (const main of claimed) deliver(agent, main)
  }
  store(words, record + A_CANCELLING, 0)
}

/** Puts an edge into a parent's list. Under the parent's lock. */
export function linkEdge(words: Int32Array, parent: number, edge: number): void {
  const next = load(words, parent + N_CHILDREN)
  store(words, edge + E_PARENT, parent)
  store(words, edge + E_NEXT, next)
  set(words, edge + E_PREVIOUS, 0)
  const wasDirty = load(words, parent + N_DIRTY)
  store(words, parent + N_DIRTY, 1)
  store(words, parent + N_CHILDREN, edge)
  if (next !== 0) set(words, next + E_PREVIOUS, edge)
  store(words, parent + N_DIRTY, wasDirty)
}

/** Takes an edge out of the list of its parent. Under the parent's lock. */
export function unlinkEdge(words: Int32Array, parent: number, edge: number): void {
  const isIn = load(words, parent + N_DIRTY) === 0 || mend(words, parent, edge)
  store(words, parent + N_DIRTY, 1)
  if (isIn) {
    const next = load(words, edge + E_NEXT)
    const previous = get(words, edge + E_PREVIOUS)
    if (previous === 0) store(words, parent + N_CHILDREN, next)
    else store(words, previous + E_NEXT, next)
    if (next !== 0) set(words, next + E_PREVIOUS, previous)
  }
  store(words, edge + E_PARENT, 0)
  store(words, parent + N_DIRTY, 0)
}

/** Lets all children go. Under the parent's lock. */
export function unlinkAll(words: Int32Array, parent: number): void {
  store(words, parent + N_DIRTY, 1)
  for (let edge = load(words, parent + N_CHILDREN), next = 0; edge !== 0; edge = next) {
    next = load(words, edge + E_NEXT)
    store(words, parent + N_CHILDREN, next)
    // Its owner may give it back from here on.
    store(words, edge + E_PARENT, 0)
  }
  store(words, parent + N_DIRTY, 0)
}

/** Makes the hints of a list anew. @returns whether `wanted` is in it */
function mend(words: Int32Array, parent: number, wanted: number): boolean {
  let previous = 0
  let isIn = false
  for (let edge = load(words, parent + N_CHILDREN); edge !== 0; edge = load(words, edge + E_NEXT)) {
    set(words, edge + E_PREVIOUS, previous)
    isIn ||= edge === wanted
    previous = edge
  }
  return isIn
}
