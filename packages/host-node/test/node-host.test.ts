import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { threadId, Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { nodeHost } from '../src/index.js'

const program = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`)
const echo = program(`
  import { parentPort, workerData, threadId } from 'node:worker_threads'
  parentPort.postMessage({ workerData, threadId })
  parentPort.on('message', (message) => (message === 'throw' ? setImmediate(() => { throw new Error('on purpose') }) : process.exit(message)))
`)

describe('nodeHost', () => {
  it('knows the platform', () => {
    expect(nodeHost).toMatchObject({ name: 'node', parallelism: availableParallelism() })
    expect(nodeHost.threadId()).toBe(threadId)
  })

  it('runs callbacks on the event loop, unless they are taken back', async () => {
    const seen: string[] = []
    await new Promise<void>((resolve) => {
      nodeHost.setTimer(() => seen.push('never'), 1)()
      nodeHost.setTimer(() => {
        seen.push('timer')
        nodeHost.nextTurn(() => {
          seen.push('turn')
          resolve()
        })
        seen.push('after')
      }, 2)
    })
    expect(seen).toEqual(['timer', 'after', 'turn'])
    // Longer than a timer of Node can be: not at once.
    nodeHost.setTimer(() => expect.fail(), 2 ** 40)()
  })

  it('holds until every hold is let go, each once', () => {
    // What keeps this process alive: only timers that are ref'ed count.
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const holds = [nodeHost.hold(), nodeHost.hold()]
    expect(timers()).toBe(before + 1)
    holds[0]!()
    holds[0]!()
    expect(timers()).toBe(before + 1)
    holds[1]!()
    expect(timers()).toBe(before)
    const again = nodeHost.hold()
    expect(timers()).toBe(before + 1)
    again()
    expect(timers()).toBe(before)
  })

  it('starts workers, and says why they ended', async () => {
    const ends = async (message: unknown, then: (worker: ReturnType<NonNullable<typeof nodeHost.startWorker>>) => unknown): Promise<unknown> => {
      const worker = nodeHost.startWorker!(echo, { name: 'one', data: { x: 1 } })
      const first = await new Promise<unknown>((resolve) => worker.onMessage(resolve))
      expect(first).toEqual({ workerData: { x: 1 }, threadId: worker.threadId })
      const exit = new Promise<unknown>((resolve) => worker.onExit(resolve))
      worker.unref()
      worker.ref()
      if (message !== undefined) worker.post(message)
      await then(worker)
      const reason = await exit
      // Also for who asks late.
      expect(await new Promise<unknown>((resolve) => worker.onExit(resolve))).toBe(reason)
      return reason
    }
    expect(await ends(7, () => undefined)).toEqual({ code: 7 })
    expect(await ends('throw', () => undefined)).toMatchObject({ code: 1, error: { message: 'on purpose' } })
    expect(await ends(undefined, (worker) => worker.terminate())).toEqual({ code: 1 })
  })

  it('sees workers that others started, and leaves their errors to them', async () => {
    const worker = new Worker(echo)
    const seen = nodeHost.adoptWorker!(worker)
    expect([seen.native, seen.threadId]).toEqual([worker, worker.threadId])
    const error = once(worker, 'error')
    const exit = new Promise((resolve) => seen.onExit(resolve))
    seen.post('throw')
    expect(await error).toMatchObject([{ message: 'on purpose' }])
    expect(await exit).toEqual({ code: 1 })
    expect(worker.listenerCount('error')).toBe(0)
    expect(() => nodeHost.adoptWorker!({})).toThrow(TypeError)
  })
})
