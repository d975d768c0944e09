/** What heddle says of the platform that it runs on, and that it leaves it alone. */
import { adopt, AtomicInt32, capabilities, currentAgent, isMainThread, setHost } from 'heddle'
import * as heddle from 'heddle'
import { equal, ok, throws } from './assert.mjs'

export const cases = [
  {
    name: 'knows its runtime, and misses nothing that it needs',
    run({ runtime }) {
      const found = capabilities()
      equal(found.runtime, runtime)
      equal([found.sharedMemory, found.crossOriginIsolated, found.canBlock], [true, true, runtime !== 'browser'])
      ok(found.parallelism >= 1, 'a processor')
      equal(isMainThread, true)
      equal(currentAgent().canBlock, found.canBlock)
    },
  },
  {
    name: 'picks the host of its runtime',
    run({ runtime }) {
      const host = heddle[`${runtime}Host`]
      equal(host?.name, runtime)
      equal(host.threadId(), 0)
      setHost(host)
      throws(() => host.adoptWorker({}), undefined)
      ok(adopt !== undefined, 'adopt')
    },
  },
  {
    name: 'counts across agents and objects of one place',
    run() {
      const cell = new AtomicInt32()
      const same = AtomicInt32.fromHandle(structuredClone(cell.toHandle()))
      same.add(1)
      equal(cell.load(), 1)
      cell.dispose()
      throws(() => AtomicInt32.fromHandle(same.toHandle()), 'ERR_DISPOSED')
    },
  },
].map((one) => ({ group: 'platform', ...one }))
