// What the scenario of large payloads runs in workers.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { AtomicInt32 } from '@heddle/atomics'
import { currentThread, Executor, tasks } from '@heddle/executor'

/** Bytes that are not all alike, the same for the same size. */
export function make(size) {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i += 509) bytes[i] = i
  return bytes
}
export const isSame = (value, size) => value instanceof Uint8Array && Buffer.compare(value, make(size)) === 0

export const large = tasks(import.meta.url, {
  echo: (value) => value,
  make,
  size: (bytes) => bytes.length,
  *fiber(bytes) {
    yield
    return bytes
  },
  // Worker to worker and back, the one blocking.
  joins: (size) =>
    isSame(
      Executor.current()
        .spawn(large.echo, [make(size)])
        .join(),
      size,
    ),
  async runs(size) {
    return isSame(await Executor.current().run(large.echo, make(size)), size)
  },
  // Blocks until another worker has run it: this one has begun something else.
  joinsElsewhere(size) {
    const handle = Executor.current().spawnBlocking(large.make, [size])
    return isSame(handle.join(), size)
  },
  waits(flag) {
    while (flag.load() === 0);
  },
  exits: (_, code) => process.exit(code),
  // Dies with calls of its own: one that waits, one that may run.
  async abandons(size, flag) {
    const executor = Executor.current()
    executor.spawn(large.echo, [make(size)]).detach()
    executor.spawn(large.echo, [make(size)]).detach()
    flag.store(1)
    process.exit(3)
  },
  returnsTooMuch: () => new Uint8Array(2 ** 31),
  unshareable: (size) => [make(size), () => 1],
  serve() {
    currentThread().onMessage((message) => message.reply(message.payload))
  },
})

// A worker of the program's own.
if (!isMainThread && workerData?.foreign !== undefined) {
  const { nodeHost } = await import('@heddle/node')
  const { setHost } = await import('@heddle/park')
  setHost(nodeHost)
  const executor = Executor.fromHandle(workerData.foreign)
  const size = 20 << 20
  const joined = isSame(executor.spawn(large.echo, [make(size)]).join(), size)
  const ran = isSame(await executor.run(large.make, size), size)
  const flag = AtomicInt32.fromHandle(workerData.flag)
  executor.spawn(large.waits, [flag]).detach()
  executor.spawn(large.echo, [make(size)]).detach()
  parentPort.postMessage([joined, ran])
  await new Promise((resolve) => parentPort.once('message', resolve))
  await executor.shutdown()
}
