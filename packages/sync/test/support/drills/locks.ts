/** Drills of what one at a time, or readers together, may hold. */
import { json } from '@heddle/atomics'
import type { BlockingOptions } from '@heddle/park'
import {
  Condvar,
  Mutex,
  type MutexGuard,
  PoisonedError,
  type ReadGuard,
  type ReentrantGuard,
  ReentrantMutex,
  RwLock,
  Shared,
  SpinMutex,
  type UpgradableGuard,
  type WriteGuard,
} from '../../../src/index.js'
import type { Drill, Props } from './drill.js'
import type { Mode, Tools } from './tools.js'

/** A cell that says that somebody is inside. */
class Inside {
  private readonly cell
  constructor(
    private readonly tools: Tools,
    private readonly name: string,
  ) {
    this.cell = tools.cell(name)
  }
  enter(): void {
    this.tools.expect(this.cell.exchange(1) === 0, `two in ${this.name}`)
  }
  leave(): void {
    this.tools.expect(this.cell.exchange(0) === 1, `${this.name} was entered`)
  }
  /** What a dead holder left is undone by whoever takes its lock over. */
  clear(): void {
    this.cell.store(0)
  }
}

function unlocked(props: Props, ...names: string[]): string[] {
  return names.filter((name) => props.get<Mutex>(name).isLocked).map((name) => `${name} is locked`)
}

const MUTEXES = ['mutex0', 'mutex1'] as const

export const mutexes: Drill = {
  name: 'Mutex',
  make(props) {
    for (const name of MUTEXES) {
      props.add(name, new Mutex({ region: props.region }))
      props.cell(`in ${name}`)
    }
  },
  open(tools) {
    const all = MUTEXES.map((name) => ({ mutex: Mutex.fromHandle(tools.handles[name]!), inside: new Inside(tools, `in ${name}`) }))
    return async () => {
      const { mutex, inside } = all[tools.random(2)]!
      const mode = tools.mode()
      const ended = await tools.call<MutexGuard>(mode, mutex, 'lock', [], true, (guard: MutexGuard) => {
        inside.clear()
        mutex.clearPoison()
        return guard
      })
      if (ended === undefined) return
      inside.enter()
      tools.spend()
      await tools.turn(mode)
      inside.leave()
      ended.value.release()
    }
  },
  faults: (props) => unlocked(props, ...MUTEXES),
}

export const spinMutexes: Drill = {
  name: 'SpinMutex',
  make(props) {
    props.add('spin', new SpinMutex({ region: props.region }))
    props.cell('in spin')
  },
  open(tools) {
    const mutex = SpinMutex.fromHandle(tools.handles['spin']!)
    const inside = new Inside(tools, 'in spin')
    return () => {
      let guard
      try {
        guard = tools.chance(2) ? mutex.lock() : mutex.tryLock()
      } catch (error) {
        if (!(error instanceof PoisonedError) || !tools.kills) throw error
        tools.count('poisoned')
        inside.clear()
        mutex.clearPoison()
        guard = error.guard
      }
      if (guard === undefined) return
      inside.enter()
      inside.leave()
      guard.release()
      tools.count('done')
    }
  },
  faults: (props) => unlocked(props, 'spin'),
}

export const reentrant: Drill = {
  name: 'ReentrantMutex',
  make(props) {
    props.add('reentrant', new ReentrantMutex({ region: props.region }))
    props.cell('in reentrant')
  },
  open(tools) {
    const mutex = ReentrantMutex.fromHandle(tools.handles['reentrant']!)
    const inside = new Inside(tools, 'in reentrant')
    const mend = (guard: ReentrantGuard): ReentrantGuard => {
      inside.clear()
      mutex.clearPoison()
      return guard
    }
    const deeper = (depth: number): void => {
      tools.expect(mutex.depth === depth, `depth ${mutex.depth} instead of ${depth}`)
      if (tools.chance(2)) mutex.withLock(() => deeper(depth + 1))
      tools.expect(mutex.depth === depth, `depth ${mutex.depth} instead of ${depth} on the way out`)
    }
    const section = (): void => {
      inside.enter()
      deeper(1)
      tools.spend()
      inside.leave()
    }
    /** The owner is the fiber: all of it happens there, over several steps. */
    function* inFiber(): Generator<unknown, void, unknown> {
      let guard: ReentrantGuard
      try {
        guard = yield* mutex.lockFiber(tools.chance(2) ? { timeout: tools.random(6) } : {})
      } catch (error) {
        const ended = tools.judge(error, 'timeout', mend)
        if (ended === undefined) return
        guard = ended.value
      }
      inside.enter()
      deeper(1)
      const inner = yield* mutex.lockFiber()
      yield undefined
      tools.expect(mutex.depth === 2, 'a fiber that has it waited for it')
      inner.release()
      inside.leave()
      guard.release()
      tools.count('done')
    }
    /** All at once: between two turns another operation of this thread would be the same owner. */
    const inThread = (): void => {
      const { options, end, kind } = tools.limit('thread', true)
      let guard: ReentrantGuard | undefined
      try {
        guard = mutex.lock(options as BlockingOptions)
      } catch (error) {
        guard = tools.judge(error, kind, mend)?.value
      } finally {
        end()
      }
      if (guard === undefined) return
      section()
      guard.release()
      tools.count('done')
    }
    return () => (tools.chance(2) ? tools.fibers.run(inFiber) : inThread())
  },
  faults: (props) => unlocked(props, 'reentrant'),
}

export const rwLocks: Drill = {
  name: 'RwLock',
  make(props) {
    props.add('rw', new RwLock({ region: props.region }))
    for (const name of ['writers', 'readers', 'upgradables']) props.cell(name)
  },
  open(tools) {
    const lock = RwLock.fromHandle(tools.handles['rw']!)
    const [writers, readers, upgradables] = ['writers', 'readers', 'upgradables'].map((name) => tools.cell(name)) as [
      ReturnType<Tools['cell']>,
      ReturnType<Tools['cell']>,
      ReturnType<Tools['cell']>,
    ]
    /** A reader that is told of poison may not look at the data: it leaves. */
    const leave = (guard: { release(): void }): undefined => guard.release() as undefined
    const writing = (): void => {
      tools.expect(writers.exchange(1) === 0, 'two writers')
      tools.spend()
      // Readers that are terminated leave their mark: only without kills do they make one.
      tools.expect(readers.load() === 0, 'a reader beside a writer')
      writers.store(0)
    }
    const mark = (by: number): void => void (tools.kills || readers.add(by))
    const reading = async (mode: Mode): Promise<void> => {
      tools.expect(writers.load() === 0, 'a writer beside a reader')
      mark(1)
      tools.spend()
      await tools.turn(mode)
      tools.expect(writers.load() === 0, 'a writer came in beside a reader')
      mark(-1)
    }
    const upgrade = async (mode: Mode, guard: UpgradableGuard): Promise<void> => {
      if (!tools.kills) tools.expect(upgradables.exchange(1) === 0, 'two upgradable readers')
      await reading(mode)
      const ended = await tools.call<WriteGuard>(mode, guard, 'upgrade', [], true)
      if (ended === undefined) {
        tools.expect(guard.held, 'an upgrade in vain lost the read')
        upgradables.store(0)
        guard.release()
        return
      }
      upgradables.store(0)
      writing()
      if (tools.chance(2)) {
        const read = ended.value.downgrade()
        await reading(mode)
        read.release()
      } else ended.value.release()
    }
    return async () => {
      const mode = tools.mode()
      const what = tools.random(8)
      if (what < 2) {
        const ended = await tools.call<WriteGuard>(mode, lock, 'write', [], true, (guard: WriteGuard) => {
          writers.store(0)
          lock.clearPoison()
          return guard
        })
        if (ended === undefined) return
        writing()
        ended.value.release()
      } else if (what < 3) {
        const ended = await tools.call<UpgradableGuard | undefined>(mode, lock, 'upgradableRead', [], true, leave)
        if (ended?.value !== undefined) await upgrade(mode, ended.value)
      } else {
        const ended = await tools.call<ReadGuard | undefined>(mode, lock, 'read', [], true, leave)
        if (ended?.value === undefined) return
        await reading(mode)
        ended.value.release()
      }
    }
  },
  faults(props) {
    const lock = props.get<RwLock>('rw')
    return [...(lock.isReadLocked ? ['somebody reads'] : []), ...(lock.isWriteLocked ? ['somebody writes'] : [])]
  },
}

interface Pair {
  a: number
  b: number
  pad: string
}
const PAIR = json<Pair>(900)

export const shared: Drill = {
  name: 'Shared',
  make(props) {
    props.add('shared', new Shared<Pair>(PAIR, { a: 0, b: 0, pad: '' }, { region: props.region }))
    props.cell('writes')
  },
  open(tools) {
    const value = Shared.fromHandle<Pair>(tools.handles['shared']!)
    const writes = tools.cell('writes')
    const whole = ({ a, b, pad }: Pair): void => tools.expect(a === b && pad === 'x'.repeat(a % 600), `torn: ${a}, ${b}, ${pad.length}`)
    const add = (pair: Pair): void => {
      whole(pair)
      pair.b = ++pair.a
      pair.pad = 'x'.repeat(pair.a % 600)
      tools.spend()
    }
    /** A writer died: what it left is one value or another, whole. */
    const mend = (guard: WriteGuard | ReadGuard): void => {
      whole(value.read())
      if ('downgrade' in guard) value.lock.clearPoison()
      guard.release()
    }
    return async () => {
      const mode = tools.mode()
      const section = mode === 'fiber' ? (act: (pair: Pair) => void) => (pair: Pair) => done(pair, act) : (act: (pair: Pair) => void) => act
      if (tools.chance(3)) await tools.call<void>(mode, value, 'withRead', [section(whole)], true, mend)
      else if ((await tools.call<void>(mode, value, 'with', [section(add)], true, mend)) !== undefined) writes.add(1)
    }
  },
  faults(props) {
    const value = props.get<Shared<Pair>>('shared')
    const { a } = value.read()
    return props.kills || a === props.load('writes') ? [] : [`${props.load('writes')} writes made ${a}`]
  },
}

function* done(pair: Pair, act: (pair: Pair) => void): Generator<unknown, void, unknown> {
  act(pair)
}

export const conditions: Drill = {
  name: 'Condvar',
  make(props) {
    props.add('condition mutex', new Mutex({ region: props.region }))
    props.cell('in condition mutex')
    props.add('condvar', new Condvar({ region: props.region }))
    props.cell('tokens', 0)
  },
  open(tools) {
    const mutex = Mutex.fromHandle(tools.handles['condition mutex']!)
    const condvar = Condvar.fromHandle(tools.handles['condvar']!)
    const inside = new Inside(tools, 'in condition mutex')
    const tokens = tools.cell('tokens')
    const mend = (guard: MutexGuard): MutexGuard => {
      inside.clear()
      mutex.clearPoison()
      return guard
    }
    const held = (guard: MutexGuard): void => {
      tools.expect(guard.held, 'a wait ended without the mutex')
      inside.enter()
      tools.spend()
      inside.leave()
    }
    return async () => {
      const mode = tools.mode()
      const ended = await tools.call<MutexGuard>(mode, mutex, 'lock', [], true, mend)
      if (ended === undefined) return
      const guard = ended.value
      held(guard)
      if (tools.chance(2)) {
        tokens.add(1)
        condvar.notify(tools.random(3) === 0 ? Infinity : 1)
      } else if (tools.chance(3)) {
        await tools.call<unknown>(mode, condvar, 'wait', [guard], false, mend)
        held(guard)
      } else {
        const got = await tools.call<unknown>(mode, condvar, 'waitWhile', [guard, () => tokens.load() === 0], false, mend)
        held(guard)
        // A PoisonedError ends the wait before its condition holds.
        if (got !== undefined && got.value !== guard) tools.expect(tokens.sub(1) > 0, 'a waitWhile ended while its condition held')
      }
      guard.release()
    }
  },
  faults: (props) => unlocked(props, 'condition mutex'),
}
