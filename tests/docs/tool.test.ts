/** The check of the examples itself: a broken example is found, whatever way it is broken in. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { collect, diagnose, execute, prepare } from './examples.js'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'heddle-docs-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const fence = '```'
const plant = (file: string, text: string): void => {
  mkdirSync(join(base, file, '..'), { recursive: true })
  writeFileSync(join(base, file), text)
}
const run = join(import.meta.dirname, '.run', 'planted')

it('takes one that is right', async () => {
  plant(
    'README.md',
    `# x\n\n${fence}ts\nimport { Region } from '@heddle/atomics'\nconst region: Region = Region.create({ bytes: 1 << 20 })\nconsole.log(region.stats().bytes)\n${fence}\n`,
  )
  const { examples, problems } = collect(base)
  expect(problems).toEqual([])
  const [one] = await prepare(examples, run)
  expect(diagnose([one!]).size).toBe(0)
  expect(Number(await execute(one!))).toBe(1 << 20)
})

it('finds a wrong type, with its line', async () => {
  plant('README.md', `# x\n\n${fence}ts check\n\nconst n: number = 'text'\n${fence}\n`)
  const prepared = await prepare(collect(base).examples, run)
  expect([...diagnose(prepared).values()].flat()).toEqual([expect.stringMatching(/^README\.md:5: Type 'string' is not assignable/)])
})

it('finds a name that a package does not export', async () => {
  plant('packages/some/README.md', `${fence}ts\nimport { NoSuchThing } from '@heddle/atomics'\nconsole.log(NoSuchThing)\n${fence}\n`)
  const prepared = await prepare(collect(base).examples, run)
  expect([...diagnose(prepared).values()].flat().join()).toContain('NoSuchThing')
  await expect(execute(prepared[0]!)).rejects.toThrow('NoSuchThing')
})

it.each([
  ['throws', `throw new Error('planted')`, /planted/],
  ['rejects without anybody to see it', `void Promise.reject(new Error('planted'))`, /planted/],
  ['is no JavaScript', `const = 1`, /Expected identifier|Unexpected token/],
  ['exits with another code than 0', `process.exit(3)`, /README\.md:2 failed/],
])('finds one that %s', async (_, code, message) => {
  plant('README.md', `${fence}js\n${code}\n${fence}\n`)
  const [one] = await prepare(collect(base).examples, run)
  await expect(execute(one!)).rejects.toThrow(message)
})

it('finds a broken example in a doc comment, fenced or not, and gives it the exports of its package', async () => {
  const comment = (lines: string[]): string => `/**\n${lines.map((line) => ` * ${line}\n`).join('')} */\nexport const x = 1\n`
  plant('packages/atomics/src/a.ts', comment(['Does it.', '@example', 'const region: Region = Region.create()', 'region.nothing()']))
  plant('packages/atomics/src/b.ts', comment(['Does it.', '@example', `${fence}ts`, `throw new Error('planted')`, fence, '@throws Error']))
  const [a, b] = await prepare(collect(base).examples, run)
  expect([...diagnose([a!, b!]).values()].flat()).toEqual([
    expect.stringMatching(/^packages\/atomics\/src\/a\.ts:5: Property 'nothing' does not exist on type 'Region'/),
  ])
  await expect(execute(b!)).rejects.toThrow('planted')
})

it('refuses to ignore without a reason, unknown words, and a fence that never closes', () => {
  plant(
    'README.md',
    `${fence}ts ignore\n1\n${fence}\n${fence}ts rnu\n1\n${fence}\n${fence}ts ignore: needs a browser window\n1\n${fence}\n${fence}ts\n1\n`,
  )
  const { examples, problems } = collect(base)
  expect(examples).toEqual([])
  expect(problems).toEqual([
    expect.stringContaining('README.md:1: an ignored'),
    expect.stringContaining("README.md:4: 'rnu'"),
    expect.stringContaining('README.md:10: the example is never closed'),
  ])
})
