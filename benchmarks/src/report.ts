/** What a run leaves: a table on the terminal and a JSON file. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, release, type } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Row } from './run-suite.js'

/** Where and on what the figures were taken. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly v8: string
  readonly os: string
  /** The commit measured, with `+` when the working tree differs from it; `unknown` outside of a git clone. */
  readonly commit: string
  /** ISO 8601. */
  readonly date: string
}

/** The content of `results/<suite>.json`. */
export interface Report {
  readonly suite: string
  /** Quick figures are for looking, not for comparing. */
  readonly quick: boolean
  readonly machine: Machine
  readonly rows: readonly Row[]
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.versions.node,
    v8: process.versions.v8,
    os: `${type()} ${release()} ${arch()}`,
    commit: commit(),
    date: new Date().toISOString(),
  }
}

function commit(): string {
  const cwd = dirname(fileURLToPath(import.meta.url))
  const git = (...args: string[]): string => execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

export function writeReport(folder: string, report: Report): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${report.suite}.json`)
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`)
  return path
}

/** The head of a report: machine, engine, commit. */
export function formatMachine(machine: Machine): string {
  return `${machine.cpu}, ${machine.cores} cores · ${machine.os} · Node ${machine.node}, V8 ${machine.v8} · commit ${machine.commit} · ${machine.date}`
}

const WIDTHS = [64, 12, 8, 9] as const
const HEAD = ['', 'median', 'spread', 'x floor'] as const

function line(cells: readonly string[], last: string): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i]!)))
    .concat(last === '' ? '' : `   ${last}`)
    .join('')
    .trimEnd()
}

export function formatHead(): string {
  return line(HEAD, 'target')
}

export function formatRow(row: Row): string {
  const verdict = row.target === undefined ? '' : `${row.target} ${row.met === true ? '✓' : '✗ missed'}`
  return line([row.name, formatValue(row), `${(row.spread * 100).toFixed(0)} %`, row.ratio === undefined ? '' : row.ratio.toFixed(2)], verdict)
}

function formatValue({ ns, bytes }: Row): string {
  return bytes === undefined ? formatTime(ns!) : `${bytes.toFixed(0)} bytes`
}

function formatTime(ns: number): string {
  if (ns < 1000) return `${ns.toFixed(ns < 10 ? 2 : 1)} ns`
  if (ns < 1e6) return `${(ns / 1000).toFixed(2)} µs`
  return `${(ns / 1e6).toFixed(2)} ms`
}
