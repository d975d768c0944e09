/** Threads for the channel suite: each does its part of every run, and tells when it is through. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { i32, Region } from '@heddle/atomics'
import { channel, type Receiver, type Sender } from '@heddle/channel'
import type { CrewData } from '../../workers/channel-crew.worker.js'

interface Member {
  worker: Worker
  runs: Sender<number>
  done: Receiver<number>
}

export class Crew {
  private readonly members: Member[] = []
  constructor(readonly region = Region.create({ bytes: 1 << 26 })) {}

  async hire(
    what: Pick<CrewData, 'role' | 'mode'>,
    links: { toHandle(): unknown }[],
    number = 0,
    of = 1,
    buffer?: SharedArrayBuffer,
  ): Promise<Worker> {
    const [runs, announced] = channel({ capacity: 1, codec: i32, region: this.region })
    const [finished, done] = channel({ capacity: 1, codec: i32, region: this.region })
    const workerData = {
      ...what,
      number,
      of,
      runs: announced.toHandle(),
      done: finished.toHandle(),
      links: links.map((link) => link.toHandle()),
      buffer: buffer ?? this.region.buffer,
    }
    const worker = new Worker(new URL('../workers/channel-crew.js', import.meta.url), { workerData })
    await once(worker, 'message')
    this.members.push({ worker, runs, done })
    return worker
  }

  /** Everybody begins, with so many messages each. */
  begin(counts: (index: number) => number): void {
    this.members.forEach(({ runs }, index) => runs.send(counts(index)))
  }

  /** The sum of what all received, when all are through. */
  end(): number {
    let sum = 0
    for (const { done } of this.members) sum = (sum + done.recv()) & 0x7fffffff
    return sum
  }

  async endAsync(): Promise<number> {
    let sum = 0
    for (const { done } of this.members) sum = (sum + (await done.recvAsync())) & 0x7fffffff
    return sum
  }

  async dismiss(): Promise<void> {
    for (const { worker, runs } of this.members) {
      const gone = once(worker, 'exit')
      runs.close()
      await gone
    }
  }
}
