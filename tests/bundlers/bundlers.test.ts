/**
 * Programs that bundlers made of the published packages, in Chromium and on Node: both roads by which a worker gets its tasks, the program's and those of
 * a library in node_modules. `npm run test:bundlers` runs the slower ones too, and writes the table of docs/bundlers.md.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from 'vite'
import { type Browser, findBrowser, launch } from '../conformance/runners/browsers.mjs'
import { serve, type Served } from '../conformance/runners/static-server.mjs'
import { bunRuntime, denoRuntime, nodeRuntime, type Runtime } from '../conformance/runtimes.mjs'
import { runModule } from '../conformance/run-suite.mjs'
import { closure, emptyFolder, node, publishable, putPublished, remove } from '../pack/project.js'
import { type Case, cases, type Road, viteServer } from './builds.js'

const all = process.env.HEDDLE_BUNDLERS === 'all'
const fixtures = join(import.meta.dirname, 'fixtures')
const project = realpathSync(emptyFolder())
const outOf = ({ bundler, road, target }: Case): string => join(project, 'dist', `${bundler}-${road}-${target}`.replace(/\W+/g, '-'))

const complete = {
  added: 3,
  fiber: 4950,
  counted: 1000,
  failed: [true, 'TimeoutError', 'too late'],
  inside: ['inside', 7],
  library: [255, 200, 0],
}
const withCopies = { ...complete, failed: [false, 'TimeoutError', 'too late'], inside: expect.stringContaining('ERR_NOT_SHAREABLE') as string }

beforeAll(() => {
  const packages = publishable()
  const heddle = packages.find(({ folder }) => folder === 'heddle')!
  if (!existsSync(join(heddle.dir, 'dist/worker-browser.js'))) throw new Error('build first: npm run build')
  putPublished(project, [heddle, ...closure(heddle, packages)])
  cpSync(join(fixtures, 'pixels'), join(project, 'node_modules/pixels'), { recursive: true })
  cpSync(join(fixtures, 'app'), project, { recursive: true })
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'app', private: true, type: 'module', dependencies: { heddle: '*', pixels: '*' } }),
  )
})
afterAll(() => remove(project))

/** What a program said. */
function said(output: string): unknown {
  const line = output.split('\n').find((one) => one.startsWith('bundled '))
  return line === undefined ? output : JSON.parse(line.slice('bundled '.length))
}

const chosen = cases.filter(({ slow }) => all || slow !== true)
const label = ({ bundler, road, target, copies }: Case): string => `${bundler}: ${road}, ${target}${copies === true ? ', two copies' : ''}`

describe('on Node', () => {
  it.each(chosen.filter(({ target }) => target === 'node').map((one) => [label(one), one] as const))('%s', async (_, one) => {
    const out = outOf(one)
    await one.build(project, out)
    expect(said(await node(out, ['main.js']))).toMatchObject(complete)
  })
})

const chromium = findBrowser('chromium')
if (chromium === undefined) console.warn('what bundlers make for browsers is not tested: there is no Chromium on this machine')

describe.skipIf(chromium === undefined)('in Chromium', () => {
  let browser: Browser
  let server: Served
  const page = (script: string): string =>
    `<!doctype html><meta charset="utf-8" /><title>bundled</title><script type="module" src="./${script}"></script>`
  const types: Record<string, string> = { '.js': 'text/javascript', '.html': 'text/html; charset=utf-8' }

  beforeAll(async () => {
    server = await serve({
      extra: (path) => {
        const file = join(project, 'dist', decodeURIComponent(path))
        return existsSync(file) && types[extname(file)] !== undefined ? { type: types[extname(file)]!, body: readFileSync(file, 'utf8') } : undefined
      },
    })
    browser = await launch('chromium')
  }, 180_000)
  afterAll(async () => {
    await browser.close()
    await server.close()
  })

  /** Opens a page; what its program says. */
  async function open(url: string): Promise<unknown> {
    const opened = await browser.newPage()
    try {
      const line = new Promise<string>((resolve, reject) => {
        opened.on('console', (message) => {
          if (message.text().startsWith('bundled ')) resolve(message.text())
        })
        opened.on('pageerror', (error) => reject(error instanceof Error ? error : new Error(String(error))))
      })
      const [text] = await Promise.all([line, opened.goto(url)])
      return said(text)
    } finally {
      await opened.close()
    }
  }

  it.each(chosen.filter(({ target }) => target === 'browser').map((one) => [label(one), one] as const))(
    '%s',
    async (_, one) => {
      const out = outOf(one)
      mkdirSync(out, { recursive: true })
      await one.build(project, out)
      const file = join(out, `${one.road}.html`)
      if (!existsSync(file)) writeFileSync(file, page('main.js'))
      const folder = out.slice(join(project, 'dist').length + 1)
      expect(await open(`${server.origin}/${folder}/${one.road}.html`)).toEqual({ isolated: true, ...(one.copies ? withCopies : complete) })
    },
    180_000,
  )

  it.runIf(all)(
    'Vite, development: both roads, browser',
    async () => {
      const dev = await createServer({ ...viteServer, root: project, cacheDir: join(project, '.vite') })
      try {
        await dev.listen()
        const { port } = dev.httpServer!.address() as { port: number }
        for (const road of ['by-url', 'own-worker'] satisfies Road[])
          expect(await open(`http://localhost:${port}/${road}.html`)).toEqual({ isolated: true, ...complete })
      } finally {
        await dev.close()
      }
    },
    180_000,
  )
})

describe('TypeScript, run as it is', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  // Another Node than this one, which is too old to strip types.
  const other = process.env.HEDDLE_TYPESCRIPT_NODE
  const strips = major > 22 || (major === 22 && minor >= 18)
  const runtimes: [string, Runtime | undefined, string][] = [
    ['Node', other !== undefined || strips ? nodeRuntime(other) : undefined, `Node ${process.versions.node} does not strip types: 22.18 does`],
    ['Deno', denoRuntime(), 'there is no Deno for this platform'],
    ['Bun', bunRuntime(), 'there is no Bun for this platform'],
  ]
  const tasks = `
    import { type AtomicInt32, tasks } from 'heddle'
    interface Point { x: number; y: number }
    export const work = tasks(import.meta.url, {
      add(point: Point, seen: AtomicInt32): number { seen.add(1); return point.x + point.y },
    })`
  const main = `
    import { AtomicInt32, run } from 'heddle'
    import { work } from './tasks.ts'
    const seen: AtomicInt32 = new AtomicInt32()
    const sum: number = await run(work.add, { x: 1, y: 2 }, seen)
    console.log(sum, seen.load())`
  for (const [name, runtime, reason] of runtimes) {
    if (runtime === undefined) console.warn(`TypeScript on ${name} is not tested: ${reason}`)
    it.skipIf(runtime === undefined)(`on ${name}`, async () => {
      writeFileSync(join(project, 'tasks.ts'), tasks)
      writeFileSync(join(project, 'main.ts'), main)
      const args = runtime!.args.map((one) => (one.startsWith('--allow-read') ? `--allow-read=${project}` : one))
      const { out, code, errors } = await runModule({ ...runtime!, args }, new URL(`file://${join(project, 'main.ts')}`), [], { limit: 50_000 })
      expect({ out: out.trim(), code }, errors).toEqual({ out: '3 1', code: 0 })
    })
  }
})
