/** The host in a real browser: starts that fail, deaths, pages without shared memory, pages that sleep. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Browser, findBrowser, launch, type Page } from '../../../tests/conformance/runners/browsers.mjs'
import { serve, type Served } from '../../../tests/conformance/runners/static-server.mjs'

const found = findBrowser('chromium')
if (found === undefined)
  console.warn('@heddle/browser is not tested: there is no Chromium on this machine (apt-get install chromium, or HEDDLE_CHROMIUM=path)')

describe.skipIf(found === undefined)('browserHost in Chromium', () => {
  let browser: Browser
  let isolated: Served
  let plain: Served
  let page: Page

  async function open(server: Served): Promise<Page> {
    const opened = await browser.newPage()
    const ready = new Promise<void>((resolve, reject) => {
      opened.on('console', (message) => {
        if (message.text() === 'heddle ready') resolve()
      })
      opened.on('pageerror', (error) => reject(error instanceof Error ? error : new Error(String(error))))
    })
    await opened.goto(`${server.origin}/packages/host-browser/test/pages/checks.html`)
    await ready
    return opened
  }
  const check = (name: string, ...args: unknown[]): Promise<unknown> =>
    page.evaluate(
      (which, given) => (globalThis as unknown as { checks: Record<string, (...args: unknown[]) => unknown> }).checks[which]!(...given),
      name,
      args,
    )

  beforeAll(async () => {
    const extra = (path: string) => (path === '/wrong-type.mjs' ? { type: 'text/plain', body: 'export {}' } : undefined)
    isolated = await serve({ extra })
    plain = await serve({ isolated: false })
    browser = await launch('chromium')
    page = await open(isolated)
  }, 180_000)
  afterAll(async () => {
    await browser.close()
    await isolated.close()
    await plain.close()
  })

  it.each([
    ['absent', /could not be loaded.*worker-src/],
    ['wrongType', /could not be loaded.*JavaScript/],
    ['elsewhere', /could not be loaded.*Content-Security-Policy|violates/],
    ['throwing', /no such configuration/],
    ['silent', /did not begin within 500 ms/],
  ])('says what is wrong with a worker’s script: %s', async (name, message) => {
    expect(await check(name)).toMatchObject({ code: 'ERR_WORKER_START', message: expect.stringMatching(message) as string })
  })

  it('takes a worker of the program’s own that serves the pool', async () => {
    expect(await check('ownWorkerScript')).toBe(3)
  })

  it.each(['terminated', 'closed'])('notices the death of a worker that the page started: %s', async (name) => {
    expect(await check(name)).toMatchObject({ code: 'ERR_POISONED' })
  })

  it('says what a page without isolation misses, and how to get it', async () => {
    page = await open(plain)
    try {
      expect(await check('capabilities')).toMatchObject({
        sharedMemory: false,
        missing: [expect.stringMatching(/Cross-Origin-Opener-Policy: same-origin/) as string, expect.any(String) as string],
      })
      expect(await check('withoutSharedMemory')).toMatchObject({
        code: 'ERR_NO_SHARED_MEMORY',
        message: expect.stringMatching(/Cross-Origin-Embedder-Policy/) as string,
      })
      // Its executor works by messages, and its starts fail as clearly.
      expect(await check('absent')).toMatchObject({ code: 'ERR_WORKER_START', message: expect.stringMatching(/could not be loaded/) as string })
      await check('startAndStop', 3)
      await expect.poll(() => page.workers().length, { timeout: 20_000 }).toBe(0)
    } finally {
      await page.close()
      page = await open(isolated)
    }
  })

  it('loses no wake while the page is frozen', async () => {
    await check('beginWait')
    const session = await page.createCDPSession()
    await session.send('Page.setWebLifecycleState', { state: 'frozen' })
    // The worker wakes the page meanwhile, or, on a slow machine, after it: it must arrive in both.
    await new Promise((resolve) => setTimeout(resolve, 600))
    await session.send('Page.setWebLifecycleState', { state: 'active' })
    expect(await check('endWait')).toBe('woken')
  })

  it('loses no wake while the page is hidden', async () => {
    await check('beginWait')
    const other = await browser.newPage()
    try {
      await other.bringToFront()
      expect(await check('visibility')).toBe('hidden')
      expect(await check('endWait')).toBe('woken')
    } finally {
      await other.close()
      await page.bringToFront()
    }
  })

  it('runs WebAssembly in its tasks where the page’s policy allows it', async () => {
    const server = await serve({ wasm: true })
    page = await open(server)
    try {
      expect(await check('wasm')).toBe(3000)
    } finally {
      await page.close()
      await server.close()
      page = await open(isolated)
    }
  })

  it('brings workers and memory back to where they were, after 100 starts and stops', async () => {
    const used = await check('startAndStop', 3)
    const heap = async (): Promise<number> => {
      const session = await page.createCDPSession()
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send('Runtime.getHeapUsage')
      await session.detach()
      return usedSize
    }
    const before = await heap()
    expect(await check('startAndStop', 100)).toBe(used)
    // 200 workers at a few KB each would show.
    expect((await heap()) - before).toBeLessThan(500_000)
    await expect.poll(() => page.workers().length, { timeout: 20_000 }).toBe(0)
  }, 180_000)
})
