/**
 * Token nodes: making one below its parents, reading it, and taking it out again. The tree and its locks: park's cancel-tree.ts.
 *
 * Layout     cancel-tree.ts, N_* and E_*; the header is a SharedObject's. N_FLAGS below; N_DEADLINE_*: the deadline in 1/1024 ms, 0: none.
 *   state                  what isCancelled and reason say
 *   0                      false
 *   CANCELLED …            true; the reason's block, TIMED_OUT: TimeoutError, else CancelledError
 *   CANCELLED GONE         true; DisposedError: disposed of before it was cancelled
 *   header is another      true; DisposedError
 * Invariants N1 A node that is disposed of leaves its parents' lists at once, lets its children go, and is recycled when its queue is empty:
 *               until then, whoever waited with it can read its reason.
 *            N2 FLAG_DISPOSED is set once, under the lock: one of several that dispose of a node wins.
 * Progress   Who dies while disposing may have let the children go already, and leaks the node once it counts as disposed of.
 */
import { DisposedError, InvalidArgumentError, type Region } from '@heddle/atomics'
import { load, set, store, sub } from '@heddle/atomics/ops'
import {
  type Agent,
  blockOf,
  cancelNode,
  cancelUnderLock,
  deliver,
  E_PARENT,
  E_TARGET,
  finishUnderLock,
  firstOf,
  isInUse,
  inheritedState,
  linkEdge,
  lockQueue,
  mayHaveWaiters,
  N_CHILDREN,
  N_DEADLINE_HIGH,
  N_DEADLINE_LOW,
  N_FLAGS,
  N_MORE,
  N_QUEUE,
  N_STATE,
  NODE_CANCELLED,
  NODE_SETTLED,
  unlink,
  unlinkAll,
  unlinkEdge,
  unlockQueue,
} from '@heddle/park/internal'
import { giveNode, takeNode } from './pool.js'

/** In a state word, next to cancel-tree.ts's flags. */
export const TIMED_OUT = 4
export const GONE = 8

/** In N_FLAGS: the pool's, not the caller's memory · its source disposes of it · nothing will ever cancel it. */
export const FLAG_POOLED = 1
export const FLAG_OWNED = 2
export const FLAG_NEVER = 4
const FLAG_DISPOSED = 8

/** Fractions of a millisecond in a deadline. */
const TICKS = 1024
const HIGH = 2 ** 32

/** Writes what never changes of a node that nobody else knows yet. */
export function formatNode(words: Int32Array, node: number, flags: number, deadline: number): void {
  set(words, node + E_TARGET, node)
  store(words, node + N_FLAGS, flags)
  const ticks = Math.ceil(deadline * TICKS)
  if (ticks > Number.MAX_SAFE_INTEGER) return
  store(words, node + N_DEADLINE_HIGH, Math.floor(ticks / HIGH))
  store(words, node + N_DEADLINE_LOW, ticks | 0)
}

/** When a node fires by itself, in ms as `now()`; `Infinity` for never. */
export function deadlineOfNode(words: Int32Array, node: number): number {
  const high = load(words, node + N_DEADLINE_HIGH)
  const low = load(words, node + N_DEADLINE_LOW)
  return high === 0 && low === 0 ? Infinity : (high * HIGH + (low >>> 0)) / TICKS
}

/** Whether a node is still the one with this header, and not disposed of. */
export function isThere(words: Int32Array, node: number, header: number): boolean {
  return load(words, node) === header && (load(words, node + N_FLAGS) & FLAG_DISPOSED) === 0
}

/**
 * Puts a node below its parents; it is cancelled at once when one of them is. What fails leaves the node to be disposed of.
 * @throws DisposedError, RegionFullError
 */
export function adopt(agent: Agent, node: number, parents: readonly { node: number; header: number }[]): void {
  const { words } = agent
  let edge = node
  let isFirst = true
  for (const parent of parents) {
    if (!isFirst) {
      const more = takeNode(agent)
      store(words, more + E_TARGET, node)
      store(words, edge + N_MORE, more)
      edge = more
    }
    isFirst = false
    const state = linkBelow(agent, parent, edge)
    if (state === 0) continue
    // A canceller of a former parent may be faster.
    if (!cancelNode(agent, node, load(words, node), state & ~NODE_SETTLED, [])) releaseReason(agent.region, state)
    return
  }
}

/** @returns 0, or the state word that the child gets from a parent that was cancelled before */
function linkBelow(agent: Agent, { node, header }: { node: number; header: number }, edge: number): number {
  const { words } = agent
  lockQueue(agent, node + N_QUEUE)
  const live = isThere(words, node, header)
  const state = load(words, node + N_STATE)
  if (live && state === 0) linkEdge(words, node, edge)
  else if (live) inheritedState(words, state)
  unlockQueue(agent, node + N_QUEUE)
  if (!live) throw new DisposedError('the parent of the new token was disposed of')
  return state
}

/** Gives up one node's share in its reason's block; the last one frees it. */
export function releaseReason(region: Region, state: number): void {
  const block = blockOf(state)
  if (block !== 0 && sub(region.words, block >> 2, 1) === 1) region.free(block)
}

/**
 * Disposes of a node: ends what waits with it (with DisposedError unless it was cancelled before), lets its children go and leaves its parents.
 * @param claimed receives the records of ended waits, to be delivered
 * @returns whether it can be recycled at once; undefined when it was disposed of before
 */
export function disposeNode(agent: Agent, node: number, header: number, claimed: number[]): boolean | undefined {
  const { words } = agent
  lockQueue(agent, node + N_QUEUE)
  const live = isThere(words, node, header)
  if (live) {
    const flags = load(words, node + N_FLAGS)
    if ((flags & FLAG_NEVER) !== 0) {
      unlockQueue(agent, node + N_QUEUE)
      throw new InvalidArgumentError('CancelToken.none is not disposed of: it belongs to everybody')
    }
    // A canceller may have died in the middle; its children are told before they are let go.
    finishUnderLock(agent, node, claimed)
    if (load(words, node + N_CHILDREN) !== 0) unlinkAll(words, node)
    if (firstOf(words, node + N_QUEUE) !== 0) cancelUnderLock(agent, node, NODE_CANCELLED | GONE, claimed)
    else if (load(words, node + N_STATE) === 0) store(words, node + N_STATE, NODE_CANCELLED | NODE_SETTLED | GONE)
    // Last: who died before leaves a node that can be disposed of again.
    store(words, node + N_FLAGS, flags | FLAG_DISPOSED)
  }
  unlockQueue(agent, node + N_QUEUE)
  if (!live) return undefined
  for (let edge = node; edge !== 0; edge = load(words, edge + N_MORE)) leaveParent(agent, edge)
  // A child that leaves may be in the lock for a moment, and is not somebody who waits.
  return (load(words, node + N_FLAGS) & FLAG_POOLED) === 0 || !isInUse(() => agent, words, node + N_QUEUE)
}

/** Whether nobody who waited with a node still has to look at it. */
export function isIdle(words: Int32Array, node: number): boolean {
  return !mayHaveWaiters(words, node + N_QUEUE)
}

/** Takes an edge out of its parent's list, wherever the parent is by now. */
function leaveParent(agent: Agent, edge: number): void {
  const { words } = agent
  for (let parent = load(words, edge + E_PARENT); parent !== 0; parent = load(words, edge + E_PARENT)) {
    lockQueue(agent, parent + N_QUEUE)
    // The parent may have let it go, and be another token by now.
    if (load(words, edge + E_PARENT) === parent) unlinkEdge(words, parent, edge)
    unlockQueue(agent, parent + N_QUEUE)
  }
}

/** Gives a disposed node's memory back: to the pool, or to the caller that owns it. */
export function recycle(agent: Agent, node: number): void {
  const { words } = agent
  lockQueue(agent, node + N_QUEUE)
  const state = load(words, node + N_STATE)
  const isPooled = (load(words, node + N_FLAGS) & FLAG_POOLED) !== 0
  store(words, node, 0)
  // In the caller's memory nobody may look for it after this.
  if (!isPooled) for (let r = firstOf(words, node + N_QUEUE); r !== 0; r = firstOf(words, node + N_QUEUE)) unlink(words, node + N_QUEUE, r)
  unlockQueue(agent, node + N_QUEUE)
  releaseReason(agent.region, state)
  for (let edge = load(words, node + N_MORE), more = 0; edge !== 0; edge = more) {
    more = load(words, edge + N_MORE)
    giveNode(agent, edge)
  }
  if (isPooled) giveNode(agent, node)
}

/** Tells the waits that a cancel or a disposal has ended. */
export function deliverAll(agent: Agent, claimed: readonly number[]): void {
  for (const main of claimed) deliver(agent, main)
}
