import { builtinModules } from 'node:module'
import { packages } from './scripts/lib/workspace.mjs'

/**
 * What an application pays for importing one thing: gzip of the minified bundle of the built package and all that it needs.
 * A package that does not exist yet has no row. The limits keep what there is from growing; the goals (Mutex 6 kB, channel 7, Scheduler 6,
 * the whole of heddle 30) are not reached.
 */
const rows = [
  { package: 'sync', import: '{ Mutex }', limit: '23.3 kB' },
  { package: 'channel', import: '{ channel }', limit: '49 kB' },
  { package: 'scheduler', import: '{ Scheduler }', limit: '23.5 kB' },
  { package: 'heddle', import: '*', limit: '134 kB' },
]

export default packages().flatMap(({ folder, manifest }) =>
  rows
    .filter((row) => row.package === folder)
    .map((row) => ({
      name: `${row.package} ${row.import}`,
      path: `packages/${folder}/${manifest.publishConfig.exports['.'].default}`,
      import: row.import,
      limit: row.limit,
      gzip: true,
      ignore: builtinModules.flatMap((name) => [name, `node:${name}`]),
    })),
)
