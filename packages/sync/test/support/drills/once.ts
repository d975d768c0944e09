/** Drills of values that are made once. */
import { type SharedObject, utf8 } from '@heddle/atomics'
import { Lazy, OnceCell } from '../../../src/index.js'
import type { Drill } from './drill.js'
import { Published } from './published.js'
import type { Ended, Tools } from './tools.js'

const TEXT = utf8(500)

class Refused extends Error {}

/** Everybody sees the same value; only one is made. */
class Witness {
  private readonly seen
  private last = 0
  constructor(private readonly tools: Tools) {
    this.seen = new Map<string, string>()
  }

  /** What an initialiser makes: now and then it throws. Long ones are in a block of their own. */
  make(): string {
    this.tools.spend()
    if (this.tools.chance(4)) throw new Refused()
    return `${this.tools.index}:${++this.last}:${'v'.repeat(this.tools.random(300))}:end`
  }

  see(of: SharedObject, value: string): void {
    this.tools.expect(value.endsWith(':end'), `a torn value: ${value}`)
    // The header has the generation of its place: another object there is another key.
    const key = `${of.at} ${of.header}`
    const before = this.seen.get(key)
    this.tools.expect(before === undefined || before === value, `${before} became ${value}`)
    if (this.seen.size > 100) this.seen.clear()
    this.seen.set(key, value)
  }
}

async function attempt(tools: Tools, act: () => Promise<Ended<string>>): Promise<Ended<string>> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    tools.count('done')
    return undefined
  }
}

export const onceCells: Drill = {
  name: 'OnceCell',
  make: (props) => Published.make(props, 'once'),
  open(tools) {
    const witness = new Witness(tools)
    const current = new Published<OnceCell<string>>(
      tools,
      'once',
      (at) => OnceCell.at<string>(tools.region, at),
      () => new OnceCell({ codec: TEXT, region: tools.region }),
    )
    return () =>
      current.use(async (cell) => {
        const what = tools.random(6)
        if (what === 0) {
          try {
            if (cell.set(witness.make())) witness.see(cell, cell.get()!)
          } catch (error) {
            if (!(error instanceof Refused)) throw error
          }
        } else {
          const ended = await attempt(tools, () => tools.call<string>(tools.mode(), cell, 'getOrInit', [() => witness.make()], true))
          if (ended !== undefined) {
            witness.see(cell, ended.value)
            tools.expect(cell.get() === ended.value, 'a cell changed')
          }
        }
        return cell.isSet && tools.chance(3)
      })
  },
}

/** A verb of a Lazy under the names that the modes ask for. */
function verbs(lazy: Lazy<string>): object {
  return {
    value: (options: never) => lazy.valueWithin(options),
    valueAsync: (options: never) => lazy.valueAsync(options),
    valueFiber: (options: never) => lazy.valueFiber(options),
  }
}

export const lazies: Drill = {
  name: 'Lazy',
  make: (props) => Published.make(props, 'lazy'),
  open(tools) {
    const witness = new Witness(tools)
    const make = (): string => witness.make()
    const current = new Published<Lazy<string>>(
      tools,
      'lazy',
      (at) => Lazy.at<string>(tools.region, at, make),
      () => new Lazy({ codec: TEXT, region: tools.region }, make),
    )
    return () =>
      current.use(async (lazy) => {
        const ended = await attempt(tools, () => tools.call<string>(tools.mode(), verbs(lazy), 'value', [], true))
        if (ended !== undefined) witness.see(lazy, ended.value)
        return lazy.isSet && tools.chance(3)
      })
  },
}
