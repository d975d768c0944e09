/** W3 before the first wait: a thread that dies, or is declared dead, while it takes its slot of the agent table leaves no slot behind. */
import { AgentLimitError, Region } from '@heddle/atomics'
import { A_STATUS, A_THREAD, agentRecord, PHASE_ALIVE, PHASE_FREE, PHASE_MASK, registerAgent, threadNumber } from '@heddle/atomics/internal'
import { load, store } from '@heddle/atomics/ops'
import { install, nativeOps } from '@heddle/atomics/ops-model'
import { model } from '@heddle/model'
import { Agent, reapThread } from '@heddle/park/internal'
import { afterEach, describe, expect, test } from 'vitest'
import { isKnown } from '../src/reap.js'
import { Actor, dieAt, installDeaths } from './support/deaths.js'

const full = process.env['HEDDLE_MODEL_FULL'] === '1'
const [FIRST, SECOND, SURVIVOR] = [71, 72, 73]

/** What a slot says: its phase, and whose it is. */
function slotOf(region: Region, id: number): { phase: number; thread: number } {
  const record = agentRecord(id) >> 2
  return { phase: load(region.words, record + A_STATUS) & PHASE_MASK, thread: load(region.words, record + A_THREAD) }
}

/** Acts as a thread that its creator knows by a number. */
function as<T>(thread: number, act: () => T): T {
  threadNumber.set(thread)
  return act()
}

describe('a death at every operation of', () => {
  let restore: () => void
  const ownNumber = threadNumber.get()
  afterEach(() => {
    restore()
    threadNumber.set(ownNumber)
  })

  test('registering: its slot comes back', () => {
    restore = installDeaths()
    let deaths = 0
    for (; ; deaths++) {
      const region = Region.create({ bytes: 1 << 17, agents: 2 })
      const survivor = new Actor(region)
      const died = as(FIRST, () => dieAt(deaths, () => registerAgent(region.words)))
      as(SURVIVOR, () => survivor.be())
      reapThread(survivor.agent, FIRST)
      expect(isKnown(region, FIRST)).toBe(false)
      expect(registerAgent(region.words).id, `killed at ${deaths}`).toBe(2)
      expect(() => registerAgent(region.words)).toThrow(AgentLimitError)
      if (!died) break
    }
    expect(deaths).toBeGreaterThan(4)
  })

  test('the reaper of a thread that died while it registered: the next reaper goes on', () => {
    restore = installDeaths()
    let deaths = 0
    for (; ; deaths++) {
      const region = Region.create({ bytes: 1 << 17, agents: 3 })
      const survivor = new Actor(region)
      const reaper = new Actor(region)
      // It has claimed the slot, and is not yet ALIVE in it.
      const claimed = agentRecord(3) >> 2
      store(region.words, claimed + A_THREAD, FIRST)
      const died = reaper.dieAt(deaths, () => reapThread(reaper.agent, FIRST))
      if (died) {
        survivor.reap(reaper)
        reapThread(survivor.agent, FIRST)
      }
      survivor.be()
      expect(slotOf(region, 3), `killed at ${deaths}`).toEqual({ phase: PHASE_FREE, thread: 0 })
      as(SECOND, () => expect(registerAgent(region.words).id).toBe(died ? 2 : 3))
      if (!died) break
    }
    expect(deaths).toBeGreaterThan(30)
  })
})

describe('a claim that comes too late', () => {
  let restore: () => void
  const ownNumber = threadNumber.get()
  afterEach(() => {
    restore()
    threadNumber.set(ownNumber)
  })

  /** Runs `meanwhile` before the first compare-exchange of the word. */
  function before(words: Int32Array, index: number, meanwhile: () => void): void {
    let done = false
    restore = install({
      compareExchange: (view, at, expected, replacement) => {
        if (!done && view === words && at === index) {
          done = true
          meanwhile()
        }
        return nativeOps.compareExchange(view, at, expected, replacement)
      },
    })
  }

  test('since the slot was used meanwhile: it is claimed anew', () => {
    const region = Region.create({ bytes: 1 << 17, agents: 2 })
    const survivor = new Actor(region)
    before(region.words, (agentRecord(2) >> 2) + A_THREAD, () => {
      as(SECOND, () => registerAgent(region.words))
      survivor.be()
      reapThread(survivor.agent, SECOND)
    })
    expect(as(FIRST, () => registerAgent(region.words))).toMatchObject({ id: 2, generation: 1 })
    expect(slotOf(region, 2)).toEqual({ phase: PHASE_ALIVE, thread: FIRST })
  })

  test('since the thread was declared dead, and another has the slot: it does not become an agent in it', () => {
    const region = Region.create({ bytes: 1 << 17, agents: 2 })
    const survivor = new Actor(region)
    before(region.words, (agentRecord(2) >> 2) + A_STATUS, () => {
      survivor.be()
      reapThread(survivor.agent, FIRST)
      as(SECOND, () => expect(registerAgent(region.words)).toMatchObject({ id: 2, generation: 1 }))
    })
    expect(() => as(FIRST, () => registerAgent(region.words))).toThrow(AgentLimitError)
    expect(slotOf(region, 2)).toEqual({ phase: PHASE_ALIVE, thread: SECOND })
  })
})

test.each([false, true])('two threads register while one of them dies and is reaped (and runs on: %s)', (zombies) => {
  const report = model(
    `register, a death | register | reapThread${zombies ? ', zombies' : ''}`,
    ({ spawn }) => {
      // The model's own region has its threads as agents before they begin.
      const region = Region.create({ bytes: 1 << 14, agents: 3 })
      const register = (): number => {
        try {
          return registerAgent(region.words).id
        } catch (error) {
          if (error instanceof AgentLimitError) return 0
          throw error
        }
      }
      const first = spawn(() => as(FIRST, register))
      const second = spawn(() => as(SECOND, register), { mortal: false })
      const reap = (): number => reapThread(Agent.of(region), FIRST)
      spawn(reap, { reaper: true, before: () => as(SURVIVOR, () => void Agent.of(region)) })
      return () => {
        const slots = [2, 3].map((id) => slotOf(region, id))
        // A slot that is free is nobody's; one that is taken has the number of its agent's thread.
        for (const { phase, thread } of slots) expect(phase === PHASE_FREE).toBe(thread === 0)
        if (second.result !== 0) expect(slots[second.result - 2]).toEqual({ phase: PHASE_ALIVE, thread: SECOND })
        if (first.outcome === 'finished' && !zombies) expect(slots[first.result - 2]).toEqual({ phase: PHASE_ALIVE, thread: FIRST })
        if (first.outcome === 'dead' && !zombies) expect(slots.some(({ thread }) => thread === FIRST)).toBe(false)
        return [first.outcome, first.result, second.result]
      }
    },
    { preemptions: full ? 4 : 3, deaths: true, zombies, regionBytes: 1 << 14 },
  )
  console.log(`${report.executions} executions, ${report.outcomes.size} outcomes`)
  expect(report.complete).toBe(true)
})
