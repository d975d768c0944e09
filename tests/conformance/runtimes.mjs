/** Which runtimes there are on this machine, and how a module is run on each. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
const { platform, arch } = process

/** A file of a package that a runtime's package depends on for this platform: the binaries are there, nothing is downloaded at install. */
function binary(runtime, names, file) {
  const require = createRequire(createRequire(join(here, 'package.json')).resolve(`${runtime}/package.json`))
  for (const name of names) {
    try {
      const path = join(dirname(require.resolve(`${name}/package.json`)), file)
      if (existsSync(path)) return path
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return undefined
}
const exe = platform === 'win32' ? '.exe' : ''

export const nodeRuntime = (path = process.execPath) => ({ host: 'node', command: path, args: [] })

export function denoRuntime() {
  const path = binary('deno', [`@deno/${platform}-${arch}-glibc`, `@deno/${platform}-${arch}`], `deno${exe}`)
  // All that heddle needs: the workers' modules and the tasks' are read when they are needed.
  return path && { host: 'deno', command: path, args: ['run', '--no-prompt', '--quiet', `--allow-read=${root}`] }
}

export function bunRuntime() {
  const cpu = arch === 'arm64' ? 'aarch64' : arch
  const os = platform === 'win32' ? 'windows' : platform
  const path = binary('bun', [`@oven/bun-${os}-${cpu}`, `@oven/bun-${os}-${cpu}-baseline`], `bin/bun${exe}`)
  return path && { host: 'bun', command: path, args: [] }
}

/** The same, as if memory could not be shared: without `SharedArrayBuffer`, as on a page that is not cross-origin isolated. */
export function unshared({ host, command, args }) {
  const flag = '--enable-sharedarraybuffer-per-context'
  if (host === 'bun') return { host, command, args, env: { BUN_JSC_useSharedArrayBuffer: '0' } }
  return { host, command, args: host === 'deno' ? [args[0], `--v8-flags=${flag}`, ...args.slice(1)] : [flag, ...args] }
}
