/** The main job as its user runs it: the real command, on real folders. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkTrace } from '../../../packages/host-node/test/scenarios/trace-format.mjs'

const command = fileURLToPath(new URL('../main.mjs', import.meta.url))
const repository = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

interface Outcome {
  code: number | null
  out: string
  error: string
}

/** Runs the command; `onError` sees what it has printed to stderr so far, and may send signals. */
function run(args: string[], onError?: (text: string, kill: (signal: NodeJS.Signals) => void) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let error = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      error += text
      onError?.(error, (signal) => child.kill(signal))
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), 50_000)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out, error })
    })
  })
}

/** The two columns of a row of the table. */
function row(out: string, name: string): string[] {
  const line = out.split('\n').find((one) => one.startsWith(`  ${name}  `))
  return line === undefined
    ? []
    : line
        .slice(name.length + 2)
        .trim()
        .split(/\s{2,}/)
}

let folder: string
let elsewhere: string
beforeEach(() => {
  elsewhere = mkdtempSync(join(tmpdir(), 'heddle-trace-'))
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'heddle-job-')))
})
afterEach(() => {
  rmSync(elsewhere, { recursive: true, force: true })
  rmSync(folder, { recursive: true, force: true })
})

describe('the main job', () => {
  it('computes with all workers what one thread computes', async () => {
    const texts = new Map<string, string>()
    for (let i = 0; i < 120; i++)
      texts.set(`part${i % 7}/file${i}.txt`, `const value${i % 5} = ${i}\nreturn value${i % 5} // größer\n`.repeat(1 + (i % 4)))
    texts.set('empty.txt', '')
    // Longer than the parts in which files are read, with names across their borders.
    texts.set('long.txt', 'someRatherLongName '.repeat(60_000) + 'x'.repeat(700_000))
    for (const [name, text] of texts) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    writeFileSync(join(folder, 'picture.bin'), Buffer.from([1, 2, 0, 3]))
    const { code, out, error } = await run([folder])
    expect({ code, error }).toMatchObject({ code: 0, error: expect.stringMatching(/^looking …\n/) })
    const bytes = [...texts.values()].map((text) => Buffer.from(text))
    const lines = [...texts.values()].reduce((sum, text) => sum + text.split('\n').length - 1, 0)
    const digest = createHash('sha256')
    for (const path of [...texts.keys()].map((name) => join(folder, name)).sort()) {
      digest.update(
        `${createHash('sha256')
          .update(texts.get(path.slice(folder.length + 1))!)
          .digest('hex')}  ${path}\n`,
      )
    }
    const both = (text: string): string[] => [text, text]
    expect(row(out, 'text files')).toEqual(both(String(texts.size)))
    expect(row(out, 'text read')).toEqual(both(`${(Buffer.concat(bytes).length / 1e6).toFixed(1)} MB`))
    expect(row(out, 'lines')).toEqual(both(String(lines)))
    expect(row(out, 'binary files')).toEqual(both('1'))
    expect(row(out, 'SHA-256 of all')).toEqual(both(`${digest.digest('hex').slice(0, 12)}…`))
    expect(row(out, 'messages through the channel')).toEqual([String(texts.size + 1)])
    expect(out).toMatch(/most frequent: someRatherLongName 60,000, const 300, er 300, /)
    expect(out).toMatch(/\nboth results are equal; speed-up \d+\.\d\d\n$/)
  })

  it('counts what can’t be read, loops of links and links to what is read anyway', async () => {
    mkdirSync(join(folder, 'a/b'), { recursive: true })
    writeFileSync(join(folder, 'a/b/text.txt'), 'one two\n')
    symlinkSync('..', join(folder, 'a/b/up'), 'dir')
    symlinkSync(folder, join(folder, 'a/top'), 'dir')
    symlinkSync('self', join(folder, 'self'))
    symlinkSync('b/text.txt', join(folder, 'a/again.txt'))
    symlinkSync('nowhere', join(folder, 'broken'))
    const elsewhere = realpathSync(mkdtempSync(join(tmpdir(), 'heddle-job-')))
    try {
      writeFileSync(join(elsewhere, 'linked.txt'), 'three\n')
      symlinkSync(elsewhere, join(folder, 'out'), 'dir')
      symlinkSync(elsewhere, join(folder, 'out2'), 'dir')
      // Root may read anything.
      const refused = process.getuid?.() === 0 || process.platform === 'win32' ? 0 : 1
      if (refused === 1) {
        writeFileSync(join(folder, 'secret.txt'), 'x')
        chmodSync(join(folder, 'secret.txt'), 0)
      }
      const { code, out } = await run([folder])
      expect(code).toBe(0)
      expect(row(out, 'text files')).toEqual(['2', '2'])
      expect(row(out, 'symlink loops')).toEqual(['3', '3'])
      expect(row(out, 'unreadable')).toEqual([String(1 + refused), String(1 + refused)])
    } finally {
      rmSync(elsewhere, { recursive: true, force: true })
    }
  })

  it('writes what the workers did as a trace, when asked', async () => {
    writeFileSync(join(folder, 'one.txt'), 'some words\n')
    // Elsewhere: a file that comes while it counts would be a difference.
    const file = join(elsewhere, 'trace.json')
    const { code, error } = await run([folder, '--trace', file])
    expect({ code, error }).toMatchObject({ code: 0 })
    const lanes = checkTrace(JSON.parse(readFileSync(file, 'utf8')))
    const calls = lanes.filter(({ name }) => / waits \d+$/.test(name)).flatMap(({ events }) => events.filter(({ ph }) => ph === 'B'))
    expect(calls.map(({ name }) => name)).toEqual(Array<string>(availableParallelism()).fill('countFiles'))
    expect(await run(['--tracing', file])).toMatchObject({ code: 1, error: expect.stringContaining('usage: npm start') })
  })

  it('takes an empty folder', async () => {
    const { code, out } = await run([folder])
    expect(code).toBe(0)
    expect(row(out, 'text files')).toEqual(['0', '0'])
    expect(out).toContain('no identifiers')
    expect(out).toMatch(/both results are equal; speed-up –\n$/)
  })

  it('takes a single file', async () => {
    writeFileSync(join(folder, 'one.txt'), 'a\nb')
    const { code, out } = await run([join(folder, 'one.txt')])
    expect(code).toBe(0)
    expect(row(out, 'lines')).toEqual(['1', '1'])
  })

  it('says in one line that a path doesn’t exist', async () => {
    expect(await run([join(folder, 'absent')])).toEqual({ code: 1, out: '', error: `there is no ${join(folder, 'absent')}\n` })
  })

  it.runIf(process.platform === 'linux')('fails when the results differ', async () => {
    // Another text at each look, and no sign that it was changed.
    symlinkSync('/proc/uptime', join(folder, 'clock'))
    const { code, out } = await run([folder])
    expect(code).toBe(1)
    expect(out).toContain('the results differ, and should not\n  /proc/uptime\n')
  })

  it('tries again when files change meanwhile, and then says which', async () => {
    const path = join(folder, 'log.txt')
    writeFileSync(path, '')
    const writer = setInterval(() => appendFileSync(path, 'line\n'), 1)
    try {
      const { code, out, error } = await run([folder])
      expect(code).toBe(1)
      expect(error).toContain(`files changed meanwhile; once more\n  ${path}\n`)
      expect(out).toBe(`the results differ each time, since files change meanwhile\n  ${path}\n`)
    } finally {
      clearInterval(writer)
    }
  })

  it.each([['looking'], ['workers'], ['one thread']])('stops on Ctrl-C while %s', async (phase) => {
    let sent = false
    const { code, out, error } = await run([join(repository, 'node_modules')], (text, kill) => {
      if (sent || !text.includes(`${phase} …`)) return
      sent = true
      kill('SIGINT')
    })
    expect({ code, out }).toEqual({ code: 130, out: '' })
    expect(error).toMatch(/\ninterrupted\n$/)
  })
})
