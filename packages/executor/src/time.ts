/** Limits and beats for code on an event loop. */
import { InvalidArgumentError } from '@heddle/atomics'
import { ownRegion } from '@heddle/atomics/internal'
import { now } from '@heddle/atomics/ops'
import { TimeoutError, type WaitOptions } from '@heddle/park'
import { Agent, cancelTimer, deadlineOf } from '@heddle/park/internal'
import { checkSignal, limit } from './signal.js'

/**
 * A promise with a time limit: settles as `promise` does, or rejects with `TimeoutError` after `ms`. A function is called with a signal
 * that aborts when the time is over, so that what it waits for can end too. Keeps the process alive until it settles.
 * @param ms milliseconds, 0 or more
 * @throws (as a rejection) TimeoutError, InvalidArgumentError, what the promise rejects with
 * @example
 * import { nodeHost } from '@heddle/node'
 * import { setHost, sleepAsync } from '@heddle/park'
 * setHost(nodeHost)
 * await timeout(1000, sleepAsync(5))
 * await timeout(1000, (signal) => sleepAsync(5, { signal }))
 */
export async function timeout<T>(ms: number, promise: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T> | T)): Promise<T> {
  const deadline = deadlineOf({ timeout: ms })
  if (typeof ms !== 'number') throw new InvalidArgumentError(`timeout takes milliseconds first, got ${String(ms)}`)
  const controller = new AbortController()
  return new Promise<T>((resolve, reject) => {
    const stop = limit(Agent.of(ownRegion()), deadline, undefined, () => {
      stop()
      const error = new TimeoutError(`it did not end within ${ms} ms`)
      reject(error)
      controller.abort(error)
    })
    const end = <V>(settle: (value: V) => void): ((value: V) => void) => {
      return (value) => {
        stop()
        settle(value)
      }
    }
    try {
      Promise.resolve(typeof promise === 'function' ? promise(controller.signal) : promise).then(end(resolve), end(reject))
    } catch (error) {
      end(reject)(error as Error)
    }
  })
}

/**
 * Beats: `for await (const n of interval(100))` runs its body every 100 ms, with n = 0, 1, 2, … at 0, 100, 200 ms after the first. Beats lie on that grid however
 * long the body takes: those that it overruns are left out, and `n` says how many. Keeps the process alive while the loop waits.
 * @param ms between two beats, more than 0
 * @param options `signal` ends the iteration with its reason; `timeout` with a `TimeoutError`
 * @throws InvalidArgumentError
 * @example
 * for await (const n of interval(5)) {
 *   if (n >= 3) break
 * }
 */
export function interval(ms: number, options?: WaitOptions): AsyncIterableIterator<number> {
  if (!(ms > 0)) throw new InvalidArgumentError(`interval takes milliseconds, more than 0, got ${String(ms)}`)
  const deadline = deadlineOf(options)
  checkSignal(options?.signal)
  return beats(ms, deadline, options?.signal)
}

async function* beats(ms: number, deadline: number, signal: WaitOptions['signal']): AsyncGenerator<number, void, undefined> {
  const agent = Agent.of(ownRegion())
  const begun = now()
  for (let n = 0; ;) {
    const due = begun + n * ms
    checkSignal(signal)
    await new Promise<void>((resolve, reject) => {
      const ends = limit(agent, deadline, signal, (reason) => {
        clear()
        reject(reason as Error)
      })
      const timer = agent.after(due, () => {
        clear()
        resolve()
      })
      agent.hold()
      const clear = (): void => {
        ends()
        cancelTimer(timer)
        agent.unhold()
      }
    })
    yield n
    // The next beat of the grid that has not passed.
    n = Math.max(n + 1, Math.ceil((now() - begun) / ms))
  }
}
