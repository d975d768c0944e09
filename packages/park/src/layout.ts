/**
 * Memory layout of waiting: queues, waiter records, and the chunks that records and ready bits live in.
 * All indexes are in 32-bit words, relative to the start of the structure.
 */
import { LINE_BYTES } from '@heddle/atomics/internal'

// A wait queue: four words that a primitive embeds where it likes.
/** 0, or the tag of the agent that holds the queue's lock; see queue.ts. */
export const Q_LOCK = 0
/** First and last record, as word indexes; 0 for none. Hints: the records are the truth. */
export const Q_HEAD = 1
export const Q_TAIL = 2
/** The next waiter's ticket. */
export const Q_TICKET = 3
/** Bytes that an embedded queue takes. */
export const QUEUE_BYTES = 16

// A waiter record: one cache line.
export const RECORD_WORDS = LINE_BYTES >> 2
/** PHASE bits 0–3 · case bits 4–11 (which link was claimed) · generation bits 12–31. */
export const W_STATE = 0
/** Word index of the queue that the record is or was last in; stays after it was claimed, so that a notify can be passed on. */
export const W_QUEUE = 1
/** Place in the queue's order; kept when the waiter has to wait again. */
export const W_TICKET = 2
/** 1 while the record is in its queue's list. Changed under the queue's lock. */
export const W_LINKED = 3
/** Tag of the agent that owns the record. Written when the chunk is made or inherited. */
export const W_AGENT = 4
/** KIND_*, perhaps with KIND_PASSES. */
export const W_KIND = 5
export const W_NEXT = 6
export const W_PREVIOUS = 7
/** What the waker passed. */
export const W_TOKEN = 8
/** What is waited for, where a queue serves several things: the address of a cell. */
export const W_KEY = 9
/** Word index of the record that is claimed in place of this one; itself, unless this is a link. */
export const W_MAIN = 10
/** The record's number within its agent. */
export const W_NUMBER = 11
/** Word index of its chunk. */
export const W_CHUNK = 12
/** Word index of the lock word that a grant of this record hands over; 0 for none. */
export const W_LOCK = 13
/** For the primitive: what it wants (permits, a mode), and how often or since when it has tried. */
export const W_WANT = 14
export const W_TRIES = 15

/** Nobody's. */
export const FREE = 0
/** In a queue; may be claimed. */
export const WAITING = 1
/** Claimed by a waker: look again. */
export const NOTIFIED = 2
/** Claimed by a waker that also made it the owner of W_LOCK. */
export const GRANTED = 3
/** A grant that its owner has taken. */
export const TAKEN = 4
/** Given up by its owner, or by a token. */
export const CANCELLED = 5
/** No wait but a doorbell: its bit means that somebody rang. */
export const BELL = 6
/** A link: its W_MAIN is the record that counts. */
export const LINK = 7

export const PHASE_BITS = 0xf
export const CASE_SHIFT = 4
export const CASE_MASK = 0xff
export const RECORD_GENERATION = 1 << 12
export const RECORD_GENERATION_MASK = 0xfffff000 | 0
/** The case of a claim that only says: something about this queue changed hands without you, look again. */
export const CASE_RECHECK = 254
/** The case of a claim by a token. */
export const CASE_TOKEN = 255

/** The agent's thread sleeps on the record's own state word. */
export const KIND_THREAD = 1
/** A promise: the wake comes through the agent's ready bitmap. */
export const KIND_PROMISE = 2
/** A fiber: likewise. */
export const KIND_FIBER = 3
export const KIND_MASK = 3
/**
 * Flag: a notify that the waiter got and did not live to act on is owed to the next in its queue. Others look again after a death, and
 * find what is theirs in their primitive's own words. W_WANT is then the header of the WaitQueue that the record is in, 0 for a queue that
 * is never disposed of.
 */
export const KIND_PASSES = 4
/** Flag: the thread sleeps or is about to. Without it nobody need call `notify`, which costs more than all the rest of a wake. */
export const KIND_ASLEEP = 8

// A chunk of records: three lines of header and ready bits, then the records.
/** Word index of the agent's next chunk; 0 for none. */
export const C_NEXT = 0
/** Records in this chunk. */
export const C_CAPACITY = 1
/** The chunk's number within its agent. */
export const C_CHUNK_NUMBER = 2
/** One bit for each word of ready bits. */
export const C_SUMMARY = 8
/** The ready bits: 32 words. */
export const C_READY = 16
export const CHUNK_HEADER_WORDS = 48
/** Capacity of an agent's first chunk, so that an agent that hardly waits costs 2.2 KB, and of every further one. */
export const FIRST_CHUNK = 32
export const FULL_CHUNK = 1024
export const MAX_CHUNKS = 1024

/** The agent runs, or somebody rang already. */
export const RUNNING = 0
/** The agent sleeps or its event loop may be about to: whoever makes something ready must ring. */
export const IDLE = 1
/** Rung: it will look. */
export const RUNG = 2
