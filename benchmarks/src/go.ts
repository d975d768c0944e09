/** Go as a contender, where it is installed: a program of `go/`, compiled on the fly into a temporary folder. `go/README.md` says how to add one. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Contender, contender, expectEqual, SizedResult, TimedResult } from './suite.js'

let version: string | undefined

/** `go1.19.8`, or nothing where there is no `go` on the path. */
function goVersion(): string | undefined {
  if (version === undefined) {
    try {
      version = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      version = ''
    }
  }
  return version === '' ? undefined : version
}

/**
 * A program that takes the number of iterations as its first argument and prints the nanoseconds that they took (or the bytes that they hold), then a
 * result.
 * @param program file name in `go/`, without `.go`
 * @param iterations how many times as many iterations the program does: it has no warm-up of its own
 * @param expected the result that it has to print
 * @param args further arguments of the program: which of its works it is to do, how large a channel is
 */
export function goContender(
  name: string,
  program: string,
  expected: (iterations: number) => number,
  iterations = 1,
  args: readonly (string | number)[] = [],
  measures: 'time' | 'bytes' = 'time',
): Contender<never> {
  return contender({
    name,
    external: true,
    unavailable: () => (goVersion() === undefined ? 'go is not installed' : undefined),
    setup: () => {
      const folder = mkdtempSync(join(tmpdir(), 'heddle-go-'))
      const binary = join(folder, process.platform === 'win32' ? `${program}.exe` : program)
      // Two folders up from where this is compiled to.
      execFileSync('go', ['build', '-o', binary, fileURLToPath(new URL(`../../go/${program}.go`, import.meta.url))], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      return { folder, binary }
    },
    run: ({ binary }, n) => {
      const [measured, result] = execFileSync(binary, [n * iterations, ...args].map(String), { encoding: 'utf8' })
        .trim()
        .split(' ')
        .map(Number) as [number, number]
      return measures === 'time' ? new TimedResult(result, measured / iterations) : new SizedResult(result, measured / iterations)
    },
    check: (result, n) => expectEqual(result, expected(n * iterations)),
    teardown: ({ folder }) => rmSync(folder, { recursive: true, force: true }),
  })
}
