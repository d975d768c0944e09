/** Hashing of states (fingerprint.ts) by words: two running hashes of 32 bits. */

export const SEED_A = 0x9e3779b1 | 0
export const SEED_B = 0x7feb352d | 0

/** murmur3's finisher over one more word. */
export function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const float = new Float64Array(1)
const halves = new Int32Array(float.buffer)

/** Two running hashes. */
export class Lanes {
  a = SEED_A
  b = SEED_B

  reset(): void {
    this.a = SEED_A
    this.b = SEED_B
  }

  add(word: number): void {
    this.a = mix(this.a, word)
    this.b = mix(this.b, word ^ SEED_A)
  }

  /** Any number. */
  addNumber(value: number): void {
    if ((value | 0) === value) this.add(value)
    else {
      float[0] = value
      this.add(halves[0]!)
      this.add(halves[1]! ^ 1)
    }
  }

  /** What an operation gave. Objects are functions of the log (I2), but for bytes that were copied out of shared memory. */
  addValue(value: unknown): void {
    switch (typeof value) {
      case 'number':
        return this.addNumber(value)
      case 'bigint':
        this.add(Number(BigInt.asIntN(32, value)))
        return this.add(Number(BigInt.asIntN(32, value >> 32n)))
      case 'string':
        for (let i = 0; i < value.length; i++) this.add(value.charCodeAt(i))
        return
      case 'object':
        if (ArrayBuffer.isView(value)) {
          for (const byte of new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) this.add(byte)
        } else if (Array.isArray(value)) for (const item of value) this.addValue(item)
        return
      default:
        this.add(typeof value === 'boolean' ? Number(value) : -1)
    }
  }

  addLanes({ a, b }: Lanes): void {
    this.a = mix(this.a, a)
    this.b = mix(this.b, b)
  }
}
