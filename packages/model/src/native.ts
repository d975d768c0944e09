/** The engine's own operations, and small things that everything here needs. */

export type View = Int32Array | BigInt64Array | Uint8Array | Float64Array

export const nativeSharedArrayBuffer = SharedArrayBuffer

/** The engine's own functions, whatever is swapped in while a check runs. */
export const native = { ...pick(Atomics) }
function pick(
  atomics: Atomics,
): Pick<Atomics, 'load' | 'store' | 'add' | 'sub' | 'and' | 'or' | 'xor' | 'exchange' | 'compareExchange' | 'wait' | 'notify'> {
  const { load, store, add, sub, and, or, xor, exchange, compareExchange, wait, notify } = atomics
  return { load, store, add, sub, and, or, xor, exchange, compareExchange, wait, notify }
}

/** Takes the later of two clocks, entry by entry. */
export function join(into: number[], from: readonly number[]): void {
  for (let i = 0; i < into.length; i++) if (from[i]! > into[i]!) into[i] = from[i]!
}

export function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
