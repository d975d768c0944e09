/** An agent dies at each single operation of a cancel, of making and disposing of tokens, and of listening: no half of a subtree is cancelled, nobody waits for ever. */
import { DisposedError, Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { sleepAsync } from '@heddle/park'
import { Agent, N_STATE, NODE_SETTLED } from '@heddle/park/internal'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, installDeaths, settled } from '../../park/test/support/deaths.js'
import { CancelSource, CancelToken } from '../src/index.js'
import { nodesInUse } from '../src/pool.js'

let restore: () => void
beforeEach(() => {
  restore = installDeaths()
})
afterEach(() => restore())

interface Stage {
  region: Region
  survivor: Actor
  other: Actor
  victim: Actor
}

/** A region with three agents that have used tokens before, so that what is made once is there. */
function stage(): Stage {
  const region = Region.create({ bytes: 1 << 20, agents: 8 })
  const survivor = new Actor(region)
  const other = new Actor(region)
  const victim = new Actor(region)
  for (const actor of [victim, other, survivor]) {
    actor.be()
    const source = new CancelSource({ region })
    source.token.onCancel(() => undefined)
    source.cancel(new Error('first'))
    source.dispose()
  }
  return { region, survivor, other, victim }
}

async function atEveryOperation(scenario: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 0; ; n++) if (!(await scenario(n))) return n
}

/** Reasons of waits that ended, as they end. */
function wait(token: CancelToken, ended: unknown[]): void {
  sleepAsync(1e9, { signal: token }).catch((reason: unknown) => ended.push(reason))
}

/** Another object of the token in the same `Region`: a handle's would be one in which the actor of the moment had another slot, and nobody reaped that. */
const same = (token: CancelToken): CancelToken => CancelToken.at(token.region, token.at)

describe('a death at every operation of', () => {
  for (const reason of [undefined, new RangeError('why')]) {
    test(`cancel, ${reason === undefined ? 'without a reason' : 'with a reason'}: all of the subtree, or nothing of it`, async () => {
      const deaths = await atEveryOperation(async (n) => {
        const { region, survivor, other, victim } = stage()
        survivor.be()
        const root = new CancelSource({ region })
        const first = root.token.child()
        other.be()
        const second = root.token.child()
        const below = first.token.child()
        survivor.be()
        const several = CancelToken.any([second.token, root.token, below.token])
        const late = several.child()
        const tokens = [root.token, first.token, second.token, below.token, several, late.token]
        const ended: unknown[] = []
        const called = tokens.map(() => 0)
        tokens.forEach((token, index) => {
          for (const actor of [survivor, other]) {
            actor.be()
            wait(same(token), ended)
          }
          survivor.be()
          token.onCancel(() => called[index]!++)
          other.be()
          same(token).onCancel(() => (called[index]! += 100))
        })
        const source = CancelSource.at(region, root.at)
        const died = victim.dieAt(n, () => source.cancel(reason))
        if (died) survivor.reap(victim)
        survivor.be()
        const cancelled = root.token.isCancelled
        expect(
          tokens.map((token) => token.isCancelled),
          `killed at ${n}`,
        ).toEqual(tokens.map(() => cancelled))
        expect(died || cancelled).toBe(true)
        await settled()
        expect(ended.length).toBe(cancelled ? 12 : 0)
        expect(called).toEqual(tokens.map(() => (cancelled ? 101 : 0)))
        survivor.be()
        expect(root.cancel(reason)).toBe(!cancelled)
        await settled()
        expect(ended.length).toBe(12)
        expect(called).toEqual(tokens.map(() => 101))
        survivor.be()
        for (const why of ended) expect(why).toMatchObject(reason === undefined ? { code: 'ERR_CANCELLED' } : { message: 'why' })
        for (const token of tokens) expect(load(region.words, token.node + N_STATE) & NODE_SETTLED).toBe(NODE_SETTLED)
        for (const one of [late, several, root, first, second, below]) one.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
        expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
        return died
      })
      expect(deaths).toBeGreaterThan(150)
    })
  }

  test('cancel and then dispose: waits keep the reason', async () => {
    await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const root = new CancelSource({ region })
      const child = root.token.child()
      const ended: unknown[] = []
      wait(same(root.token), ended)
      other.be()
      wait(same(child.token), ended)
      const source = CancelSource.at(region, root.at)
      const died = victim.dieAt(n, () => {
        source.cancel('why')
        source.dispose()
      })
      if (died) survivor.reap(victim)
      survivor.be()
      if (!root.isDisposed) {
        root.cancel('why')
        await settled()
        survivor.be()
        root.dispose()
      }
      await settled()
      survivor.be()
      expect(ended, `killed at ${n}`).toEqual(['why', 'why'])
      expect(child.token.reason).toBe('why')
      child.dispose()
      expect(nodesInUse(Agent.of(region))).toBeLessThanOrEqual(1)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
  })

  test('dispose, with waits, listeners and children', async () => {
    await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const top = new CancelSource({ region })
      const root = top.token.child()
      const children = [root.token.child(), root.token.child(), root.token.child()]
      const ended: unknown[] = []
      let called = 0
      root.token.onCancel(() => called++)
      wait(same(root.token), ended)
      other.be()
      wait(same(root.token), ended)
      const source = CancelSource.at(region, root.at)
      const died = victim.dieAt(n, () => source.dispose())
      if (died) survivor.reap(victim)
      survivor.be()
      const late = died && !root.isDisposed
      if (late) root.dispose()
      await settled()
      survivor.be()
      expect(
        ended.map((why) => why instanceof DisposedError),
        `killed at ${n}`,
      ).toEqual([true, true])
      expect(called).toBe(0)
      top.cancel('top')
      expect(children.map((child) => child.token.isCancelled)).toEqual([false, false, false])
      children[1]!.cancel('own')
      for (const child of children) child.dispose()
      top.dispose()
      // Who disposed of it while others had to look recycles it with its next token.
      if (!died) victim.be()
      new CancelSource({ region }).dispose()
      expect(nodesInUse(Agent.of(region))).toBeLessThanOrEqual(died && !late ? 1 : 0)
      expect([survivor.agent.slab.used, other.agent.slab.used]).toEqual([0, 0])
      return died
    })
  })

  test('dispose of a child: its siblings and its parent go on', async () => {
    for (const which of [0, 1, 2]) {
      const deaths = await atEveryOperation(async (n) => {
        const { region, survivor, other, victim } = stage()
        survivor.be()
        const root = new CancelSource({ region })
        const children = [root.token.child(), root.token.child(), root.token.child()]
        const source = CancelSource.at(region, children[which]!.at)
        const died = victim.dieAt(n, () => source.dispose())
        if (died) survivor.reap(victim)
        other.be()
        const late = died && !children[which]!.isDisposed
        if (late) children[which]!.dispose()
        const more = root.token.child()
        const left = [...children.filter((_, index) => index !== which), more]
        left.shift()!.dispose()
        root.cancel('all')
        expect(
          left.map((child) => child.token.reason),
          `killed at ${n}`,
        ).toEqual(['all', 'all'])
        for (const child of left) child.dispose()
        survivor.be()
        root.dispose()
        expect(nodesInUse(Agent.of(region))).toBeLessThanOrEqual(died && !late ? 1 : 0)
        return died
      })
      expect(deaths).toBeGreaterThan(30)
    }
  })

  test('child(): its parent and siblings go on', async () => {
    await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const root = new CancelSource({ region })
      const former = root.token.child()
      const died = victim.dieAt(n, () => root.token.child())
      if (died) survivor.reap(victim)
      other.be()
      const next = root.token.child()
      former.dispose()
      root.cancel('all')
      expect(next.token.reason, `killed at ${n}`).toBe('all')
      next.dispose()
      root.dispose()
      expect(nodesInUse(Agent.of(region))).toBeLessThanOrEqual(1)
      return died
    })
  })

  test('any(), and its disposal', async () => {
    await atEveryOperation(async (n) => {
      const { region, survivor, other, victim } = stage()
      survivor.be()
      const sources = [new CancelSource({ region }), new CancelSource({ region }), new CancelSource({ region })]
      const tokens = sources.map((source) => source.token)
      const kept = CancelToken.any(tokens)
      const died = victim.dieAt(n, () => CancelToken.any(tokens).dispose())
      if (died) survivor.reap(victim)
      other.be()
      sources[0]!.dispose()
      sources[2]!.cancel('last')
      expect(kept.reason, `killed at ${n}`).toBe('last')
      kept.dispose()
      sources[1]!.dispose()
      sources[2]!.dispose()
      expect(nodesInUse(Agent.of(region))).toBeLessThanOrEqual(3)
      return died
    })
  })

  test('onCancel and taking it off', async () => {
    await atEveryOperation(async (n) => {
      const { region, survivor, victim } = stage()
      survivor.be()
      const root = new CancelSource({ region })
      let called = 0
      root.token.onCancel(() => called++)
      const token = same(root.token)
      const died = victim.dieAt(n, () => token.onCancel(() => expect.unreachable())())
      if (died) survivor.reap(victim)
      survivor.be()
      root.cancel()
      expect(called, `killed at ${n}`).toBe(1)
      root.dispose()
      expect(nodesInUse(Agent.of(region))).toBe(0)
      expect(survivor.agent.slab.used).toBe(0)
      return died
    })
  })

  test('a reaper that finishes a cancel', async () => {
    // The first dies half-way through its cancel; who reaps it dies at every operation of that.
    for (const half of [30, 60, 90]) {
      await atEveryOperation(async (n) => {
        const { region, survivor, other, victim } = stage()
        survivor.be()
        const root = new CancelSource({ region })
        const children = [root.token.child(), root.token.child()]
        const tokens = [root, ...children].map((one) => one.token)
        const ended: unknown[] = []
        for (const token of tokens) wait(token, ended)
        const source = CancelSource.at(region, root.at)
        if (!victim.dieAt(half, () => source.cancel())) return false
        const died = other.dieAt(n, () => void other.reap(victim))
        if (died) survivor.reap(other)
        // When it died before it had begun, nobody has declared the first one dead yet.
        survivor.reap(victim)
        survivor.be()
        const cancelled = root.token.isCancelled
        expect(
          tokens.map((token) => token.isCancelled),
          `killed at ${half}, ${n}`,
        ).toEqual(tokens.map(() => cancelled))
        root.cancel()
        await settled()
        expect(ended.length).toBe(3)
        survivor.be()
        for (const one of [...children, root]) one.dispose()
        expect(nodesInUse(Agent.of(region))).toBe(0)
        expect(survivor.agent.slab.used).toBe(0)
        return died
      })
    }
  })
})
