import { assert, withExecutor, work } from './scenario.mjs'

await withExecutor({ workers: 2 }, async (executor) => {
  assert.equal(await executor.run(work.add, 1, 2), 3)
  assert.equal(await executor.run(work.nothing), undefined)
  assert.deepEqual(await executor.run(work.describe, 1.5, -0, NaN, undefined), ['number:1.5', '-0', 'number:NaN', 'undefined:undefined'])
  assert.deepEqual(await executor.run(work.describe, null, true, false), ['object:null', 'boolean:true', 'boolean:false'])
  assert.deepEqual(await executor.run(work.list, 1, 2, 3, 4, 5, 6), [1, 2, 3, 4, 5, 6])
  for (const value of [-0, 2 ** 53, -Infinity, null, undefined, true, false, '', 'ä€😀', 12n ** 40n])
    assert.ok(Object.is(await executor.run(work.echo, value), value), String(value))
  const values = [
    { a: { b: Array(3) } },
    new Map([[{ k: 1 }, new Set([1n])]]),
    new Date(5),
    /x+/giu,
    new Uint8Array([1, 2, 3]),
    'y'.repeat(100_000),
    new Float64Array(5000).fill(0.5),
  ]
  for (const value of values) assert.deepEqual(await executor.run(work.echo, value), value)
  const cycle = { name: 'cycle' }
  cycle.self = cycle
  const back = await executor.run(work.echo, cycle)
  assert.equal(back.self, back)
  assert.equal(await executor.run(work.later, 'late'), 'late')
  const many = await Promise.all(Array.from({ length: 5000 }, (_, i) => executor.run(work.add, i, 1)))
  assert.deepEqual(
    many,
    Array.from({ length: 5000 }, (_, i) => i + 1),
  )
})
