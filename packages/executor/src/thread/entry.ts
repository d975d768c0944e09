/** What lies in a mailbox: a message, or something that the thread is to do. */
import { type Codec, type Region, registerCodec, value } from '@heddle/atomics'
import { agentLocal, get, set } from '@heddle/atomics/ops'

/** A message without an answer: the payload is here. */
export const SEND = 0
/** A message with an answer: the payload is in a call's slot, and so is the answer. */
export const REQUEST = 1
// What follows is no message. All but the last are calls in slots, too.
/** Begin: call the thread's task. */
export const START = 2
/** Call a task. */
export const RUN = 3
/** Answer when the thread has ended, with what its task returned. */
export const JOIN = 4
/** To the owner: start a thread. */
export const SPAWN = 5
/** To the owner: end a thread's worker. */
export const KILL = 6
/** To the owner: a handler threw and nobody else is there to be told. */
export const FAILED = 7

/** One entry. */
export interface Entry {
  readonly kind: number
  /** A number of the sender's. */
  readonly id: number
  /** Ref of the thread that it is for. */
  readonly to: number
  /** Ref of the sender; 0: no thread. */
  readonly from: number
  /** The call's slot, and the state word of it while it waits; -1 and 0 for others. */
  readonly slot: number
  readonly seen: number
  readonly payload: unknown
}

/** Whether the receiver is to be rung for it, also when nobody there wants messages. */
export function isOrder(kind: number): boolean {
  return kind > REQUEST
}
/** Whether the payload is in the entry. */
function hasPayload(kind: number): boolean {
  return kind === SEND || kind === FAILED
}

const HEAD_WORDS = 6
const MAX_BYTES = 2 ** 28
const payloads = /* @__PURE__ */ value(MAX_BYTES)

class EntryCodec implements Codec<Entry> {
  readonly kind = 'heddle.thread.entry'
  readonly bytes = HEAD_WORDS * 4 + payloads.bytes
  readonly align = 4
  readonly fixed = false

  write(region: Region, at: number, entry: Entry): void {
    const { words } = region
    const index = at >> 2
    if (hasPayload(entry.kind)) payloads.write(region, at + HEAD_WORDS * 4, entry.payload)
    set(words, index, entry.kind)
    set(words, index + 1, entry.id)
    set(words, index + 2, entry.to)
    set(words, index + 3, entry.from)
    set(words, index + 4, entry.slot)
    set(words, index + 5, entry.seen)
  }

  read(region: Region, at: number): Entry {
    const { words } = region
    const index = at >> 2
    const kind = get(words, index)
    let payload: unknown
    let failure: Unreadable | undefined
    // What can't be opened here is the receiver's to report: the entry itself is whole.
    if (hasPayload(kind)) {
      try {
        payload = payloads.read(region, at + HEAD_WORDS * 4)
      } catch (error) {
        failure = new Unreadable(error)
      }
    }
    return {
      kind,
      id: get(words, index + 1),
      to: get(words, index + 2),
      from: get(words, index + 3),
      slot: get(words, index + 4),
      seen: get(words, index + 5),
      payload: failure ?? payload,
    }
  }

  /** The payload's slot owns nothing while the entry has none. */
  recover(region: Region, at: number): void {
    payloads.recover?.(region, at + HEAD_WORDS * 4)
  }

  free(region: Region, at: number): void {
    if (hasPayload(get(region.words, at >> 2))) payloads.free!(region, at + HEAD_WORDS * 4)
  }
}

/** In place of a payload that could not be read. */
export class Unreadable {
  constructor(readonly reason: unknown) {}
}

const codec = /* @__PURE__ */ agentLocal(() => {
  const made = new EntryCodec()
  registerCodec(made)
  return made
})

/** How entries lie in mailboxes; known to this agent from here on. */
export function entryCodec(): Codec<Entry> {
  return codec.get()
}
