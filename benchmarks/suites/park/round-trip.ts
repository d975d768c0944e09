/** What both threads of a round trip agree on. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Word of the measuring thread's turn; on a cache line of its own. */
export const PING = 0
/** Word of the other thread's turn. */
export const PONG = 32
/** In PING, or as a message: the end. */
export const END = -1

/** The measuring thread's side. */
export interface Partner {
  readonly worker: Worker
  readonly words: Int32Array
  /** Turns so far, counted by whoever measures. */
  turn: number
}

/** Starts the other thread and waits until it is ready. */
export async function startPartner(file: string, role: string, extra: object = {}): Promise<Partner> {
  const words = new Int32Array(new SharedArrayBuffer(64 * 4))
  const worker = new Worker(new URL(`../workers/${file}.js`, import.meta.url), { workerData: { role, buffer: words.buffer, ...extra } })
  await once(worker, 'message')
  return { worker, words, turn: 0 }
}

/** Ends the other thread and waits until it has gone. */
export async function endPartner({ worker, words }: Partner): Promise<void> {
  const gone = once(worker, 'exit')
  Atomics.store(words, PING, END)
  Atomics.notify(words, PING)
  worker.postMessage(END)
  await gone
}
