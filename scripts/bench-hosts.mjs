/**
 * `npm run bench:hosts [-- name …] [--quick]`: how fast calls and messages cross threads on this Node, Deno, Bun and in Chromium, beside the same host's bare
 * `postMessage`. Writes benchmarks/results/hosts.json when all of them ran.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findBrowser, launch } from '../tests/conformance/runners/browsers.mjs'
import { serve } from '../tests/conformance/runners/static-server.mjs'
import { runModule } from '../tests/conformance/run-suite.mjs'
import { bunRuntime, denoRuntime, nodeRuntime } from '../tests/conformance/runtimes.mjs'
import { build, root } from './lib/workspace.mjs'

const isQuick = process.argv.includes('--quick')
const chosen = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const MS = isQuick ? 50 : 200

async function onServer(runtime) {
  if (runtime === undefined) throw new Error('there is no binary for this platform')
  const rows = []
  const onLine = (line) => void (line.startsWith('{') && rows.push(JSON.parse(line)))
  const { code, errors } = await runModule(runtime, new URL('../benchmarks/hosts/server.mjs', import.meta.url), [String(MS)], {
    limit: 300_000,
    onLine,
  })
  if (code !== 0) throw new Error(`exit code ${code}\n${errors}`)
  return rows
}

async function inChromium() {
  if (findBrowser('chromium') === undefined) throw new Error('there is none on this machine: apt-get install chromium')
  const served = await serve()
  const browser = await launch('chromium')
  try {
    const page = await browser.newPage()
    const rows = []
    await new Promise((resolve, reject) => {
      page.on('console', (message) => {
        if (!message.text().startsWith('heddle ')) return
        const said = JSON.parse(message.text().slice('heddle '.length))
        if (said.error !== undefined) reject(new Error(said.error))
        else if (said.done) resolve()
        else rows.push(said)
      })
      page.on('pageerror', reject)
      page.goto(`${served.origin}/benchmarks/hosts/page.html?ms=${MS}`).catch(reject)
    })
    return rows
  } finally {
    await browser.close()
    await served.close()
  }
}

const hosts = { node: () => onServer(nodeRuntime()), deno: () => onServer(denoRuntime()), bun: () => onServer(bunRuntime()), chromium: inChromium }
const unknown = chosen.filter((name) => !(name in hosts))
if (unknown.length > 0) {
  console.error(`no host is called ${unknown.join(', ')}; there are ${Object.keys(hosts).join(', ')}`)
  process.exit(2)
}
const built = await build({ quiet: true })
if (built.code !== 0) {
  console.error(built.output)
  process.exit(1)
}

const columns = {}
for (const [name, run] of Object.entries(hosts)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  try {
    columns[name] = await run()
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
const names = Object.keys(columns)
const [first] = names
if (first !== undefined) {
  const us = (ns) => (ns / 1000).toFixed(ns < 10_000 ? 2 : 1)
  console.log(`| µs | ${names.join(' | ')} |\n|---|${names.map(() => '---:|').join('')}`)
  for (const { name } of columns[first])
    console.log(`| ${name} | ${names.map((host) => us(columns[host].find((row) => row.name === name).ns)).join(' | ')} |`)
}
if (!isQuick && names.length === Object.keys(hosts).length) {
  const folder = join(root, 'benchmarks', 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'hosts.json'), `${JSON.stringify({ suite: 'hosts', ms: MS, hosts: columns }, undefined, 2)}\n`)
}
