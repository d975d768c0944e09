/** What scripts share: where things are, running a tool, installing what is missing. Needs nothing but Node. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

/** The packages of packages/*, in alphabetical order of their folders: { folder, dir, manifest }. */
export function packages() {
  return readdirSync(join(root, 'packages'))
    .filter((folder) => existsSync(join(root, 'packages', folder, 'package.json')))
    .sort()
    .map((folder) => {
      const dir = join(root, 'packages', folder)
      return { folder, dir, manifest: readJson(join(dir, 'package.json')) }
    })
}

/** The JavaScript file behind a tool's command, so that it can be run by this Node on every platform. */
export function tool(name, command = name) {
  const dir = join(root, 'node_modules', name)
  const { bin } = readJson(join(dir, 'package.json'))
  return join(dir, typeof bin === 'string' ? bin : bin[command])
}

/** The environment for tools: this workspace's commands on the path, no telemetry. */
export function toolEnvironment(extra = {}) {
  return {
    ...process.env,
    PATH: join(root, 'node_modules', '.bin') + delimiter + (process.env.PATH ?? ''),
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    ...extra,
  }
}

/**
 * Runs a command in the repository's root. Its output is shown as it comes, or collected when `quiet`.
 * A signal to this process reaches the command too; past `limit` ms the command is killed.
 * @returns {Promise<{ code: number, output: string }>} code 128 and more: ended by a signal
 */
export function run(command, args, { quiet = false, env = {}, limit = 0, shell = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: toolEnvironment(env), shell, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' })
    let output = ''
    const collect = (chunk) => (output += chunk)
    child.stdout?.setEncoding('utf8').on('data', collect)
    child.stderr?.setEncoding('utf8').on('data', collect)
    const forward = (signal) => child.kill(signal)
    process.on('SIGINT', forward).on('SIGTERM', forward)
    const timer =
      limit > 0
        ? setTimeout(() => {
            output += `\nkilled: it ran for more than ${limit / 1000} s\n`
            child.kill('SIGKILL')
          }, limit)
        : undefined
    const end = (code) => {
      clearTimeout(timer)
      process.off('SIGINT', forward).off('SIGTERM', forward)
      resolve({ code, output })
    }
    child.on('error', (error) => {
      output += `${error.message}\n`
      end(127)
    })
    child.on('close', (code, signal) => end(code ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 137)))
  })
}

/** Runs one of the workspace's tools with this Node. */
export function runTool(name, args, options = {}) {
  const [packageName, command] = Array.isArray(name) ? name : [name, name]
  return run(process.execPath, [tool(packageName, command), ...args], options)
}

const stamp = join(root, 'node_modules', '.heddle-lock')
const lockHash = () =>
  createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex')

/** Whether `install` has put in place what the lockfile asks for. */
export function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()
}

/** Installs what the lockfile asks for, with the pnpm that package.json names; corepack is not used (its pnpm doesn't start on Node 20). */
export async function install(options = {}) {
  const { packageManager } = readJson(join(root, 'package.json'))
  // npm's own variables would be read by the inner npx and pnpm as settings.
  const clean = Object.fromEntries(
    Object.keys(process.env)
      .filter((key) => /^npm_(lifecycle|package|command)/.test(key))
      .map((key) => [key, undefined]),
  )
  const result = await run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile'], {
    shell: process.platform === 'win32',
    ...options,
    env: { ...clean, CI: '1' },
  })
  if (result.code === 0) writeFileSync(stamp, lockHash())
  return result
}

/** Builds every package through turbo's cache. */
export function build(options = {}) {
  return runTool('turbo', ['run', 'build', '--output-logs=errors-only', '--no-update-notifier'], options)
}
