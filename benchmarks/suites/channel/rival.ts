/** The channel of `multithreading`, imported only in the processes that measure it: it replaces globals. */

/** What is measured of it. */
export type RivalChannel = [{ blockingSend(value: number): unknown }, { blockingRecv(): { value?: number } }]

export async function rivalChannel(capacity: number): Promise<RivalChannel> {
  // It asks for the number of cores as it is imported, and Node 20 has no navigator.
  if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 2 } })
  const { channel } = await import('multithreading')
  return channel<number>(capacity) as unknown as RivalChannel
}
