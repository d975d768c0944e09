/** The repository's own lint rules refuse what they are there for, and nothing else. */
import { join, resolve } from 'node:path'
import { ESLint } from 'eslint'
import { describe, expect, it } from 'vitest'

// With CI set, typescript-eslint takes it that no file changes while it runs, and would check what is on the disk instead of the code given here.
process.env.TSESTREE_SINGLE_RUN = 'false'

const root = resolve(import.meta.dirname, '../..')
const eslint = new ESLint({ cwd: root })

/** Line and rule of each of heddle's findings in `code`, were it the content of `path`. */
async function findings(path: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(root, path) })
  return result!.messages
    .filter(({ ruleId, fatal }) => fatal === true || /^heddle\/|^no-restricted-/.test(ruleId ?? ''))
    .map(({ line, ruleId, message }) => `${line} ${ruleId ?? message}`)
}

describe('shared views', () => {
  it('are not indexed, filled, sliced, iterated or spread', async () => {
    const code = [
      'export function touch(words: Int32Array, bytes: Uint8Array | undefined, mine: Uint8Array<ArrayBuffer>, list: number[]): unknown {',
      '  words[0] = 1',
      '  const a = bytes?.[3]',
      '  words.fill(0)',
      '  const b = words.slice(0, 2)',
      '  for (const word of words) if (word === 1) return a',
      '  const c = [...words]',
      '  const [d] = words',
      '  const shared = new Int32Array(new SharedArrayBuffer(8))',
      '  const e = shared[1]',
      '  const fine = [mine[0], list[0], words.length, words.subarray(1), new Uint8Array(4)[0], mine.slice(1)]',
      '  return [b, c, d, e, fine]',
      '}',
    ]
    const rule = 'heddle/no-shared-index'
    expect(await findings('packages/atomics/src/errors.ts', code.join('\n'))).toEqual([2, 3, 4, 5, 6, 7, 8, 10].map((line) => `${line} ${rule}`))
  })

  it('are what ops.ts is for', async () => {
    expect(await findings('packages/atomics/src/ops.ts', 'export function get(words: Int32Array): number {\n  return words[0]!\n}\n')).toEqual([])
  })
})

describe('globals', () => {
  const code = [
    'export const a = Atomics.pause',
    'export const b = process.pid',
    "import 'node:fs'",
    'export const c = (globalThis as { Deno?: unknown }).Deno',
  ]

  it('Atomics and host names are refused below the hosts', async () => {
    expect(await findings('packages/atomics/src/errors.ts', code.join('\n'))).toEqual([
      '1 no-restricted-globals',
      '2 no-restricted-globals',
      '3 no-restricted-imports',
      '4 heddle/no-host-globals',
    ])
  })

  it('ops.ts names Atomics, and no host', async () => {
    expect(await findings('packages/atomics/src/ops.ts', code.join('\n'))).toEqual([
      '2 no-restricted-globals',
      '3 no-restricted-imports',
      '4 heddle/no-host-globals',
    ])
  })
})

it('an export of the entry without a doc comment is refused, and so is a public method of one', async () => {
  const code = [
    'export const naked = 1',
    '/** Has one. */',
    'export class Dressed {',
    '  method(): void {}',
    '  /** Has one. */',
    '  other(): void {}',
    '  private hidden(): void {}',
    '}',
  ]
  const [result] = await eslint.lintText(code.join('\n'), { filePath: join(root, 'packages/atomics/src/index.ts') })
  const found = result!.messages.filter(({ ruleId }) => ruleId === 'heddle/documented-exports').map(({ message }) => message.split(' is ')[0])
  expect(found).toEqual(['naked', 'Dressed.method'])
})

it('a promise that nobody waits for is refused', async () => {
  const [result] = await eslint.lintText('/** x */\nexport function f(): void {\n  Promise.resolve(1)\n}\n', {
    filePath: join(root, 'packages/atomics/src/errors.ts'),
  })
  expect(result!.messages.map(({ ruleId }) => ruleId)).toContain('@typescript-eslint/no-floating-promises')
})
