/**
 * Holds every package.json of packages/* to one shape, so that what is published follows from what is developed:
 * dependencies point down, `publishConfig` is `exports` and `imports` without the development condition, and the rest is there.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isHost, reachable } from './lib/layers.mjs'
import { packages, root } from './lib/workspace.mjs'

const DEVELOPMENT = 'heddle-source'
const known = packages()
const byName = new Map(known.map((one) => [one.manifest.name, one]))

/** A map of exports or imports without the development condition, which points at files that are not published. */
function published(value) {
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== DEVELOPMENT)
      .map(([key, inner]) => [key, published(inner)]),
  )
}

function* targets(value, trail = []) {
  if (typeof value === 'string') yield { trail, path: value }
  else for (const [key, inner] of Object.entries(value ?? {})) yield* targets(inner, [...trail, key])
}

/** What is wrong with one package, a sentence each. */
export function problems({ folder, dir, manifest }, { exists = existsSync } = {}) {
  const found = []
  const expect = (ok, sentence) => ok || found.push(`packages/${folder}: ${sentence}`)
  const name = folder === 'heddle' ? 'heddle' : `@heddle/${folder.replace(/^host-/, '')}`

  expect(manifest.name === name, `name is ${manifest.name}, its folder asks for ${name}`)
  expect(manifest.type === 'module', 'type must be "module"')
  expect(manifest.license === 'MIT', 'license must be "MIT"')
  // The module that a worker starts with is there for its effects; nothing else is.
  const effects = manifest.sideEffects
  expect(effects === false || (Array.isArray(effects) && effects.every((path) => /worker[\w-]*\.js$/.test(path))), 'sideEffects must be false')
  expect(manifest.engines?.node === '>=20.19', 'engines.node must be ">=20.19"')
  expect(typeof manifest.description === 'string' && manifest.description.length > 20, 'a description is missing')
  expect(isDeepStrictEqual(manifest.files, ['dist']), 'files must be ["dist"]')
  expect(manifest.exports?.['.'] !== undefined, 'exports["."] is missing')
  expect(exists(join(dir, 'README.md')), 'README.md is missing')
  expect(manifest.publishConfig?.access === 'public', 'publishConfig.access must be "public"')
  for (const field of ['exports', 'imports']) {
    expect(
      isDeepStrictEqual(manifest.publishConfig?.[field], published(manifest[field])),
      `publishConfig.${field} must be ${field} without ${DEVELOPMENT}`,
    )
    for (const { trail, path } of targets(manifest[field])) {
      if (trail.includes(DEVELOPMENT)) expect(exists(join(dir, path)), `${field} ${trail.join(' › ')} names ${path}, which does not exist`)
    }
  }

  const below = reachable(folder)
  expect(below !== undefined, 'has no place in scripts/lib/layers.mjs')
  for (const [dependency, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies })) {
    const target = byName.get(dependency)
    if (target === undefined) {
      expect(isHost(folder), `depends on ${dependency}, which is not of this repository`)
      continue
    }
    expect(below?.has(target.folder), `depends on ${dependency}, which does not lie below it`)
    expect(range === 'workspace:^', `depends on ${dependency} by ${range}, not by "workspace:^"`)
  }
  return found
}

if (process.argv[1] === join(root, 'scripts', 'check-manifests.mjs')) {
  const found = known.flatMap((one) => problems(one))
  for (const sentence of found) console.error(sentence)
  process.exitCode = found.length === 0 ? 0 : 1
}
