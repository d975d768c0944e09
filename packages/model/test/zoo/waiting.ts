import { assert, Lock, type Specimen, words } from './specimen.js'

/** A condition variable that reads its sequence word after it gave up the lock. */
export const notifyOutsideLock: Specimen = {
  name: 'notify that falls between unlock and wait',
  kind: 'lost-wake',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(3)
      const lock = new Lock(view, 0)
      const [FLAG, SEQUENCE] = [1, 2]
      spawn(
        () => {
          lock.lock()
          while (shared.get(view, FLAG) === 0) {
            let seen = Atomics.load(view, SEQUENCE)
            lock.unlock()
            if (!correct) seen = Atomics.load(view, SEQUENCE)
            Atomics.wait(view, SEQUENCE, seen)
            lock.lock()
          }
          lock.unlock()
        },
        { until: () => view[FLAG] === 1 },
      )
      spawn(() => {
        lock.lock()
        shared.set(view, FLAG, 1)
        lock.unlock()
        Atomics.add(view, SEQUENCE, 1)
        Atomics.notify(view, SEQUENCE)
      })
    },
}

/** After a wake, the condition is taken for granted. */
export const waitWithoutRecheck: Specimen = {
  name: 'check, then wait, without a second check',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          for (;;) {
            const items = Atomics.load(view, 0)
            if (items > 0 && Atomics.compareExchange(view, 0, items, items - 1) === items) return
            if (items > 0) continue
            Atomics.wait(view, 0, 0)
            if (correct) continue
            const before = Atomics.sub(view, 0, 1)
            assert(before > 0, 'took an item that is not there')
            return
          }
        })
      }
      spawn(() => {
        for (let i = 0; i < 2; i++) {
          Atomics.add(view, 0, 1)
          Atomics.notify(view, 0)
        }
      })
    },
}

/** A store without a notify where somebody may sleep. */
export const storeWithoutNotify: Specimen = {
  name: 'store without notify',
  kind: 'lost-wake',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      spawn(() => {
        while (Atomics.load(view, 0) === 0) Atomics.wait(view, 0, 0)
      })
      spawn(() => {
        Atomics.store(view, 0, 1)
        if (correct) Atomics.notify(view, 0)
      })
    },
}

/** A barrier for two rounds that counts down and up on one word, without a generation. */
export const barrier: Specimen = {
  name: 'barrier that resets too early',
  kind: 'deadlock',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(2)
      const [COUNT, GENERATION] = [0, 1]
      const arrive = (): void => {
        const generation = Atomics.load(view, GENERATION)
        if (Atomics.add(view, COUNT, 1) === 1) {
          Atomics.store(view, COUNT, 0)
          Atomics.add(view, GENERATION, 1)
          Atomics.notify(view, correct ? GENERATION : COUNT)
        } else if (correct) while (Atomics.load(view, GENERATION) === generation) Atomics.wait(view, GENERATION, generation)
        else for (let count = Atomics.load(view, COUNT); count !== 0; count = Atomics.load(view, COUNT)) Atomics.wait(view, COUNT, count)
      }
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          arrive()
          arrive()
        })
      }
    },
}

/** A waiter that times out after it was given a permit leaves it where nobody looks. */
export const semaphoreTimeout: Specimen = {
  name: 'semaphore that loses a permit on timeout',
  kind: 'assertion',
  options: { timeouts: true },
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(2)
      const [PERMITS, SLOT] = [0, 1] // the slot: 0 nobody waits, 1 somebody waits, 2 a permit was handed to him
      const acquirer = spawn(() => {
        Atomics.store(view, SLOT, 1)
        if (Atomics.wait(view, SLOT, 1, 10) === 'timed-out') {
          const former = Atomics.exchange(view, SLOT, 0)
          if (former === 2 && correct) Atomics.add(view, PERMITS, 1)
          return 0
        }
        Atomics.store(view, SLOT, 0)
        return 1
      })
      spawn(() => {
        if (Atomics.compareExchange(view, SLOT, 1, 2) === 1) Atomics.notify(view, SLOT)
        else Atomics.add(view, PERMITS, 1)
      })
      return () => assert(acquirer.result + view[PERMITS]! === 1, 'the permit is gone')
    },
}

/** `waitAsync` on a word that others wait on too: given up, it still takes the one notify. */
export const abandonedWaitAsync: Specimen = {
  name: 'abandoned waitAsync that swallows a notify',
  kind: 'lost-wake',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      spawn(
        () => {
          // Waits with a deadline of its own, and gives up: nothing can take the waiter back.
          const outcome = Atomics.waitAsync(view, 0, 0)
          if (outcome.async) void outcome.value.then(() => undefined)
        },
        { loop: 'idle' },
      )
      spawn(() => {
        while (Atomics.load(view, 0) === 0) Atomics.wait(view, 0, 0)
      })
      spawn(() => {
        Atomics.store(view, 0, 1)
        Atomics.notify(view, 0, correct ? Infinity : 1)
      })
    },
}

/** A worker looks for work, finds none, says that it sleeps, and sleeps; the submitter looks whether it sleeps before it submits. */
export const parkedWorker: Specimen = {
  name: 'parked worker that misses a submit',
  kind: 'lost-wake',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(3)
      const [TASKS, MODE, WAKE] = [0, 1, 2]
      spawn(() => {
        while (Atomics.load(view, TASKS) === 0) {
          const seen = Atomics.load(view, WAKE)
          Atomics.store(view, MODE, 1)
          if (Atomics.load(view, TASKS) === 0) Atomics.wait(view, WAKE, seen)
          Atomics.store(view, MODE, 0)
        }
      })
      spawn(() => {
        const sleeps = Atomics.load(view, MODE)
        Atomics.add(view, TASKS, 1)
        if (correct ? Atomics.load(view, MODE) === 1 : sleeps === 1) {
          Atomics.add(view, WAKE, 1)
          Atomics.notify(view, WAKE)
        } else if (!correct) Atomics.add(view, WAKE, 1)
      })
    },
}

/** The last one to count down looks at the count a second time. */
export const latch: Specimen = {
  name: 'latch that nobody opens',
  kind: 'lost-wake',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(2)
      const [COUNT, OPEN] = [0, 1]
      Atomics.store(view, COUNT, 2)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const before = Atomics.load(view, COUNT)
          const last = correct ? Atomics.sub(view, COUNT, 1) === 1 : (Atomics.sub(view, COUNT, 1), before === 1)
          if (!last) return
          Atomics.store(view, OPEN, 1)
          Atomics.notify(view, OPEN)
        })
      }
      spawn(
        () => {
          while (Atomics.load(view, COUNT) > 0) {
            const open = Atomics.load(view, OPEN)
            if (open === 0) Atomics.wait(view, OPEN, 0)
          }
        },
        { until: () => view[COUNT] === 0 },
      )
    },
}
/** A bounded buffer of one: producers and consumers sleep on one word, and one of them is woken. */
export const oneCondition: Specimen = {
  name: 'two conditions on one word, one notify',
  kind: 'lost-wake',
  options: { preemptions: 1 },
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(2)
      const [FULL, SEQUENCE] = [0, 1]
      const change = (from: number): void => {
        for (;;) {
          const seen = Atomics.load(view, SEQUENCE)
          if (Atomics.compareExchange(view, FULL, from, 1 - from) === from) break
          Atomics.wait(view, SEQUENCE, seen)
        }
        Atomics.add(view, SEQUENCE, 1)
        Atomics.notify(view, SEQUENCE, correct ? Infinity : 1)
      }
      for (const from of [1, 1, 0]) spawn(() => change(from), { name: from === 0 ? 'producer 1' : 'consumer' })
      spawn(() => change(0), { name: 'producer 2' })
    },
}

/** Initialisation that fails, and leaves the next one waiting. */
export const once: Specimen = {
  name: 'once whose initialiser fails',
  kind: 'deadlock',
  build:
    (correct) =>
    ({ spawn, choose }) => {
      const view = words(1)
      const [NEW, RUNNING, DONE] = [0, 1, 2]
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          for (;;) {
            const state = Atomics.compareExchange(view, 0, NEW, RUNNING)
            if (state === DONE) return
            if (state === RUNNING) {
              Atomics.wait(view, 0, RUNNING)
              continue
            }
            const fails = choose(2) === 1
            if (fails && !correct) return
            Atomics.store(view, 0, fails ? NEW : DONE)
            Atomics.notify(view, 0)
            return
          }
        })
      }
    },
}

/** Waits for something that nobody does. */
export const spinForever: Specimen = {
  name: 'spin on a flag that is taken back',
  kind: 'livelock',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      spawn(() => {
        while (Atomics.load(view, 0) === 0);
      })
      spawn(() => {
        Atomics.store(view, 0, 1)
        if (!correct) Atomics.store(view, 0, 0)
      })
    },
}

/** A signal ends the wait of one who was given a permit at the same moment. */
export const abortedAcquire: Specimen = {
  name: 'semaphore that loses a permit on abort',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn, abortSignal }) => {
      const view = words(3)
      const [PERMITS, SLOT, TAKEN] = [0, 1, 2] // the slot: 0 nobody waits, 1 somebody waits, 2 a permit was handed to him
      spawn(() => {
        let over = false
        const take = (): void => {
          if (over) return
          over = true
          Atomics.store(view, SLOT, 0)
          Atomics.store(view, TAKEN, 1)
        }
        Atomics.store(view, SLOT, 1)
        abortSignal().addEventListener('abort', () => {
          if (over) return
          over = true
          if (Atomics.exchange(view, SLOT, 0) === 2 && correct) Atomics.add(view, PERMITS, 1)
          Atomics.notify(view, SLOT)
        })
        const outcome = Atomics.waitAsync(view, SLOT, 1)
        if (outcome.async) void outcome.value.then(take)
        else take()
      })
      spawn(() => {
        if (Atomics.compareExchange(view, SLOT, 1, 2) === 1) Atomics.notify(view, SLOT)
        else Atomics.add(view, PERMITS, 1)
      })
      return () => assert(view[TAKEN]! + view[PERMITS]! === 1, 'the permit is gone')
    },
}
