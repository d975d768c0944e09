/** Real workers for the tests of one channel. */
import { Worker } from 'node:worker_threads'
import type { Region } from '@heddle/atomics'
import { Agent, reapThread } from '@heddle/park/internal'
import type { Receiver, Sender } from '../../src/index.js'

/** What one worker received, in order. */
export interface Heard {
  values: number[]
}
export type Role = 'send' | 'receive' | 'try-send' | 'try-receive' | 'die'
/** What a worker of crew.worker.ts is given. */
export interface CrewData {
  buffer: SharedArrayBuffer
  tx: unknown
  rx: unknown
  role: Role
  /** Its number among those of its role. */
  number: number
  messages: number
}

interface Member {
  thread: Worker
  /** The next message of it. */
  next(): Promise<unknown>
  exited: Promise<void>
}

export class Crew {
  private readonly members: Member[] = []
  constructor(private readonly region: Region) {}

  /** Senders send their messages, receivers receive until the channel is closed, all in different modes. */
  async stress(
    tx: Sender<number>,
    rx: Receiver<number>,
    { sending, receiving, messages }: { sending: number; receiving: number; messages: number },
  ): Promise<Heard[]> {
    const receivers = Array.from({ length: receiving }, (_, number) => this.hire(tx, rx, 'receive', number, messages))
    for (const { next } of receivers) await next()
    const heard = Promise.all(receivers.map(({ next }) => next()))
    // Looked at below; a worker that fails meanwhile must not count as unhandled.
    heard.catch(() => undefined)
    const senders = Array.from({ length: sending }, (_, number) => this.hire(tx, rx, 'send', number, messages))
    for (const { next } of senders) await next()
    tx.close()
    return (await heard) as Heard[]
  }

  /** One send or receive in another agent. @returns the code of its error, or 'done' */
  async tryOnce(tx: Sender<number>, rx: Receiver<number>, end: 'send' | 'receive'): Promise<unknown> {
    return this.hire(tx, rx, `try-${end}`, 0, 1).next()
  }

  /** An agent that sends `count` messages, waits, and is killed. */
  async sendAndDie(tx: Sender<number>, rx: Receiver<number>, count: number): Promise<void> {
    const member = this.hire(tx, rx, 'die', 0, count)
    await member.next()
    await member.thread.terminate()
    await member.exited
  }

  async dismiss(): Promise<void> {
    for (const { thread, exited } of this.members) {
      await thread.terminate()
      await exited
    }
  }

  private hire(tx: Sender<number>, rx: Receiver<number>, role: Role, number: number, messages: number): Member {
    const workerData: CrewData = { buffer: this.region.buffer, tx: tx.toHandle(), rx: rx.toHandle(), role, number, messages }
    const thread = new Worker(new URL('../.fixtures/crew.js', import.meta.url), { workerData })
    const { threadId } = thread
    const arrived: unknown[] = []
    const asked: { resolve: (message: unknown) => void; reject: (error: unknown) => void }[] = []
    let failure: unknown
    thread.on('message', (message: unknown) => {
      const first = asked.shift()
      if (first === undefined) arrived.push(message)
      else first.resolve(message)
    })
    const fail = (error: unknown): void => {
      failure ??= error
      for (const { reject } of asked.splice(0)) reject(error)
    }
    thread.on('error', fail)
    const exited = new Promise<void>((resolve) => {
      thread.on('exit', () => {
        reapThread(Agent.of(this.region), threadId)
        fail(new Error(`the worker that was to ${role} has ended`))
        resolve()
      })
    })
    const next = (): Promise<unknown> => {
      if (arrived.length > 0) return Promise.resolve(arrived.shift())
      return new Promise((resolve, reject) => {
        if (failure === undefined) asked.push({ resolve, reject })
        else reject(failure as Error)
      })
    }
    const member = { thread, next, exited }
    this.members.push(member)
    return member
  }
}
