/**
 * Memory layout of a channel: the words that all flavours share. Indexes are in words from the channel's start, which is a multiple of 64.
 *
 *   line 0   headers (word 0 is the Sender's), settings and signals: read by everybody, written when somebody begins or ends to sleep
 *   line 1   what senders write
 *   line 2   what receivers write
 *   line 3   queues: written only by those who sleep, and those who wake them
 *   line 4…  the flavour's own
 */
import { LINE_BYTES } from '@heddle/atomics/internal'
import { QUEUE_BYTES } from '@heddle/park/internal'

/** SIGNAL_* bits. */
export const SIGNALS = 1
export const CAPACITY = 2
/** Bytes from the channel's start to its codec's kind. */
export const KIND_AT = 3
/**
 * Header of the Receiver. At a multiple of 16 bytes, where the allocator leaves a freed object's header alone.
 */
export const RECEIVER_HEADER = 4
// The word after the next of a Receiver's header is the channel of one with a position of its own (subscription.ts): word 6 stays 0.
/** Byte offset of the block with the reason of `close`: its length in bytes, then at +8 its encoded form; 0 without one. */
export const REASON_AT = 5
/** Messages that were lost with agents that died. */
export const LOST = 7
/** Which flavour, FLAVOR_*. */
export const FLAVOR = 8
/** Byte offset of the first of the receivers with positions of their own (subscription.ts). */
export const SUBSCRIPTIONS = 9
/** Of broadcast: 1 when a receiver that missed messages is not told. */
export const SKIPS = 10
/** The Sender's header while the channel lives; 0 from before anything of it is freed (C4 of flavor.ts). */
export const LIFE = 11
export const TAIL = 16
/** Of flavours with one sender: its tag, and how often that changed. */
export const SENDER_OWNER = 17
export const SENDER_EPOCH = 18
export const HEAD = 32
/** Of flavours with one receiver: its tag, and how often that changed. */
export const RECEIVER_OWNER = 33
export const RECEIVER_EPOCH = 34
export const SEND_QUEUE = 48
export const RECEIVE_QUEUE = SEND_QUEUE + (QUEUE_BYTES >> 2)
/** Bytes before the flavour's own. */
export const HEAD_BYTES = 4 * LINE_BYTES

/** A receiver may sleep: senders look at the queue. Changed under the lock of the receivers' queue. */
export const RECEIVERS_WAIT = 1
/** A sender may sleep: receivers look at the queue. Changed under the lock of the senders' queue. */
export const SENDERS_WAIT = 2
/** Closed: never cleared. */
export const CLOSED_BIT = 4

/** Any number of senders and receivers; capacity 0: from hand to hand. */
export const FLAVOR_SHARED = 0
/** One sender, one receiver. */
export const FLAVOR_SPSC = 1
/** One message in its life. */
export const FLAVOR_ONESHOT = 2
/** Many senders, one receiver. */
export const FLAVOR_MPSC = 3
/** As many messages as the region has room for. */
export const FLAVOR_UNBOUNDED = 4
/** Every receiver gets every message. */
export const FLAVOR_BROADCAST = 5
/** The latest value. */
export const FLAVOR_WATCH = 6
