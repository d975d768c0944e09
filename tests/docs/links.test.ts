/** Documents point at what exists, and the README's table has every package. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { globSync } from 'tinyglobby'
import { describe, expect, it } from 'vitest'
import { publishable } from '../pack/project.js'

const root = resolve(import.meta.dirname, '../..')
const documents = globSync(['*.md', 'docs/**/*.md', '{packages,litmus,benchmarks,examples}/**/*.md'], {
  cwd: root,
  ignore: ['**/node_modules/**', '**/CHANGELOG.md'],
})

describe.each(documents)('%s', (document) => {
  it('links to files that exist', () => {
    const text = readFileSync(join(root, document), 'utf8').replace(/^(`{3,})[\s\S]*?^\1/gm, '')
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!).filter((target) => !/^(https?:|mailto:|#)/.test(target))
    expect(targets.filter((target) => !existsSync(join(root, dirname(document), target.replace(/#.*$/, ''))))).toEqual([])
  })
})

it('the README names every package, and no other', () => {
  const table = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^\| \[`([^`]+)`\]\(([^)]+)\)/gm)].map(
    ([, name, folder]) => `${name!} ${folder!}`,
  )
  expect(table.sort()).toEqual(
    publishable()
      .map(({ folder, manifest }) => `${manifest.name} packages/${folder}`)
      .sort(),
  )
})
