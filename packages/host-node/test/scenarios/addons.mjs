import { assert, withExecutor } from './scenario.mjs'
import { native, newBox } from './native.mjs'

// Of IEEE 802.3.
const CRC = 0xcbf43926
for (let round = 0; round < 3; round++) {
  await withExecutor({ workers: 2 }, async (executor) => {
    const box = newBox(2)
    assert.deepEqual(await Promise.all([executor.run(native.crc, '123456789', box), executor.run(native.crc, '123456789', box)]), [CRC, CRC])
    assert.ok((await executor.run(native.addons)) > 0, 'it is an addon that computed this')
  })
}
