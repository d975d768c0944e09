/** The README's code, from source; the documentation checks run it on the built package. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const folder = join(import.meta.dirname, '.run')
const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('its examples do what it says', async () => {
  mkdirSync(folder, { recursive: true })
  const run: string[] = []
  let count = 0
  for (const [, info, code] of text.matchAll(/^```ts(.*)\n([\s\S]*?)^```/gm)) {
    if (info!.trim() === 'check') continue
    const name = /file=(\S+)/.exec(info!)?.[1] ?? `example-${++count}.ts`
    writeFileSync(join(folder, name), code!.replaceAll(`'@heddle/model'`, `'../../src/index.js'`))
    if (!info!.includes('file=')) run.push(name)
  }
  expect(run.length).toBe(3)
  for (const name of run) await import(join(folder, name))
})
