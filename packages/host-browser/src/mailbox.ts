/** A worker's messages: what it was started with, and then those of its executor, none lost. */
import { isStart, type Start, workerScope } from './protocol.js'

type Listener = (message: unknown) => void

let started: Start | undefined
let listener: Listener | undefined
const early: unknown[] = []

/** From now on no message is lost. Resolves when the worker has been told what it is for. */
export function listenForStart(): Promise<void> {
  return new Promise((resolve) => {
    workerScope()!.addEventListener('message', ({ data }) => {
      if (started === undefined && isStart(data)) {
        started = data
        resolve()
      } else if (listener === undefined) early.push(data)
      else listener(data)
    })
  })
}

/** What the worker was started with. */
export function startOf(): Start {
  if (started === undefined) throw new TypeError('this is no worker of heddle: it has no parent')
  return started
}

/** Gives every message to `to`: those that came already, and then each as it comes. */
export function giveMessages(to: Listener): void {
  listener = to
  for (const message of early.splice(0)) to(message)
}
