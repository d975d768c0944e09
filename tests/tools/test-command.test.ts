/** `npm test` counts what really ran: no crash, no file that can't be loaded, and no empty run passes. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
let copy: string

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'heddle-command-'))
  cpSync(join(root, 'scripts'), join(copy, 'scripts'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction')
  mkdirSync(join(copy, 'packages'))
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(copy, 'vitest.config.js'), 'export default { test: { include: ["cases/*.test.js"] } }')
})
beforeEach(() => {
  rmSync(join(copy, 'cases'), { recursive: true, force: true })
  mkdirSync(join(copy, 'cases'))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

function run(files: Record<string, string>): { status: number | null; last: string } {
  for (const [name, code] of Object.entries(files))
    writeFileSync(join(copy, 'cases', `${name}.test.js`), `import { expect, it } from 'vitest'\n${code}\n`)
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(VITEST|NODE_V8_COVERAGE|TEST$|NODE_ENV$)/.test(key)))
  const { status, stdout } = spawnSync(process.execPath, [join(copy, 'scripts/test.mjs'), 'vitest'], {
    cwd: copy,
    env,
    encoding: 'utf8',
    timeout: 50_000,
  })
  return { status, last: stdout.trimEnd().split('\n').at(-1)! }
}
const passes = "it('passes', () => expect(1).toBe(1))"

it('counts what passes', () => {
  expect(run({ a: passes, b: `${passes}\nit.skip('skipped', () => {})` })).toEqual({ status: 0, last: '2 passed, 0 failed' })
})
it('counts what fails', () => {
  expect(run({ a: `${passes}\nit('fails', () => expect(1).toBe(2))` })).toEqual({ status: 1, last: '1 passed, 1 failed' })
})
it('fails when nothing ran', () => {
  expect(run({})).toEqual({ status: 1, last: '0 passed, 1 failed' })
})
it('counts a file that cannot be loaded', () => {
  expect(run({ a: passes, b: "import './nowhere.js'" })).toEqual({ status: 1, last: '1 passed, 1 failed' })
})
it('counts an error that no test saw', () => {
  expect(run({ a: "it('passes', async () => { void Promise.reject(new Error('x')); await new Promise((done) => setImmediate(done)) })" })).toEqual({
    status: 1,
    last: '1 passed, 1 failed',
  })
})
it('counts a process that dies', () => {
  expect(run({ a: passes, b: "it('dies', () => { process.kill(process.pid, 'SIGKILL') })" })).toEqual({ status: 1, last: '1 passed, 1 failed' })
})
