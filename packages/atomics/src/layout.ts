/**
 * Memory layout of a region: the words that every agent, and every version of this code with the same VERSION, agrees on.
 *
 * Offsets ending in `_AT` and `_BYTES` are in bytes; the rest are indexes in 32-bit words, relative to the record's start.
 *
 *   0      header          identity, then one cache line each for the allocator's lock and the root slots
 *   512    allocator       free-list heads (see allocator.ts)
 *   1024   agent table     `agents` records of AGENT_BYTES, ids 1 … agents
 *   …      heap            blocks, to the end of the buffer
 */

/** 'hedl'. */
export const MAGIC = 0x6c646568
/** Changes whenever any word below changes its place or meaning. */
export const VERSION = 1

/** One cache line. Records that different agents write are padded to it. */
export const LINE_BYTES = 64

// Header words.
export const H_MAGIC = 0
export const H_VERSION = 1
/** Size of the buffer in bytes. */
export const H_BYTES = 2
/** FLAG_* bits. */
export const H_FLAGS = 3
export const H_ID_LOW = 4
export const H_ID_HIGH = 5
/** Capacity of the agent table. */
export const H_AGENTS = 6
/** Byte offset where the heap begins. */
export const H_HEAP = 7
/** The highest agent id that was ever given out: what looks at all agents need look no further. */
export const H_AGENTS_USED = 8
/** Source of generations for object headers, so that a reused place never repeats one soon. */
export const H_GENERATION = 16
/** How many agents have died: who decided to wait while one did looks again (park/operation.ts). */
export const H_DEATHS = 17
/** How many agents spin for longer than a moment (park/spin.ts); a line of its own. */
export const H_SPINNING = 80
/** Lock of the allocator: 0 or the holder's tag. */
export const H_ALLOC_LOCK = 32
/** First of ROOT_COUNT root slots: byte offsets of structures that a layer keeps one of per region (0: not made yet). */
export const H_ROOTS = 48
export const ROOT_COUNT = 16
/** Root slot of park: the hash table of addresses. */
export const ROOT_PARK_TABLE = 0
/** Root slot of cancel: the pool of token nodes. */
export const ROOT_CANCEL_POOL = 1

export const FLAG_DEBUG = 1
export const FLAG_METRICS = 2
export const FLAG_DIAGNOSTICS = 4
/** The buffer came from the caller, so that memory never used may hold anything. */
export const FLAG_BORROWED = 8

export const ALLOCATOR_AT = 512
export const AGENT_TABLE_AT = 1024

/**
 * An agent's record: six whole cache lines.
 *   line 0  identity, changed at birth and death only
 *   line 1  what others write to wake it
 *   line 2  what it alone writes
 *   lines 3 and 4  the middle level of its ready bitmap
 *   line 5  spare
 */
export const AGENT_BYTES = 6 * LINE_BYTES
/** PHASE_* | generation << 4 | id of the reaper << 20 (while DEAD or REAPED). */
export const A_STATUS = 0
/** Nonzero: the agent is asked to stop (seen at every park and safepoint). */
export const A_SHUTDOWN = 1
/** The platform's number for the thread, by which its creator knows it; 0 when it has none. */
export const A_THREAD = 3
/** RUNNING, IDLE or RUNG; see park/sleeper.ts. */
export const A_MODE = 16
/** Root of the ready bitmap: one bit for each middle word. */
export const A_READY_ROOT = 17
/** 1 while the agent is blocked in a wait of a thread. */
export const A_BLOCKED = 32
/** Byte offset of the waiter record to which this agent is granting a lock. */
export const A_HEIR = 33
/** Byte offset of the first chunk of the agent's waiter records (0: none yet). */
export const A_CHUNKS = 34
/** Counts what the agent does, for the monitor. */
export const A_ACTIVITY = 35
/** Byte offset of the agent's log of shared holds (0: none yet). */
export const A_HOLDS = 36
/** Byte offset of the block that this agent is allocating; 0: none. See allocator.ts. */
export const A_PENDING = 37
/** Tag of the agent that A_PENDING speaks of: a later owner of the slot finds its predecessor's here. */
export const A_PENDING_OWNER = 38
/** Word index of the word that is about to name the block of A_PENDING, or names it no more; 0: none. See allocator.ts, I3. */
export const A_PENDING_NAME = 42
/** Word index of the token node that this agent is cancelling, and its header; 0: none. See park's cancel-tree.ts. */
export const A_CANCELLING = 39
export const A_CANCELLING_HEADER = 40
/** Word index of the queue that this agent is about to lock, or has locked, though its object may be gone; 0: none. See agents.ts, awaitPins. */
export const A_PIN = 41
/** 1 while the agent is counted in H_SPINNING. */
export const A_SPINNING = 47
/** Middle level of the ready bitmap: 32 words, one bit for each chunk of waiters. */
export const A_READY_MIDDLE = 48

export const PHASE_FREE = 0
export const PHASE_ALIVE = 1
/** Dead, being reaped: its waiters and grants are on their way back; what it owns is not to be taken over yet. */
export const PHASE_DEAD = 2
/** Its generation is used up: never given out again. */
export const PHASE_RETIRED = 3
/** Dead, and its waiters and grants have been given back: whatever still names it as owner was really its own. */
export const PHASE_REAPED = 4
export const PHASE_MASK = 0xf
export const STATUS_SHIFT = 4
export const REAPER_SHIFT = 20
export const MAX_AGENTS = 255
export const MAX_GENERATION = 0xffff

/** A lock word's owner: bits 4–11 the agent, bits 12–27 its generation. Bits 0–3 are the lock's own. */
export const OWNER_SHIFT = 4
export const OWNER_GENERATION_SHIFT = 12
export const OWNER_MASK = 0x0fff_fff0
export const LOCKED_BIT = 1
