/** What the pools of the executor suite run: plain functions, for those that take a module's exports, or import them. */

export function echo<T>(value: T): T {
  return value
}

/** About 1 ns for each round, and nothing that an engine could leave out. */
export function work(rounds: number): number {
  let x = 1
  for (let i = 0; i < rounds; i++) x = (Math.imul(x, 1103515245) + 12345) | 0
  return x
}
