/**
 * All primitives on real workers: random operations in three modes with time limits, aborts, cancels and terminate(), with a printed seed. What each
 * primitive promises is checked inside its drill (support/drills); at the end nobody waits, nothing is held, nothing is lost.
 *
 * `npm run soak sync -- --minutes 30` runs it for longer, in rounds; HEDDLE_SEED repeats one seed, HEDDLE_DRILLS=Mutex,Event takes some drills.
 */
import { Worker } from 'node:worker_threads'
import { type AtomicInt32, Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, forEachRecord, FREE, phaseOf, reapThread, W_KIND, W_QUEUE, W_STATE } from '@heddle/park/internal'
import { describe, expect, test } from 'vitest'
import { nodesInUse } from '../../cancel/src/pool.js'
import { drills } from './support/drills/index.js'
import { Props } from './support/drills/drill.js'
import { OUTCOMES } from './support/drills/tools.js'

const seconds = Number(process.env['HEDDLE_STRESS_SECONDS'] ?? 4)
const ROUND_SECONDS = 15
/** After so long without an end something is stuck: says what. Many times what the slowest machine needs. */
const STUCK_AFTER = 40_000
const only = process.env['HEDDLE_DRILLS']

interface Member {
  readonly index: number
  readonly worker: Worker
  readonly idle: Promise<void>
  readonly exited: Promise<void>
  isIdle: boolean
}
type Message = { problem: string } | { idle: true } | { pending: string[] }

class Stage {
  readonly region = Region.create({ bytes: 1 << 26, agents: 200 })
  readonly props: Props
  readonly problems: string[] = []
  readonly stop: AtomicInt32

  constructor(kills: boolean) {
    this.props = new Props(this.region, kills)
    const { props } = this
    this.stop = props.cell('stop')
    for (const name of OUTCOMES) props.cell(name)
    for (const i of [0, 1, 2]) props.cell(`token${i}`)
    for (const drill of drills) {
      drill.make(props)
      props.cell(`begun ${drill.name}`)
    }
  }

  get operations(): number {
    return drills.reduce((sum, { name }) => sum + this.props.load(`begun ${name}`), 0)
  }

  start(index: number, seed: number): Member {
    const handles = Object.fromEntries(Object.entries(this.props.objects).map(([name, object]) => [name, object.toHandle()]))
    const { kills } = this.props
    const worker = new Worker(new URL('.fixtures/sync-stress.js', import.meta.url), {
      workerData: { buffer: this.region.buffer, handles, seed, index, kills, only },
    })
    const { threadId } = worker
    const member = { index, worker, isIdle: false } as Member
    const idle = new Promise<void>((resolve) => {
      const end = (): void => {
        member.isIdle = true
        resolve()
      }
      worker.on('message', (message: Message) => {
        if ('idle' in message) end()
        else if ('problem' in message) this.problems.push(message.problem)
        else this.problems.push(`worker ${index} still has under way: ${message.pending.join(', ') || 'nothing'}`)
      })
      worker.on('error', (error) => {
        this.problems.push(String(error.stack))
        end()
      })
    })
    const exited = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        reapThread(Agent.of(this.region), threadId)
        resolve()
      })
    })
    return Object.assign(member, { idle, exited })
  }

  /** Everybody ends what is under way; then nothing may be left. */
  async finish(members: readonly Member[]): Promise<void> {
    const { props, region } = this
    this.stop.store(1)
    const stuckAt = performance.now() + STUCK_AFTER
    while (members.some(({ isIdle }) => !isIdle) && performance.now() < stuckAt) {
      for (const drill of drills) drill.kick?.(props)
      await turn()
    }
    if (members.some(({ isIdle }) => !isIdle)) await this.explain(members)
    expect(this.problems).toEqual([])
    expect(drills.flatMap((drill) => drill.faults?.(props) ?? [])).toEqual([])
    expect(this.waiters(), 'waiter records in use').toEqual([])
    if (!props.kills) {
      // What was busy when it was disposed of is recycled when nodes are asked for.
      expect(nodesInUse(Agent.of(region)), 'cancel tokens in use').toBeLessThanOrEqual(8)
    }
    await Promise.all(members.map(({ worker }) => worker.terminate()))
  }

  summary(): string {
    const { props } = this
    const outcomes = OUTCOMES.map((name) => `${name} ${props.load(name)}`).join(', ')
    const { used, blocks } = this.region.stats()
    return `${this.operations} operations (${outcomes}); ${used} bytes in ${blocks} blocks in use`
  }

  /** Records in use, with what they wait for. */
  private waiters(): string[] {
    const { region, props } = this
    const places = Object.entries(props.objects).map(([name, { at }]): [string, number] => [name, at >> 2])
    const found: string[] = []
    forEachRecord(region.words, region.agents, (r) => {
      const phase = phaseOf(load(region.words, r + W_STATE))
      if (phase === FREE) return
      const queue = load(region.words, r + W_QUEUE)
      const [name] = places.reduce((best, place) => (place[1] <= queue && place[1] > best[1] ? place : best), ['?', 0])
      found.push(`phase ${phase}, kind ${load(region.words, r + W_KIND)}, of ${name}`)
    })
    return found
  }

  private async explain(members: readonly Member[]): Promise<void> {
    for (const { isIdle, worker } of members) if (!isIdle) worker.postMessage('what is under way?')
    for (let i = 0; i < 200; i++) await turn()
    this.problems.push(...members.filter(({ isIdle }) => !isIdle).map(({ index }) => `worker ${index} did not end`), ...this.waiters())
  }
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await turn()
}

function seedOf(round: number): number {
  const given = process.env['HEDDLE_SEED']
  return given === undefined ? (Math.random() * 2 ** 31) | 0 : (Number(given) + round * 104_729) | 0
}

/** Rounds with a new region and a new seed each, until the time is over. */
async function rounds(kills: boolean, play: (stage: Stage, seed: number, end: number) => Promise<void>): Promise<void> {
  const end = performance.now() + seconds * 1000
  let round = 0
  let operations = 0
  for (; round === 0 || performance.now() < end; round++) {
    const seed = seedOf(round)
    console.log(`sync stress${kills ? ' with kills' : ''}, seed ${seed}`)
    const stage = new Stage(kills)
    await play(stage, seed, Math.min(end, performance.now() + ROUND_SECONDS * 1000))
    operations += stage.operations
    console.log(stage.summary())
  }
  console.log(`sync stress${kills ? ' with kills' : ''}: ${round} rounds, ${operations} operations`)
}

describe('random operations on random primitives', () => {
  const limit = seconds * 1000 + STUCK_AFTER + 60_000

  test(
    'without deaths: exclusion, and nothing is lost',
    () =>
      rounds(false, async (stage, seed, end) => {
        const members = [0, 1, 2].map((index) => stage.start(index, seed + index * 7919))
        await until(() => performance.now() > end || stage.problems.length > 0)
        await stage.finish(members)
        expect(stage.operations).toBeGreaterThan(100)
      }),
    limit,
  )

  test(
    'with terminate() at random moments: nobody is left behind',
    () =>
      rounds(true, async (stage, seed, end) => {
        let members = [0, 1, 2].map((index) => stage.start(index, seed + index * 7919))
        let kills = 0
        while (performance.now() < end && stage.problems.length === 0) {
          const victim = members[(seed + kills) % members.length]!
          // The moment is as random as the machine is: after some operations of others, not after some time.
          const mark = stage.operations + 1 + (((seed ^ (kills * 2654435761)) >>> 0) % 400)
          await until(() => stage.operations >= mark || performance.now() > end || stage.problems.length > 0)
          await victim.worker.terminate()
          await victim.exited
          kills++
          // What the dead have taken along is put back, so that others go on.
          if (kills % 4 === 0) for (const drill of drills) drill.kick?.(stage.props)
          members = members.map((one) => (one === victim ? stage.start(victim.index, seed + kills * 104_729) : one))
        }
        await stage.finish(members)
        console.log(`${kills} kills`)
        expect(kills).toBeGreaterThan(0)
      }),
    limit,
  )
})
