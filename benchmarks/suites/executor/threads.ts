/** Threads with mailboxes, against workers and messages of the platform. */
import { Worker } from 'node:worker_threads'
import { Executor, type Thread } from '@heddle/executor'
import { nodeHost } from '@heddle/node'
import { type Case, contender, expectEqual } from '../../src/suite.js'

const IN_FLIGHT = 100
const workerFile = (name: string): URL => new URL(`../workers/${name}.js`, import.meta.url)
const check = (right: number, n: number): void => expectEqual(right, n, 'number of answers')

interface Tasks {
  readonly executor: Executor
  readonly threads: (typeof import('../../workers/threads.worker.js'))['threads']
}

async function startExecutor(): Promise<Tasks> {
  const { threads } = (await import(workerFile('threads').href)) as typeof import('../../workers/threads.worker.js')
  return { executor: await Executor.start({ host: nodeHost }), threads }
}

/** From the call that starts a thread of execution to its end, with a value back. */
const cycles: Case = {
  name: 'start + join',
  unit: 'cycle',
  isolation: 'process',
  iterations: 20,
  floor: 'new Worker, to its exit',
  contenders: [
    contender({
      name: 'new Worker, to its exit',
      run: async (_, n) => {
        let right = 0
        for (let i = 0; i < n; i++) {
          await new Promise<void>((resolve) => {
            const worker = new Worker(workerFile('bare-end'), { workerData: i })
            worker.once('message', (value) => (right += value === i ? 1 : 0))
            worker.once('exit', () => resolve())
          })
        }
        return right
      },
      check,
    }),
    contender({
      name: 'heddle, its worker used again',
      setup: startExecutor,
      run: async ({ executor, threads }, n) => {
        let right = 0
        for (let i = 0; i < n; i++) {
          const thread = await executor.thread(threads.result, [i])
          if ((await thread.joinAsync()) === i) right++
        }
        return right
      },
      check,
      teardown: async ({ executor }) => executor.shutdown(),
    }),
  ],
}

interface Peer {
  ask(value: number): Promise<number>
  end(): Promise<unknown>
}

async function startPort(): Promise<Peer> {
  const worker = new Worker(workerFile('bare-echo'))
  const waiting: ((value: number) => void)[] = []
  worker.on('message', (value: number) => waiting.shift()!(value))
  const ask = (value: number): Promise<number> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      worker.postMessage(value)
    })
  await ask(0)
  return { ask, end: async () => worker.terminate() }
}

async function startThread(): Promise<Peer> {
  const { executor, threads } = await startExecutor()
  const thread: Thread<void> = await executor.thread(threads.echo)
  await thread.request(0)
  return { ask: (value) => thread.request<number>(value), end: async () => executor.shutdown() }
}

function requests(inFlight: number, iterations: number): Case {
  const run = async (peer: Peer, n: number): Promise<number> => {
    let left = n
    let right = 0
    const one = async (): Promise<void> => {
      for (let i = --left; i >= 0; i = --left) if ((await peer.ask(i)) === i) right++
    }
    await Promise.all(Array.from({ length: inFlight }, one))
    return right
  }
  return {
    name: inFlight === 1 ? 'request + reply, one by one' : `request + reply, ${inFlight} in flight`,
    unit: 'request',
    isolation: 'process',
    iterations,
    floor: 'postMessage there and back',
    contenders: Object.entries({ 'postMessage there and back': startPort, 'heddle, request': startThread }).map(([name, setup]) =>
      contender({ name, setup, run, check, teardown: async (peer) => void (await peer.end()) }),
    ),
  }
}

export const threadCases: readonly Case[] = [cycles, requests(1, 1000), requests(IN_FLIGHT, 10_000)]
