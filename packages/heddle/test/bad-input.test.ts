/**
 * What JavaScript's users can get wrong without TypeScript: every constructor and function is given what is no argument for it. It works, or says so
 * with an error of heddle's own; never with whatever the engine says about a property of undefined.
 */
import { describe, expect, test } from 'vitest'
import * as heddle from '../src/node.js'

type Callable = (...args: unknown[]) => unknown
const wrong: readonly unknown[] = [
  undefined, null, 5, -1, NaN, 'x', '', true, 7n, {}, [], () => 1,
  { region: 5 }, { region: null }, { codec: 5 }, { capacity: -1 }, { capacity: 'x' }, [5], { x: 5 }, { x: null },
] // prettier-ignore

/** Made by heddle alone: their constructors are not for users. */
const made = new Set([
  'BroadcastReceiver', 'CancelToken', 'Executor', 'ExecutorTrace', 'Fiber', 'JoinHandle', 'Message', 'MutexGuard', 'ReadGuard', 'Receiver', 'ReentrantGuard', 'Region',
  'Scope', 'Sender', 'SharedObject', 'SpinMutexGuard', 'TaskRef', 'Thread', 'TimeReceiver', 'UpgradableGuard', 'WatchReceiver', 'WriteGuard',
]) // prettier-ignore
/** One changes what the rest of this file runs on, the other waits, as it should: `trySelect` takes the same. */
const left = new Set(['setHost', 'select'])

const isClass = (value: Callable): boolean => value.toString().startsWith('class')
const text = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : typeof value === 'function' ? 'a function' : String(value)

/** What is wrong with the error of a call; undefined: nothing, or there was none. */
async function verdict(call: () => unknown): Promise<string | undefined> {
  try {
    const result = call()
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') return undefined
    // One that waits has accepted what it was given.
    await Promise.race([result, new Promise((resolve) => setTimeout(resolve, 5))])
  } catch (error) {
    if (typeof (error as { code?: unknown }).code !== 'string') return String(error)
  }
  return undefined
}

async function refusals(call: (argument: unknown) => unknown): Promise<string[]> {
  const all: string[] = []
  for (const argument of wrong) {
    const found = await verdict(() => call(argument))
    if (found !== undefined) all.push(`${text(argument)}: ${found}`)
  }
  return all
}

const entries = Object.entries(heddle as Record<string, unknown>).filter(
  (entry): entry is [string, Callable] => typeof entry[1] === 'function' && !(entry[1].prototype instanceof Error),
)

describe('given what is no argument', () => {
  test.each(entries.filter(([name, value]) => !made.has(name) && isClass(value)))('new %s()', async (_, value) => {
    const type = value as unknown as new (argument: unknown) => unknown
    expect(await refusals((argument) => new type(argument))).toEqual([])
  })
  test.each(entries.filter(([, value]) => 'fromHandle' in value))('%s.fromHandle()', async (_, value) => {
    const type = value as unknown as { fromHandle(argument: unknown): unknown }
    expect(await refusals((argument) => type.fromHandle(argument))).toEqual([])
  })
  test.each(entries.filter(([name, value]) => !left.has(name) && !isClass(value)))('%s()', async (_, value) => {
    expect(await refusals((argument) => value(argument))).toEqual([])
  })
  test('what is left out is there', () => {
    for (const name of [...made, ...left]) expect(heddle).toHaveProperty(name)
  })
})
