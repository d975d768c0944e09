/** The other of two threads on one lock. */
import { parentPort, workerData } from 'node:worker_threads'
import { AtomicInt32, type Handle, Region } from '@heddle/atomics'
import { limits } from '@heddle/atomics/ops'
import { Barrier, Condvar, Event, Mutex, RwLock, Semaphore } from '@heddle/sync'
import { rivalMutex } from '../suites/sync/rival.js'
import { type Locks, roles } from '../suites/sync/roles.js'

const { role, spin, data, buffer, rivalBuffer, handles } = workerData as {
  role: keyof typeof roles
  spin: boolean
  rivalBuffer: SharedArrayBuffer
  data: number
  buffer: SharedArrayBuffer
  handles: Record<string, Handle>
}
if (!spin) limits.spin = 0
const locks: Locks = {
  words: Region.attach(buffer).words,
  data,
  turn: AtomicInt32.fromHandle(handles['turn']!),
  go: AtomicInt32.fromHandle(handles['go']!),
  ready: AtomicInt32.fromHandle(handles['ready']!),
  mutex: Mutex.fromHandle(handles['mutex']!),
  rw: RwLock.fromHandle(handles['rw']!),
  condvar: Condvar.fromHandle(handles['condvar']!),
  barrier: Barrier.fromHandle(handles['barrier']!),
  semaphore: Semaphore.fromHandle(handles['semaphore']!),
  semaphore0: Semaphore.fromHandle(handles['semaphore0']!),
  semaphore1: Semaphore.fromHandle(handles['semaphore1']!),
  event0: Event.fromHandle(handles['event0']!),
  event1: Event.fromHandle(handles['event1']!),
  ...(role === 'rival' && { rival: await rivalMutex(rivalBuffer) }),
}
parentPort!.postMessage('ready')
for (;;) {
  const sections = locks.go.exchange(0)
  if (sections < 0) break
  if (sections === 0) continue
  roles[role](locks, sections, 1)
  locks.ready.store(1)
}
// What a rival listens to would keep the thread alive.
process.exit()
