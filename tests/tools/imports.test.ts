/** The check of import directions finds an arrow that points up, a circle, and a way round a package's exports. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problems } from '../../scripts/check-manifests.mjs'

const root = resolve(import.meta.dirname, '../..')

describe('imports', () => {
  let copy: string
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    writeFileSync(join(copy, path), text)
  }
  const manifest = (folder: string): void => {
    write(
      `packages/${folder}/package.json`,
      JSON.stringify({ name: `@heddle/${folder}`, type: 'module', exports: { '.': { 'heddle-source': './src/index.ts' } } }),
    )
    for (const user of ['atomics', 'park']) {
      mkdirSync(join(copy, 'packages', user, 'node_modules', '@heddle'), { recursive: true })
      symlinkSync(join(copy, 'packages', folder), join(copy, 'packages', user, 'node_modules', '@heddle', folder), 'junction')
    }
  }
  /** Names of the rules that are broken. */
  const broken = (): string[] => {
    const args = [
      join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.mjs',
      '-T',
      'json',
      'packages',
    ]
    const { summary } = JSON.parse(execFileSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })) as {
      summary: { violations: { rule: { name: string } }[] }
    }
    return [...new Set(summary.violations.map(({ rule }) => rule.name))].sort()
  }

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'heddle-imports-'))
    for (const file of ['.dependency-cruiser.mjs', 'scripts/lib', 'tsconfig.base.json'])
      cpSync(join(root, file), join(copy, file), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
    write('package.json', '{ "type": "module" }')
    manifest('atomics')
    manifest('park')
    write('packages/atomics/src/one.ts', 'export const one = 1\n')
  })
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  it('down are allowed', () => {
    write('packages/atomics/src/index.ts', "export * from './one.js'\n")
    write('packages/park/src/index.ts', "import { one } from '@heddle/atomics'\nexport const two = one + 1\n")
    expect(broken()).toEqual([])
  })
  it('up are not', () => {
    write('packages/atomics/src/index.ts', "export * from './one.js'\nexport { three } from '@heddle/park'\n")
    write('packages/park/src/index.ts', 'export const three = 3\n')
    expect(broken()).toEqual(['atomics-imports-down'])
  })
  it('of types alone point down too', () => {
    write('packages/atomics/src/index.ts', "export * from './one.js'\nexport type { Three } from '@heddle/park'\n")
    write('packages/park/src/index.ts', 'export type Three = 3\n')
    expect(broken()).toEqual(['atomics-imports-down'])
  })
  it('in a circle are not, unless they are of types', () => {
    write('packages/park/src/index.ts', "export * from './a.js'\n")
    write('packages/atomics/src/index.ts', "export * from './one.js'\n")
    write('packages/park/src/a.ts', "import { b } from './b.js'\nexport const a = () => b\n")
    write('packages/park/src/b.ts', "import { a } from './a.js'\nexport const b = () => a\n")
    expect(broken()).toEqual(['no-circular'])
    write('packages/park/src/b.ts', "import type { a } from './a.js'\nexport const b = (_: typeof a) => 1\n")
    expect(broken()).toEqual([])
  })
  it('past the exports of another package, of tests, and of what does not exist are not', () => {
    write('packages/park/src/index.ts', "export * from '../../atomics/src/one.js'\n")
    expect(broken()).toEqual(['packages-by-name'])
    write('packages/park/test/x.ts', 'export const x = 1\n')
    write('packages/park/src/index.ts', "export * from '../test/x.js'\n")
    expect(broken()).toEqual(['source-is-alone'])
    write('packages/park/src/index.ts', "export * from './nowhere.js'\n")
    expect(broken()).toEqual(['resolvable'])
    write('packages/park/src/index.ts', "export * from 'tinyglobby'\n")
    expect(broken()).toEqual(['no-outside-dependency'])
  })
})

describe('manifests', () => {
  const dir = join(root, 'packages/park')
  const good = (): Record<string, unknown> => JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Record<string, unknown>
  const check = (change: Record<string, unknown>, folder = 'park'): string[] =>
    problems({ folder, dir, manifest: { ...good(), ...change } }, { exists: () => true })

  it('of the shape are accepted', () => {
    expect(check({})).toEqual([])
  })
  it.each([
    ['a dependency that lies above', { dependencies: { '@heddle/park': 'workspace:^' } }, /does not lie below/],
    ['a dependency from outside', { dependencies: { 'left-pad': '1.0.0' } }, /not of this repository/],
    ['a pinned dependency', { dependencies: { '@heddle/atomics': '0.1.0' } }, /workspace:\^/],
    ['published exports that differ', { publishConfig: { access: 'public', exports: {} } }, /publishConfig\.exports/],
    ['side effects', { sideEffects: true }, /sideEffects/],
  ])('with %s are refused', (_, change, sentence) => {
    expect(check(change)).toEqual([expect.stringMatching(sentence)])
  })
  it('of a folder without a place in the picture are refused', () => {
    expect(check({ name: '@heddle/other', dependencies: {} }, 'other')).toEqual([expect.stringMatching(/has no place/)])
  })
})
