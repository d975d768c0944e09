import { packages } from './scripts/lib/workspace.mjs'
import { reachable } from './scripts/lib/layers.mjs'

/** Source of one package, or the name under which another one imports it. */
const source = (folder) => `^packages/${folder}/`

const arrows = packages().map(({ folder }) => {
  const allowed = [folder, ...(reachable(folder) ?? [])]
  return {
    name: `${folder}-imports-down`,
    comment: `packages/${folder} may import only what lies below it: see scripts/lib/layers.mjs.`,
    severity: 'error',
    from: { path: `^packages/${folder}/src/` },
    to: { path: '^packages/', pathNot: allowed.map(source) },
  }
})

export default {
  forbidden: [
    ...arrows,
    {
      name: 'no-circular',
      comment: 'Modules that need each other are one module, or one of them asks for an interface. Imports of types alone are free.',
      severity: 'error',
      from: { path: '^packages/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'packages-by-name',
      comment: 'Another package is imported by its name, so that what it does not export stays its own.',
      severity: 'error',
      // Tests may look inside, and a test of a lower package may need a higher one, which no manifest could name without a circle.
      from: { path: '^packages/([^/]+)/(src|bench)/' },
      to: { path: '^packages/', pathNot: ['^packages/$1/'], dependencyTypes: ['local'] },
    },
    {
      name: 'source-is-alone',
      comment: 'What is published does not import its tests or benchmarks.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: '^packages/[^/]+/(test|bench)/' },
    },
    {
      name: 'no-outside-dependency',
      comment: 'What is published imports packages of this repository and nothing else; hosts also what their runtime brings.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { pathNot: '^packages/', dependencyTypesNot: ['core'], couldNotResolve: false },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^packages/[^/]+/(src|test|bench)/' },
      to: { couldNotResolve: true, pathNot: '(^|/)(\\.fixtures|dist)/' },
    },
  ],
  options: {
    exclude: { path: ['^packages/[^/]+/dist/', '\\.fixtures/'] },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['heddle-source', 'types', 'import', 'node', 'default'],
    },
  },
}
