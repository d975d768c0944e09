/** The other of two threads on one lock. */
import { parentPort, workerData } from 'node:worker_threads'
import { AtomicInt32, type Handle, Region } from '@heddle/atomics'
import { Barrier, Condvar, Mutex, RwLock, Semaphore } from '@heddle/sync'
import { type Locks, roles } from '../suites/sync/roles.js'

const { role, data, buffer, handles } = workerData as {
  role: keyof typeof roles
  data: number
  buffer: SharedArrayBuffer
  handles: Record<string, Handle>
}
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
}
parentPort!.postMessage('ready')
for (;;) {
  const sections = locks.go.exchange(0)
  if (sections < 0) break
  if (sections === 0) continue
  roles[role](locks, sections, 1)
  locks.ready.store(1)
}
