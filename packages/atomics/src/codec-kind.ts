/**
 * From a codec's `kind` back to the codec, and kinds in region memory: an object with a codec carries the kind in its memory, so that
 * any agent can open it from a handle alone.
 */
import { agentLocal, get, set } from '#ops'
import { type Codec, registeredCodec } from './codec.js'
import { array } from './codec-array.js'
import { bytes, json, utf8, value } from './codec-block.js'
import { bigint64, bool, f64, handle, i32, u32 } from './codec-scalar.js'
import { copyWordsIn, copyWordsOut, roundUp, scratch } from './codec-scratch.js'
import { decodeUtf8, encodeUtf8, utf8Bound } from './codec-text.js'
import { NotShareableError } from './errors.js'
import type { Region } from './region.js'
import { shareableClass } from './shared-object.js'
import { struct } from './struct.js'

const SCALARS: Readonly<Record<string, Codec<unknown>>> = { i32, u32, f64, bool, bigint64 }
const SIZED: Readonly<Record<string, (max: number) => Codec<unknown>>> = { bytes, utf8, json, value }

function scalar(kind: string): Codec<unknown> | undefined {
  return Object.hasOwn(SCALARS, kind) ? SCALARS[kind] : undefined
}

const parsed = /* @__PURE__ */ agentLocal(() => new Map<string, Codec<unknown>>())

/**
 * The codec of a kind. Parsed once in each agent.
 * @throws NotShareableError for a codec of the user's own, or a class, that this agent has not registered.
 */
export function codecOfKind(kind: string): Codec<unknown> {
  const known = scalar(kind) ?? parsed.get().get(kind)
  if (known !== undefined) return known
  const codec = new Parser(kind).whole()
  parsed.get().set(kind, codec)
  return codec
}

/** kind := name | name '(' … ')'. */
class Parser {
  private at = 0
  constructor(private readonly text: string) {}

  whole(): Codec<unknown> {
    const codec = this.codec()
    if (this.at !== this.text.length) this.fail()
    return codec
  }

  private codec(): Codec<unknown> {
    const name = this.word(/[\w$.-]+/y)
    if (this.text[this.at] !== '(') return scalar(name) ?? registeredCodec(name) ?? this.unknown(`registerCodec a codec of the kind '${name}'`)
    this.expect('(')
    const codec = this.parameters(name)
    this.expect(')')
    return codec
  }

  private parameters(name: string): Codec<unknown> {
    if (Object.hasOwn(SIZED, name)) return SIZED[name]!(Number(this.word(/\d+/y)))
    switch (name) {
      case 'array': {
        const element = this.codec()
        this.expect(',')
        return array(element, Number(this.word(/\d+/y)))
      }
      case 'handle': {
        const kind = this.word(/[^()]+/y)
        return handle(shareableClass(kind) ?? this.unknown(`registerShareable('${kind}', Class)`))
      }
      case 'struct': {
        const fields: Record<string, Codec<unknown>> = {}
        for (;;) {
          const field = this.word(/[\p{ID_Continue}$]+/uy)
          this.expect(':')
          fields[field] = this.codec()
          if (this.text[this.at] !== ',') return struct(fields)
          this.at++
        }
      }
      default:
        return this.fail()
    }
  }

  private word(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const word = pattern.exec(this.text)?.[0] ?? this.fail()
    this.at += word.length
    return word
  }
  private expect(character: string): void {
    if (this.text[this.at++] !== character) this.fail()
  }
  private unknown(what: string): never {
    throw new NotShareableError(`the codec ${this.text} can't be opened in this agent: ${what} before`)
  }
  private fail(): never {
    throw new NotShareableError(`'${this.text}' is not the kind of a codec`)
  }
}

/** Bytes that `writeKind` takes: a length word and the text, a multiple of 4. */
export function kindBytes(codec: Codec<unknown>): number {
  const own = scratch.get()
  own.reserve(utf8Bound(codec.kind))
  return 4 + roundUp(encodeUtf8(own.bytes, 0, codec.kind), 4)
}

/** Leaves a codec's kind at `at`, a multiple of 4. Before the object that it belongs to is published: plain writes. */
export function writeKind(region: Region, at: number, codec: Codec<unknown>): void {
  const own = scratch.get()
  own.reserve(utf8Bound(codec.kind))
  const length = encodeUtf8(own.bytes, 0, codec.kind)
  copyWordsIn(region, at + 4, own.words, length)
  set(region.words, at >> 2, length)
}

/** The codec whose kind `writeKind` left; never changed after, so a plain read. Throws as `codecOfKind`. */
export function readKind(region: Region, at: number): Codec<unknown> {
  const length = get(region.words, at >> 2)
  const own = scratch.get()
  copyWordsOut(region, at + 4, own, length)
  return codecOfKind(decodeUtf8(own.bytes, 0, length))
}
