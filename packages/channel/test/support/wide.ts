/** A codec with few words and a large slot, so that blocks have few slots. */
import type { Codec } from '@heddle/atomics'
import { get, set } from '@heddle/atomics/ops'

export const wide: Codec<number> = {
  kind: 'test.wide',
  bytes: 4096,
  align: 4,
  fixed: true,
  write: (region, at, value) => set(region.words, at >> 2, value),
  read: (region, at) => get(region.words, at >> 2),
}
