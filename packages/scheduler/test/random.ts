/** A small seeded generator (mulberry32), so that a failure can be run again. */
export function generator(seed: number): (limit: number) => number {
  let state = seed | 0
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

/** The seed of this run: from HEDDLE_SEED, else new each time. Tests have it in their names. */
export const SEED = Number(process.env['HEDDLE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
