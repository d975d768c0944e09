/** What `heddle` is on each runtime, and that importing it does nothing. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as onNode from 'heddle/node'
import { runModule } from '../../../tests/conformance/run-suite.mjs'
import { bunRuntime, denoRuntime, nodeRuntime, type Runtime } from '../../../tests/conformance/runtimes.mjs'

const hosts = ['node', 'deno', 'bun', 'browser']
const runtimes: [string, Runtime | undefined][] = [
  ['node', nodeRuntime()],
  ['deno', denoRuntime()],
  ['bun', bunRuntime()],
]

/** The names that a module of `src` exports by itself. */
function namesOf(host: string): string[] {
  const text = readFileSync(new URL(`../src/${host}.ts`, import.meta.url), 'utf8')
  return [...text.matchAll(/^export (?:const|type|\* from|\{) ?['"]?([\w@/]+)/gm)].map(([, name]) => name!.replace(`${host}Host`, 'host'))
}

describe('heddle', () => {
  it.each(hosts)('exports the same from heddle/%s as from the others', (host) => {
    expect(namesOf(host)).toEqual(namesOf('node'))
    expect(namesOf(host).length).toBeGreaterThan(10)
  })

  it('has an executor and its verbs bound to its host', () => {
    expect(onNode.nodeHost.name).toBe('node')
    for (const name of ['run', 'spawn', 'map', 'scope', 'thread', 'Executor', 'Mutex', 'channel', 'sleepAsync', 'AtomicInt32'] as const)
      expect(onNode[name]).toBeTypeOf('function')
  })

  it.each(runtimes.filter(([, runtime]) => runtime !== undefined))(
    'changes no global, listens to nothing and keeps nothing alive when %s imports it',
    async (host, runtime) => {
      const { out, code, killed, errors } = await runModule(runtime!, new URL('programs/globals.mjs', import.meta.url), [host])
      expect({ out: out.trim(), code, killed }, errors).toEqual({ out: '[]', code: 0, killed: false })
    },
  )
})
