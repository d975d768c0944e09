/** The Web Lock by which the end of a worker's thread is known. */

interface LockManager {
  request(name: string, callback: () => unknown): Promise<unknown>
}

/** Deno's locks; shared by all workers of a process. Not looked up on import: Deno makes them then. */
export function locks(): LockManager {
  return (globalThis as unknown as { navigator: { locks: LockManager } }).navigator.locks
}

/** What a worker is started with. */
export interface DenoWorkerData {
  readonly heddleLock: string
  readonly data: unknown
}

/** One name for each worker: numbered by the agent that starts it. */
export function lockName(count: number, thread: number): string {
  return `heddle worker ${thread}.${count}`
}

/** Takes the lock, for as long as this thread lives. */
export function takeLock(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const held = (): Promise<never> => {
      resolve()
      return new Promise<never>(() => undefined)
    }
    locks().request(name, held).catch(reject)
  })
}
