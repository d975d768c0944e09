import { Region } from '@heddle/atomics'
import { assert, withExecutor, work } from './scenario.mjs'

const region = Region.create({ bytes: 256 << 20 })
await withExecutor({ workers: 1, region }, async (executor) => {
  const before = region.stats().used
  const bytes = new Uint8Array(32 << 20).map((_, i) => i * 31)
  const back = await executor.run(work.echo, bytes)
  assert.ok(Buffer.compare(back, bytes) === 0)
  // The large block is given back with its call.
  assert.ok(region.stats().used - before < 1 << 20)
  await assert.rejects(async () => executor.run(work.echo, new Uint8Array(300 << 20)), { code: 'ERR_REGION_FULL' })
  assert.equal(await executor.run(work.echo, 'after'), 'after')
})
