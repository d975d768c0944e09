/**
 * Private memory in the shape of a region: a codec writes a value there, which then moves into shared memory in the way that its place
 * asks for: word by word with atomic stores in a SeqLock, field by field in a struct.
 */
import { agentLocal } from '#ops'
import { roundUp } from './codec-scratch.js'
import type { Region } from './region.js'

/** Private memory and its views. */
export interface Draft {
  /** What codecs take; references to objects of the region that it stands for may be written there. */
  readonly region: Region
  readonly words: Int32Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** One agent's private memory for one use. */
export class Staging {
  private readonly kept = agentLocal<{ of: Region | undefined; draft: Draft | undefined }>(() => ({ of: undefined, draft: undefined }))

  /** At least `bytes` private bytes from offset 0, with anything in them, in place of `region`. */
  of(region: Region, bytes: number): Draft {
    const kept = this.kept.get()
    if (kept.draft !== undefined && kept.of === region && kept.draft.bytes.length >= bytes) return kept.draft
    const buffer = new ArrayBuffer(roundUp(bytes, 8))
    const draft = { region, words: new Int32Array(buffer), bytes: new Uint8Array(buffer) }
    draft.region = Object.create(region, {
      words: { value: draft.words },
      words64: { value: new BigInt64Array(buffer) },
      bytes: { value: draft.bytes },
      floats: { value: new Float64Array(buffer) },
    }) as Region
    kept.of = region
    kept.draft = draft
    return draft
  }
}
