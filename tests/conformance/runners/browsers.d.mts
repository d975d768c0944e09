import type { Browser, Page } from 'puppeteer-core'
import type { Result } from '../run-suite.mjs'

export type BrowserName = 'chromium' | 'firefox'
export function findBrowser(name: BrowserName): string | undefined
export function launch(name: BrowserName, executablePath?: string): Promise<Browser>
export function runSuite(browser: Browser, origin: string, report: (result: Result) => void, only?: string): Promise<number>
export type { Browser, Page }
