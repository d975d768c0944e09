/** The mutex of `multithreading`, imported only in the processes that measure it: it replaces globals. */

/** What is measured of it. */
export interface Rival {
  blockingLock(): { dispose(): void }
  lock(): Promise<{ dispose(): void }>
}

/** One in given words, so that two threads may have the same. */
export async function rivalMutex(buffer = new SharedArrayBuffer(4)): Promise<Rival> {
  // It asks for the number of cores as it is imported, and Node 20 has no navigator.
  if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 2 } })
  const { Mutex } = await import('multithreading')
  return new Mutex(undefined, buffer)
}
