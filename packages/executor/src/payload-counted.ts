/** References that encoded values own: see payload.ts, I4. */
import type { Region } from '@heddle/atomics'
import { dropEncoded, type EncodedValue } from '@heddle/atomics/internal'

/** Gives up the references that an encoded value of `length` bytes owns. */
export function dropReferences(memory: Region, at: number, length: number): void {
  try {
    dropEncoded(memory, at, length)
  } catch (error) {
    // What this agent can't decode keeps its references, and the call goes on: whoever reads the value hears of it. What is no error stops a modelled thread.
    if (!(error instanceof Error)) throw error
  }
}

/** Gives up those of a value in private memory. */
export function dropPrepared({ buffer, id }: Region, { words, length, isCounted }: EncodedValue): void {
  // As a window of the annex: the value's own words, and the region that the objects in it live in.
  if (isCounted) dropReferences({ words, buffer, id } as unknown as Region, 0, length)
}
