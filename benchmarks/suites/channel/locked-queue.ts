/** What people write without channels: a ring under a mutex, with two condition variables. */
import type { Region } from '@heddle/atomics'
import { Condvar, Mutex } from '@heddle/sync'

/** Words of the queue's own memory: how many were pushed, how many popped, then the values. */
const PUSHED = 0
const POPPED = 1
const VALUES = 2

export interface QueueHandles {
  at: number
  capacity: number
  mutex: number
  room: number
  values: number
}

export class LockedQueue {
  private readonly first: number
  private constructor(
    private readonly region: Region,
    readonly handles: QueueHandles,
    private readonly mutex: Mutex,
    private readonly room: Condvar,
    private readonly values: Condvar,
  ) {
    this.first = handles.at >> 2
  }

  static make(region: Region, capacity: number): LockedQueue {
    const mutex = new Mutex({ region })
    const room = new Condvar({ region })
    const values = new Condvar({ region })
    const handles = { at: region.alloc((VALUES + capacity) * 4), capacity, mutex: mutex.at, room: room.at, values: values.at }
    return new LockedQueue(region, handles, mutex, room, values)
  }

  static open(region: Region, handles: QueueHandles): LockedQueue {
    const { mutex, room, values } = handles
    return new LockedQueue(region, handles, Mutex.at(region, mutex), Condvar.at(region, room), Condvar.at(region, values))
  }

  push(value: number): void {
    const { region, first, handles } = this
    const { words } = region
    const guard = this.mutex.lock()
    this.room.waitWhile(guard, () => words[first + PUSHED]! - words[first + POPPED]! === handles.capacity)
    words[first + VALUES + (words[first + PUSHED]! % handles.capacity)] = value
    words[first + PUSHED]!++
    guard.release()
    this.values.notifyOne()
  }

  pop(): number {
    const { region, first, handles } = this
    const { words } = region
    const guard = this.mutex.lock()
    this.values.waitWhile(guard, () => words[first + PUSHED] === words[first + POPPED])
    const value = words[first + VALUES + (words[first + POPPED]! % handles.capacity)]!
    words[first + POPPED]!++
    guard.release()
    this.room.notifyOne()
    return value
  }
}
