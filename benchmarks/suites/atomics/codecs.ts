/** A value there and back: into shared memory and out of it, against what copies a value without any. */
import { isDeepStrictEqual } from 'node:util'
import { type Codec, json, Region, utf8, value } from '@heddle/atomics'
import { type Case, contender, type Contender } from '../../src/suite.js'

const MAX = 4096

function there(name: string, codec: Codec<unknown>, sample: unknown): Contender<never> {
  return contender({
    name,
    setup: () => {
      const region = Region.create({ bytes: 1 << 20 })
      return { region, at: region.alloc(codec.bytes, 8) }
    },
    run: ({ region, at }, n) => {
      let last: unknown
      for (let i = 0; i < n; i++) {
        codec.write(region, at, sample)
        last = codec.read(region, at)
        codec.free?.(region, at)
      }
      return last
    },
    check: (last) => checkCopy(last, sample),
  })
}

function checkCopy(last: unknown, sample: unknown): void {
  if (!isDeepStrictEqual(last, sample)) throw new Error(`wrong copy: ${JSON.stringify(last)}`)
}

function copies(name: string, sample: unknown, codecs: Record<string, Codec<unknown>>): Case {
  return {
    name: `copy of ${name}`,
    unit: 'value',
    isolation: 'shared',
    iterations: 100,
    floor: 'JSON.stringify + parse',
    contenders: [
      contender({
        name: 'JSON.stringify + parse',
        run: (_state, n) => {
          let last: unknown
          for (let i = 0; i < n; i++) last = JSON.parse(JSON.stringify(sample))
          return last
        },
        check: (last) => checkCopy(last, sample),
      }),
      contender({
        name: 'structuredClone',
        run: (_state, n) => {
          let last: unknown
          for (let i = 0; i < n; i++) last = structuredClone(sample)
          return last
        },
        check: (last) => checkCopy(last, sample),
      }),
      ...Object.entries(codecs).map(([codecName, codec]) => there(`heddle ${codecName}`, codec, sample)),
    ],
  }
}

const small = { id: 17, name: 'Argo', tags: ['fast', 'old'], place: { x: 1.5, y: -2 }, crew: null, sails: true }
const text = 'It is a truth universally acknowledged. '.repeat(25)

export const codecs: Case[] = [
  copies('a small object', small, { value: value(MAX), json: json(MAX) }),
  copies('a text of 1,000 characters', text, { value: value(MAX), utf8: utf8(MAX) }),
  copies(
    '200 numbers',
    Array.from({ length: 200 }, (_, i) => i * 1.5),
    { value: value(MAX) },
  ),
]
