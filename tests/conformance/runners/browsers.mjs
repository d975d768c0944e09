/** Drives the browsers of this machine: finds one, opens pages in it. Downloads nothing. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import puppeteer from 'puppeteer-core'

const places = {
  chromium: {
    variable: 'HEDDLE_CHROMIUM',
    names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'],
    paths: [
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    ],
  },
  firefox: {
    variable: 'HEDDLE_FIREFOX',
    names: ['firefox-esr', 'firefox'],
    paths: ['/Applications/Firefox.app/Contents/MacOS/firefox', 'C:\\Program Files\\Mozilla Firefox\\firefox.exe'],
  },
}

/** The path of a browser, or undefined. */
export function findBrowser(name) {
  const { variable, names, paths } = places[name]
  if (process.env[variable] !== undefined) return process.env[variable]
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((file) => join(folder, file)))
  return [...onPath, ...paths].find((path) => existsSync(path))
}

const chromiumArguments = [
  // There is no unprivileged user for the sandbox in a container; the pages are this repository's own.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // The page of a test may be behind another.
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
]

/** Starts a browser that is closed with this process. */
export function launch(name, executablePath = findBrowser(name)) {
  return name === 'firefox'
    ? puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: 120_000, protocolTimeout: 600_000 })
    : puppeteer.launch({ executablePath, headless: true, args: chromiumArguments, timeout: 120_000, protocolTimeout: 600_000 })
}

/** Opens the suite's page in a browser; each result as it comes. Resolves with how many failed. */
export async function runSuite(browser, origin, report, only = '') {
  const page = await browser.newPage()
  try {
    return await new Promise((resolve, reject) => {
      page.on('console', (message) => {
        const text = message.text()
        if (!text.startsWith('heddle ')) return
        const result = JSON.parse(text.slice('heddle '.length))
        if (result.done === true) resolve(result.failed)
        else report(result)
      })
      page.on('pageerror', (error) => reject(error instanceof Error ? error : new Error(String(error))))
      page.goto(`${origin}/tests/conformance/runners/page.html?only=${encodeURIComponent(only)}`).catch(reject)
    })
  } finally {
    await page.close()
  }
}
