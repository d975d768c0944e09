/**
 * What a terminated worker of Deno still does. The first test shows the engine's defect: when it fails, Deno has mended it, and the
 * Web Locks of this package can go.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { runModule } from '../../../tests/conformance/run-suite.mjs'
import { denoRuntime } from '../../../tests/conformance/runtimes.mjs'

interface Found {
  raw: { woken: number }
  heddle: Record<'sleeping' | 'computing', { code: string; woken: number; ran: number }>
}

const runtime = denoRuntime()

describe.skipIf(runtime === undefined)('a terminated worker on Deno', () => {
  let found: Found
  beforeAll(async () => {
    const { out, errors } = await runModule(runtime!, new URL('programs/terminate.mjs', import.meta.url), [], { limit: 100_000 })
    expect(out, errors).not.toBe('')
    found = JSON.parse(out) as Found
  }, 120_000)

  it('sleeps on, when it is the program’s own, and swallows a notify', () => {
    expect(found.raw).toEqual({ woken: 1 })
  })

  it('has ended, when it is heddle’s', () => {
    expect(found.heddle.sleeping).toEqual({ code: 'ERR_SHUTDOWN', woken: 0, ran: 0 })
    expect(found.heddle.computing).toMatchObject({ code: 'ERR_SHUTDOWN', woken: 0 })
    // A thread that was off its processor all the time sees that it is to stop after the operation at hand.
    expect(found.heddle.computing.ran).toBeLessThanOrEqual(2)
  })
})
