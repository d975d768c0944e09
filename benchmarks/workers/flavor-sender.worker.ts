/** Sends as many numbers as it is told, until nobody tells it any more. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Handle, Region } from '@heddle/atomics'
import { Receiver, Sender } from '@heddle/channel'
import type { FlavorSenderData } from '../suites/channel/flavors.js'
import { LockedQueue } from '../suites/channel/locked-queue.js'

const { buffer, commands, tx, queue } = workerData as FlavorSenderData
const region = Region.attach(buffer)
const rx = Receiver.fromHandle<number>(commands as Handle)
const sender = tx === undefined ? undefined : Sender.fromHandle<number>(tx as Handle)
const locked = queue === undefined ? undefined : LockedQueue.open(region, queue)
parentPort!.postMessage('ready')
for (const count of rx) {
  if (sender !== undefined) for (let i = 0; i < count; i++) sender.send(i)
  else for (let i = 0; i < count; i++) locked!.push(i)
}
