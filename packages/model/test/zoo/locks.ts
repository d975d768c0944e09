import { assert, Lock, type Specimen, words } from './specimen.js'

/** Drepper's mutex: a woken waiter that takes the lock as 1 forgets that others still wait. */
export const drepper: Specimen = {
  name: 'Drepper mutex that re-acquires as 1',
  kind: 'lost-wake',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      for (let i = 0; i < 3; i++) {
        spawn(() => {
          let state = Atomics.compareExchange(view, 0, 0, 1)
          if (state !== 0) {
            if (state !== 2) state = Atomics.exchange(view, 0, 2)
            while (state !== 0) {
              Atomics.wait(view, 0, 2)
              state = correct ? Atomics.exchange(view, 0, 2) : Atomics.compareExchange(view, 0, 0, 1) === 0 ? 0 : Atomics.exchange(view, 0, 2)
            }
          }
          if (Atomics.exchange(view, 0, 0) === 2) Atomics.notify(view, 0, 1)
        })
      }
    },
}

/** Test, then set: two steps where one is needed. */
export const testThenSet: Specimen = {
  name: 'spin lock that tests, then sets',
  kind: 'race',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(2)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          if (correct) while (Atomics.compareExchange(view, 0, 0, 1) !== 0);
          else {
            while (Atomics.load(view, 0) !== 0);
            Atomics.store(view, 0, 1)
          }
          shared.set(view, 1, shared.get(view, 1) + 1)
          Atomics.store(view, 0, 0)
        })
      }
      return () => assert(view[1] === 2, 'an increment was lost')
    },
}

/** Peterson's lock with the two writes of its entry swapped. */
export const peterson: Specimen = {
  name: 'Peterson with swapped writes',
  kind: 'race',
  options: { preemptions: Infinity },
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(4)
      const TURN = 2
      for (let me = 0; me < 2; me++) {
        spawn(() => {
          const other = 1 - me
          if (correct) Atomics.store(view, me, 1)
          Atomics.store(view, TURN, other)
          if (!correct) Atomics.store(view, me, 1)
          while (Atomics.load(view, other) === 1 && Atomics.load(view, TURN) === other);
          shared.set(view, 3, shared.get(view, 3) + 1)
          Atomics.store(view, me, 0)
        })
      }
    },
}

/** A ticket lock whose ticket is taken by a load and a store. */
export const ticketLock: Specimen = {
  name: 'ticket lock with a torn ticket',
  kind: 'livelock',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(3)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          let ticket: number
          if (correct) ticket = Atomics.add(view, 0, 1)
          else {
            ticket = Atomics.load(view, 0)
            Atomics.store(view, 0, ticket + 1)
          }
          while (Atomics.load(view, 1) !== ticket);
          shared.set(view, 2, shared.get(view, 2) + 1)
          Atomics.add(view, 1, 1)
        })
      }
    },
}

/** Two locks, taken in opposite order. */
export const lockOrder: Specimen = {
  name: 'two locks in opposite order',
  kind: 'deadlock',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(2)
      const locks = [new Lock(view, 0), new Lock(view, 1)]
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const [first, second] = i === 0 || correct ? locks : [locks[1], locks[0]]
          first!.lock()
          second!.lock()
          second!.unlock()
          first!.unlock()
        })
      }
    },
}

/** Three philosophers who all take the left fork first. */
export const philosophers: Specimen = {
  name: 'dining philosophers',
  kind: 'deadlock',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(3)
      const forks = [0, 1, 2].map((at) => new Lock(view, at))
      for (let i = 0; i < 3; i++) {
        spawn(() => {
          let left = i
          let right = (i + 1) % 3
          if (correct && left > right) [left, right] = [right, left]
          forks[left]!.lock()
          forks[right]!.lock()
          forks[right]!.unlock()
          forks[left]!.unlock()
        })
      }
    },
}

/** Readers are counted by add and sub; a reader that was refused gives back what it never took. */
export const rwLock: Specimen = {
  name: 'RwLock whose reader count underflows',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      const WRITER = 1 << 30
      const tryRead = (): boolean => {
        for (;;) {
          const state = Atomics.load(view, 0)
          if ((state & WRITER) !== 0) return false
          if (Atomics.compareExchange(view, 0, state, state + 1) === state) return true
        }
      }
      spawn(() => {
        if (Atomics.compareExchange(view, 0, 0, WRITER) === 0) Atomics.and(view, 0, ~WRITER)
      })
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const reads = tryRead()
          if (reads || !correct) {
            const before = Atomics.sub(view, 0, 1)
            assert((before & ~WRITER) > 0, 'the reader count went below zero')
          }
        })
      }
      return () => assert(view[0] === 0, 'the lock is not free in the end')
    },
}

/** A lock whose owner dies, with and without somebody who gives it back. */
export const deadOwner: Specimen = {
  name: 'lock of a dead owner',
  kind: 'deadlock',
  options: { deaths: true },
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      for (let me = 1; me <= 2; me++) {
        spawn(() => {
          for (let owner = Atomics.compareExchange(view, 0, 0, me); owner !== 0; owner = Atomics.compareExchange(view, 0, 0, me))
            Atomics.wait(view, 0, owner)
          Atomics.store(view, 0, 0)
          Atomics.notify(view, 0)
        })
      }
      spawn(
        (dead) => {
          if (correct) Atomics.compareExchange(view, 0, dead + 1, 0)
          Atomics.notify(view, 0)
        },
        { reaper: true },
      )
    },
}

/** The reaper frees the lock but forgets that the dead one may have been about to wake somebody. */
export const deadWaker: Specimen = {
  name: 'owner that dies between release and wake',
  kind: 'lost-wake',
  options: { deaths: true },
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      for (let me = 1; me <= 2; me++) {
        spawn(() => {
          for (let owner = Atomics.compareExchange(view, 0, 0, me); owner !== 0; owner = Atomics.compareExchange(view, 0, 0, me))
            Atomics.wait(view, 0, owner)
          Atomics.store(view, 0, 0)
          Atomics.notify(view, 0)
        })
      }
      spawn(
        (dead) => {
          const freed = Atomics.compareExchange(view, 0, dead + 1, 0) === dead + 1
          if (freed || correct) Atomics.notify(view, 0)
        },
        { reaper: true },
      )
    },
}

/** An early return that leaves a lock held: everybody finishes all the same. */
export const leftLocked: Specimen = {
  name: 'early return with the lock held',
  kind: 'leak',
  build:
    (correct) =>
    ({ spawn, leaks }) => {
      const view = words(2)
      leaks(() => (view[0] === 0 ? undefined : 'the lock is held'))
      spawn(() => {
        if (Atomics.compareExchange(view, 0, 0, 1) !== 0) return
        if (Atomics.load(view, 1) === 1 && !correct) return
        Atomics.store(view, 0, 0)
      })
      spawn(() => Atomics.store(view, 1, 1))
    },
}
