/** The page in Chromium: its pixels, its pause and cancel, and what its own thread does meanwhile. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Browser, findBrowser, launch, type Page } from '../../../tests/conformance/runners/browsers.mjs'
import { renderRow, type Scene } from '../mandelbrot.mjs'
import { serveExample, type Served } from '../serve.mjs'

const chromium = findBrowser('chromium')
if (chromium === undefined) console.warn('examples/browser is not tested: there is no Chromium on this machine')

/** What main.mjs shows to whoever drives the page. */
interface Example {
  readonly state: string
  readonly rendering: { readonly scene: Scene; readonly fraction: number; readonly picture: { readonly bytes: Uint8ClampedArray } }
  readonly painted: { readonly isUpToDate: boolean; readonly mostPixels: number; readonly bound: number }
  readonly measured: { readonly rate: number; readonly longTasks: number[]; readonly computedHere: number }
}
interface Trace {
  traceEvents: { name: string; ph: string; pid: number; tid: number; ts: number; dur?: number; tdur?: number; args: { name?: string } }[]
}

describe.skipIf(chromium === undefined)('examples/browser', () => {
  let browser: Browser
  let served: Served
  let page: Page
  const problems: string[] = []

  const example = <T>(look: (it: Example) => T): Promise<T> => page.evaluate(`(${look.toString()})(example)`) as Promise<T>
  const state = (wanted: string): Promise<unknown> =>
    page.waitForFunction(`globalThis.example?.state === '${wanted}'`, { timeout: 120_000, polling: 50 })
  const text = (id: string): Promise<string> => page.evaluate(`document.getElementById('${id}').textContent`) as Promise<string>

  beforeAll(async () => {
    served = await serveExample()
    browser = await launch('chromium')
    page = await browser.newPage()
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (message) => problems.push(message.text()))
    await page.setViewport({ width: 700, height: 800 })
    await page.goto(`${served.origin}/`)
    await state('done')
  }, 180_000)
  afterAll(async () => {
    await browser.close()
    await served.close()
  })

  it('is cross-origin isolated, under a policy without unsafe sources', async () => {
    expect(await page.evaluate('crossOriginIsolated')).toBe(true)
    const policy = (await fetch(`${served.origin}/`)).headers.get('content-security-policy')
    expect(policy).toMatch(/script-src 'self'; worker-src 'self'/)
    expect(policy).not.toMatch(/unsafe|blob:|data:/)
  })

  it('shows the pixels of a single-threaded render', async () => {
    const { scene } = await example(({ rendering }) => ({ scene: rendering.scene }))
    const expected = new Uint32Array(scene.width * scene.height)
    for (let row = 0; row < scene.height; row++) renderRow(expected, scene, row, 0, scene.width)
    await page.waitForFunction('example.painted.isUpToDate')
    const canvas = (await page.evaluate(`(() => {
      const canvas = document.getElementById('canvas')
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      return Array.from(new Uint32Array(data.buffer))
    })()`)) as number[]
    const differing = expected.reduce((count, pixel, i) => count + (pixel === canvas[i] ? 0 : 1), 0)
    expect({ length: canvas.length, differing }).toEqual({ length: expected.length, differing: 0 })
    expect(new Set(canvas).size).toBeGreaterThan(100)
  })

  it('compares with one thread by itself', async () => {
    await page.click('#compare')
    await page.waitForFunction(`document.getElementById('differences').textContent !== '–'`, { timeout: 120_000 })
    expect(await text('differences')).toBe('0')
    expect(await text('status')).toBe('Both pictures are equal.')
  })

  it('pauses: no row is added; goes on; cancels, also while it is paused', async () => {
    // Every pixel lies in the set and needs all iterations: many seconds of work, of which little is done.
    const long = await browser.newPage()
    try {
      const ask = <T>(expression: string): Promise<T> => long.evaluate(expression) as Promise<T>
      const done = (): Promise<number> => ask('example.rendering.progress.load()')
      const until = (condition: string): Promise<unknown> => long.waitForFunction(condition, { timeout: 120_000, polling: 50 })
      await long.goto(`${served.origin}/#-0.1226,0.7449,0.02,10000`)
      await until(`globalThis.example?.rendering?.fraction > 0`)
      const atPause = await ask<number>(`(document.getElementById('pause').click(), example.rendering.progress.load())`)
      expect(await ask('example.state')).toBe('paused')
      await ask('new Promise((resolve) => setTimeout(resolve, 500))')
      // Each worker ends the row of its tile that it has begun; nothing else may come.
      const paused = await done()
      expect(paused - atPause).toBeLessThanOrEqual((await ask<number>('navigator.hardwareConcurrency')) * 48)
      await long.click('#pause')
      await until(`example.rendering.progress.load() > ${paused} + 48 * navigator.hardwareConcurrency`)
      await long.click('#pause')
      await long.click('#cancel')
      await until(`example.state === 'cancelled'`)
      expect(await ask('example.rendering.fraction')).toBeLessThan(1)
      // The workers are free again: the next picture is complete.
      await long.select('#view', 'whole')
      await until(`example.state === 'done'`)
      expect(await ask('example.rendering.fraction')).toBe(1)
    } finally {
      await long.close()
    }
  }, 180_000)

  it('does a bounded amount of work on its own thread while it renders', async () => {
    await page.tracing.start({ categories: ['toplevel', 'disabled-by-default-devtools.timeline'] })
    await page.click('#render')
    await state('done')
    // All tiles at once: more than one frame may show.
    await page.evaluate('example.repaint()')
    await page.waitForFunction('example.painted.isUpToDate')
    const trace = JSON.parse(Buffer.from((await page.tracing.stop())!).toString('utf8')) as Trace
    const measured = await example(({ measured }) => measured)
    const painted = await example((it) => ({ ...it.painted }))
    expect(measured.computedHere, 'pixels computed by the page’s thread').toBe(0)
    expect(await page.evaluate('example.rendering.total')).toBeGreaterThan(painted.bound)
    expect(painted.mostPixels).toBeGreaterThan(0)
    expect(painted.mostPixels).toBeLessThanOrEqual(painted.bound)
    // By the processor's time, which a machine that is busy with other things does not lengthen.
    const tasks = mainThreadTasks(trace)
    const { rate, longTasks } = measured
    console.info(
      `frames a second: ${rate.toFixed(0)}; the longest task took ${Math.max(...tasks)} ms of processor time; over 50 ms by the clock: ${longTasks.length}`,
    )
    expect(tasks.length).toBeGreaterThan(10)
    expect(Math.max(...tasks)).toBeLessThan(50)
  })

  it('says nothing on the console, and has no error', () => {
    expect(problems).toEqual([])
  })
})

/** The processor time of each task of the page's thread, in ms. */
function mainThreadTasks({ traceEvents }: Trace): number[] {
  const mains = new Set(
    traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`),
  )
  return traceEvents
    .filter(({ name, pid, tid, tdur }) => /RunTask$/.test(name) && mains.has(`${pid} ${tid}`) && tdur !== undefined)
    .map(({ tdur }) => tdur! / 1000)
}
