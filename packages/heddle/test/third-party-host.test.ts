/** A host that is none of heddle's, in `programs/third-party-host.mjs`: what a port to another platform has to write is enough. */
import { expect, it } from 'vitest'
import { runModule } from '../../../tests/conformance/run-suite.mjs'
import { nodeRuntime } from '../../../tests/conformance/runtimes.mjs'

it('runs an executor on a host that a third party wrote', async () => {
  const { out, code, killed, errors } = await runModule(nodeRuntime(), new URL('programs/third-party.mjs', import.meta.url))
  expect({ code, killed }, errors).toEqual({ code: 0, killed: false })
  expect(JSON.parse(out)).toEqual({
    found: [3, 'x', 'locked', ['ERR_WORKER_CRASHED', expect.stringContaining('exit code 3') as string], 7],
    started: 2,
    held: true,
  })
})
