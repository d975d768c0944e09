// Native addons inside tasks: each worker loads its own instance, also after another worker with one has ended.
import { createRequire } from 'node:module'
import { AtomicInt32 } from '@heddle/atomics'
import { tasks } from '@heddle/executor'
import { crc32 } from '@node-rs/crc32'

const require = createRequire(import.meta.url)
export const native = tasks(import.meta.url, {
  crc(text, box) {
    box.count.add(1)
    // Until all of them are here, on a thread each.
    while (box.count.load() < box.want);
    return crc32(text)
  },
  /** Files of addons that this worker has loaded. */
  addons: () => Object.keys(require.cache).filter((file) => file.endsWith('.node')).length,
})
export const newBox = (want) => ({ count: new AtomicInt32(), want })
