/**
 * Memory layout of a pool: one block of the region, plus one block for each chunk of 32 slots, made when first needed.
 * All indexes are in 32-bit words; `P_*` relative to the pool's start, the others relative to their record.
 */

import { HISTOGRAM_WORDS } from './histogram.js'

// The pool's own words. What different agents write lies in different cache lines.
/** CLOSED, or 0. */
export const P_STATE = 1
/** How many worker records are in use. */
export const P_WORKERS = 2
/** Word index of each queue's ring (injector.ts), QUEUES of them; 0: not made yet. */
export const P_RING_AT = 3
/** Where to ring the agent that starts workers, and whom it is to start: bits HUNGRY_*. */
export const P_OWNER_BELL = 9
export const P_HUNGRY = 10
/** 1: agents may have limits on how many of their calls wait. */
export const P_LIMITED = 11
/** Who observes: OBSERVED_* and, from OBSERVED_EVENTS_SHIFT on, log2 of how many events each worker keeps; 0: nobody. */
export const P_OBSERVED = 12
/** Where to ring the agent that watches for stuck workers, and whether it sleeps because none runs anything. */
export const P_WATCHER_BELL = 13
export const P_WATCHER_ASLEEP = 14
/** Where to ring the agent that reads what was observed. */
export const P_OBSERVER_BELL = 15
/** One bit for each worker whose deque may have something to steal. Set and cleared by the worker alone, or by its reaper. */
export const P_STEALABLE = 16
/** One bit for each worker for blocking calls that waits for one. */
export const P_IDLE_BLOCKING = 24
/** One bit for each level whose ring may not be empty; none for NORMAL_QUEUE, which is always looked at. */
export const P_LEVELS = 32
// 33 and 34: thread/layout.ts.
/** How long agents look before they sleep: SPIN_*. Set when the pool is made. */
export const P_SPIN = 35
/** 1: a worker that has nothing to run blocks its thread. Set when the pool is made. */
export const P_BLOCKS = 36
/** One bit for each worker that looks for work without sleeping. */
export const P_SPINNING = 48
/** One bit for each worker that sleeps and whom nobody has woken yet. */
export const P_SLEEPING = 56
/** One bit for each worker that was told to wake, or was started, and has not looked yet. */
export const P_WAKING = 40
/** Words in each set of workers. */
export const WORKER_SET_WORDS = 8

/** The pool takes no more calls; a worker ends when it has nothing left to do. */
export const CLOSED = 1

/** In P_SPIN: as long as it has paid lately; always, and longer; not at all. */
export const SPIN_BALANCED = 0
export const SPIN_LATENCY = 1
export const SPIN_SAVING = 2

/** In P_OBSERVED: workers are watched; write down events; tell of them when they have some. */
export const OBSERVED_WATCH = 1
export const OBSERVED_EVENTS = 2
export const OBSERVED_HOOKS = 4
/** Look after calls for what they left behind. */
export const OBSERVED_LEAKS = 8
export const OBSERVED_EVENTS_SHIFT = 8

export const MAX_WORKERS = WORKER_SET_WORDS * 32 - 1
export const MAX_SUBMITTERS = 128
export const MAX_TASKS = 2048
export const CHUNK_SLOTS = 32
export const MAX_CHUNKS = 1024
/** The queues: four levels, 0 the most urgent, calls that want a worker that does nothing else, and calls that want a fresh one. */
export const QUEUES = 6
export const NORMAL_QUEUE = 2
export const LEVEL_QUEUES = 4
export const BLOCKING_QUEUE = 4
export const ISOLATED_QUEUE = 5
/** In T_TASK: no queue, the call's arguments travel in a message to the worker in bits 20–27. */
export const POSTED_QUEUE = 7

/** Which workers are missing. */
export const HUNGRY_POOL = 1
export const HUNGRY_BLOCKING = 2
export const HUNGRY_ISOLATED = 4

/** A ring: hints where the next taker and the next giver may begin to look, and its cells. */
export const R_HEAD = 0
export const R_TAIL = 16
export const R_CELLS = 32
/** A deque: see deque.ts. */
export const D_TOP = 0
export const D_BOTTOM = 16
export const D_CELLS = 32
export const DEQUE_BITS = 8
/** Behind the cells: histograms of how long calls waited for this worker, and ran there. */
export const D_WAIT_TIMES = D_CELLS + (1 << DEQUE_BITS)
export const D_RUN_TIMES = D_WAIT_TIMES + HISTOGRAM_WORDS
export const DEQUE_WORDS = D_RUN_TIMES + HISTOGRAM_WORDS
/** Twice the slots, so that entries repeated after a crash still fit. */
export const RING_BITS = 16
export const RING_CELLS = 1 << RING_BITS

// A submitter: an agent that calls tasks. Four cache lines.
export const P_SUBMITTERS = 64
export const SUBMITTER_WORDS = 64
/** Tag of the agent; 0: free. */
export const S_OWNER = 0
/** Where to ring it. */
export const S_BELL = 1
/** One bit for each word of S_CHUNKS that is not 0. */
export const S_ROOT = 16
/** 1: it does not look by itself, ring it. */
export const S_ASLEEP = 17
/** 1: it waits for its queue to be shorter, ring it when one of its calls starts. In a pool that is P_LIMITED. */
export const S_WANTS_ROOM = 18
/** One bit for each chunk with finished calls: 32 words. */
export const S_CHUNKS = 32

// A worker. One cache line.
export const P_WORKER_RECORDS = P_SUBMITTERS + MAX_SUBMITTERS * SUBMITTER_WORDS
export const WORKER_WORDS = 16
/** WORKER_* phase. */
export const K_PHASE = 0
/** Where to ring it. */
export const K_BELL = 1
/** Its task that is stuck, as its number + 2; 1: not known which. Set by who watches, cleared by who tells of it. */
export const K_STUCK_TASK = 2
/** Calls that it has finished, and those of them that failed. Written by the worker alone. */
export const K_COMPLETED = 3
export const K_FAILED = 4
/** Calls that have started there and not finished. Written by the worker alone. */
export const K_RUNNING = 5
/** How often it went to sleep. Written by the worker alone. */
export const K_PARKED = 6
/** Tag of its agent. */
export const K_AGENT = 7

/** 1: a call that runs there was asked to end. Set by its submitter before it rings, cleared by the worker. */
export const K_CANCELS = 8
/** How many calls it has stolen. Written by the worker alone. */
export const K_STOLEN = 10
/** Changes while it makes progress; by the worker alone, in a pool that is watched. See observer.ts. */
export const K_ACTIVITY = 11
/** The slot whose function or fiber runs there, + 1; 0: not known. By the worker alone, in a pool that is watched. */
export const K_CURRENT = 12
/** Word index of its events; 0: none. Stays when the worker ends, for the next of its number. */
export const K_EVENTS = 13
/** For how many ms it had made no progress when it was last found stuck. By who watches. */
export const K_STUCK = 14
/** A number to which the worker answers on its event loop by its K_ACTIVITY, when it is rung. */
export const K_PING = 15
/** Word index of its deque; 0: none. Stays when the worker ends, for the next of its number. */
export const K_DEQUE = 9

/** No worker, or one that hasn't said that it is ready. */
export const WORKER_STARTING = 0
export const WORKER_READY = 1
export const WORKER_DEAD = 2
/** Ready, for calls that may take as long as they like. */
export const WORKER_BLOCKING = 3

// Tables.
/** Word index of each chunk's block; 0: not made. */
export const P_CHUNK_AT = P_WORKER_RECORDS + (MAX_WORKERS + 1) * WORKER_WORDS
/** Which submitter owns the chunk: its number + 1; 0: nobody. */
export const P_CHUNK_OWNER = P_CHUNK_AT + MAX_CHUNKS
/** One bit for each slot of the chunk whose call is finished. A hint: the slot's state is the truth. */
export const P_CHUNK_DONE = P_CHUNK_OWNER + MAX_CHUNKS
/** Byte offset of each task's name block; 0: none yet. */
export const P_TASK_TABLE = P_CHUNK_DONE + MAX_CHUNKS
/** The ring of NORMAL_QUEUE; the others are made when they are needed. */
export const P_RING = P_TASK_TABLE + MAX_TASKS
export const RING_WORDS = R_CELLS + RING_CELLS
/** Whose each unit of the pool's annex is: annex.ts. */
export const P_UNITS = P_RING + RING_WORDS
export const UNIT_BYTES = 512 * 1024
export const MAX_UNITS = 8192
export const POOL_WORDS = P_UNITS + MAX_UNITS

// A slot: one call. Four cache lines, of which a small call uses one.
export const SLOT_WORDS = 64
/** PHASE bits 0–3 · worker bits 4–11 · generation bits 12–31. See slot.ts. */
export const T_STATE = 0
/**
 * What is to be done: bits 0–11 number of the task in the task table · bits 12–14 its queue · bit 16 EACH · bit 17 HEARS · bits 20–27 the
 * worker of a call in POSTED_QUEUE. Written by the submitter before the call is queued.
 */
export const T_TASK = 1
export const TASK_MASK = 0xfff
export const QUEUE_SHIFT = 12
const QUEUE_MASK = 7
/** The queue that a call's T_TASK names. */
export function queueOf(task: number): number {
  return (task >>> QUEUE_SHIFT) & QUEUE_MASK
}
/** Whether a worker that takes calls from this queue, or from all of the pool's if it is one of them, may run a call with this T_TASK. */
export function isFor(queue: number, task: number): boolean {
  return queue < LEVEL_QUEUES ? queueOf(task) < LEVEL_QUEUES : queueOf(task) === queue
}
/** The T_TASK of a call that is posted to a worker. */
export function postedTo(task: number, worker: number): number {
  return task | (POSTED_QUEUE << QUEUE_SHIFT) | (worker << TARGET_SHIFT)
}
/** The worker that a call in POSTED_QUEUE was posted to. */
export function targetOf(task: number): number {
  return (task >>> TARGET_SHIFT) & 0xff
}
const TARGET_SHIFT = 20
/** The only argument is an array: the task is called for each element, see each.ts. */
export const EACH = 1 << 16
/** Its submitter can take a result by message: it is the agent that started the workers, and waits for the result on its event loop. */
export const HEARS = 1 << 17
/** What the payload is: SHAPE_*. Arguments before the call, the result after it. */
export const T_SHAPE = 2
/** Bytes of an encoded payload, or tags of a scalar one. */
export const T_LENGTH = 3
/** Byte offset of the slot's block, 0 for none, negative in the annex (annex.ts), and its size in bytes. A block stays with its slot from call to call. */
export const T_BLOCK = 4
export const T_BLOCK_BYTES = 5
/** The submitter's number. Written when the chunk is taken. */
export const T_SUBMITTER = 6
/**
 * Bit 0 CANCEL_REQUESTED · bits 1–31, for a call whose times are measured: when it was submitted, see `stamp`. Written by the submitter alone: bit 0 is
 * 0 when the call is queued.
 */
export const T_CANCEL = 7
export const CANCEL_REQUESTED = 1
/** What T_CANCEL is for a call that is submitted at `ms`: not 0, and comparable for 17 minutes. */
export function stamp(ms: number): number {
  return (Math.floor(ms * 1000) | 1) << 1
}
/** µs since a stamp. */
export function sinceStamp(stamped: number, ms: number): number {
  return ((stamp(ms) - (stamped & ~CANCEL_REQUESTED)) | 0) >> 1
}
/** The payload, when it is small. At a multiple of 8 bytes. */
export const T_INLINE = 8
/** Word index of the pool. Written when the chunk is taken. */
export const T_POOL = SLOT_WORDS - 1
export const INLINE_BYTES = (T_POOL - T_INLINE) * 4
/** A block of more bytes is given back when its call is over. */
export const KEPT_BLOCK_BYTES = 16 * 1024
/** A payload of more bytes goes into the annex, if there is one: the region is for what is small. */
export const APART_BYTES = 256 * 1024
