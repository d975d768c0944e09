/** A worker's messages: Deno drops those that come before somebody listens. */
import { parentPort } from 'node:worker_threads'

type Listener = (message: unknown) => void

const early: unknown[] = []
let listener: Listener | undefined

/** From now on no message is lost. */
export function keepMessages(): void {
  parentPort!.on('message', (message: unknown) => {
    if (listener === undefined) early.push(message)
    else listener(message)
  })
}

/** Gives every message to `to`: those that came already, and then each as it comes. */
export function giveMessages(to: Listener): void {
  listener = to
  for (const message of early.splice(0)) to(message)
}
