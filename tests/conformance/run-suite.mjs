/** Runs the suite, or one of the programs, on a runtime, in a process of its own. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url))

/** Runs a module of this folder; past `limit` ms it is killed. */
export function runModule({ command, args, env }, path, moduleArgs = [], { limit = 60_000, onLine = () => undefined } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, [...args, fileOf(path), ...moduleArgs], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', ...env },
    })
    let out = ''
    let rest = ''
    let errors = ''
    let killed = false
    const timer = setTimeout(() => {
      killed = true
      child.kill('SIGKILL')
    }, limit)
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text
      rest += text
      const lines = rest.split('\n')
      rest = lines.pop()
      for (const line of lines) onLine(line)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => (errors += text))
    const end = (code) => {
      clearTimeout(timer)
      resolve({ code, killed, out, errors })
    }
    child.on('error', (error) => {
      errors += error.message
      end(127)
    })
    child.on('close', end)
  })
}

/** The suite on a server runtime. Resolves with what it printed apart from results, when it has ended. */
export async function runSuiteOn(runtime, report, { limit = 300_000 } = {}) {
  let done
  const { code, killed, errors } = await runModule(runtime, './runners/server.mjs', [], {
    limit,
    onLine(line) {
      if (!line.startsWith('{')) return
      const result = JSON.parse(line)
      if (result.done === true) done = result
      else report(result)
    },
  })
  return { code, killed, errors, done }
}
