/**
 * A dry run of a release: applies the pending changesets to a copy of the manifests, and checks that every published package
 * has a change log in the end, so that none is forgotten.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packages, root, tool } from './lib/workspace.mjs'

const copy = mkdtempSync(join(tmpdir(), 'heddle-release-'))
const failures = []
try {
  const known = packages().filter(({ manifest }) => manifest.private !== true)
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', '.changeset'])
    cpSync(join(root, file), join(copy, file), { recursive: true })
  for (const { folder, dir } of known) {
    for (const file of ['package.json', 'CHANGELOG.md']) {
      if (existsSync(join(dir, file))) cpSync(join(dir, file), join(copy, 'packages', folder, file))
    }
  }
  const options = { cwd: copy, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  const identity = ['-c', 'user.name=release', '-c', 'user.email=release@localhost', '-c', 'commit.gpgsign=false']
  execFileSync('git', ['init', '-q'], options)
  execFileSync('git', ['add', '.'], options)
  execFileSync('git', [...identity, 'commit', '-q', '-m', 'before'], options)
  execFileSync(process.execPath, [tool('@changesets/cli', 'changeset'), 'version'], options)
  for (const { folder, dir, manifest } of known) {
    const after = join(copy, 'packages', folder)
    if (!existsSync(join(after, 'CHANGELOG.md'))) failures.push(`packages/${folder}: no changeset and no change log: run \`npm run changeset\``)
    const { version } = JSON.parse(readFileSync(join(after, 'package.json'), 'utf8'))
    console.log(`${manifest.name} ${manifest.version} → ${version}${existsSync(join(dir, 'CHANGELOG.md')) ? '' : ' (first)'}`)
  }
} catch (error) {
  failures.push(`${error.message}\n${error.stderr ?? ''}${error.stdout ?? ''}`)
} finally {
  rmSync(copy, { recursive: true, force: true })
}
for (const failure of failures) console.error(failure)
process.exitCode = failures.length === 0 ? 0 : 1
