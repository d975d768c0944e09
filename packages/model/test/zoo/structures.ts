import { assert, type Specimen, words } from './specimen.js'

/** Pops the head of a free stack by its index alone. */
export const abaStack: Specimen = {
  name: 'free stack without a tag (ABA)',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      // Word 0: head (index + 1 of a node, tag above); words 1 … 3: next.
      const view = words(4)
      view[0] = 1
      view[1] = 2
      view[2] = 3
      const pop = (): number => {
        for (;;) {
          const head = Atomics.load(view, 0)
          const node = head & 0xff
          if (node === 0) return 0
          const next = Atomics.load(view, node)
          if (Atomics.compareExchange(view, 0, head, next | (correct ? (head + 256) & ~0xff : 0)) === head) return node
        }
      }
      const push = (node: number): void => {
        for (;;) {
          const head = Atomics.load(view, 0)
          Atomics.store(view, node, head & 0xff)
          if (Atomics.compareExchange(view, 0, head, node | (correct ? (head + 256) & ~0xff : 0)) === head) return
        }
      }
      const first = spawn(() => [pop()])
      const second = spawn(() => {
        const a = pop()
        const b = pop()
        if (a !== 0) push(a)
        return [b, pop()]
      })
      return () => {
        const taken = [...first.result, ...second.result].filter((node) => node !== 0)
        assert(new Set(taken).size === taken.length, `one node was popped twice: ${taken.join()}`)
      }
    },
}

/** A Treiber stack that publishes its new head by a store. */
export const treiber: Specimen = {
  name: 'Treiber stack that stores its head',
  kind: 'not-linearizable',
  build:
    (correct) =>
    ({ spawn, linearize }) => {
      const view = words(4)
      const stack = linearize(
        () => {
          const items: number[] = []
          return { push: (value: number) => void items.push(value), pop: () => items.pop() ?? 0, items }
        },
        {
          push: (value: number) => {
            for (;;) {
              const head = Atomics.load(view, 0)
              Atomics.store(view, value, head)
              if (!correct) {
                Atomics.store(view, 0, value)
                return
              }
              if (Atomics.compareExchange(view, 0, head, value) === head) return
            }
          },
          pop: () => {
            for (;;) {
              const head = Atomics.load(view, 0)
              if (head === 0 || Atomics.compareExchange(view, 0, head, Atomics.load(view, head)) === head) return head
            }
          },
        },
      )
      spawn(() => stack.push(1))
      spawn(() => {
        stack.push(2)
        stack.pop()
        return stack.pop()
      })
    },
}

/** A queue's length that is read in two steps. */
export const torn: Specimen = {
  name: 'length from two loads',
  kind: 'not-linearizable',
  build:
    (correct) =>
    ({ spawn, linearize }) => {
      const view = words(2)
      const counter = linearize(
        () => {
          let value = 0
          return {
            up: () => void value++,
            move: () => void 0,
            read: () => value,
            get state() {
              return value
            },
          }
        },
        {
          up: () => void Atomics.add(view, 0, 1),
          // Moves one from the first word to the second: the sum stays.
          move: () => {
            Atomics.add(view, 1, 1)
            Atomics.sub(view, 0, 1)
          },
          read: () => {
            for (;;) {
              const second = Atomics.load(view, 1)
              const first = Atomics.load(view, 0)
              if (!correct || Atomics.load(view, 1) === second) return first + second - (correct && first + second > 1 ? 1 : 0)
            }
          },
        },
      )
      spawn(() => {
        counter.up()
        counter.move()
      })
      spawn(() => counter.read())
    },
}

/** Reads the value between two looks at the version, or after one. */
export const seqLock: Specimen = {
  name: 'seqlock without the second read',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(3)
      spawn(() => {
        Atomics.add(view, 0, 1)
        Atomics.store(view, 1, 7)
        Atomics.store(view, 2, 7)
        Atomics.add(view, 0, 1)
      })
      spawn(() => {
        for (;;) {
          const version = Atomics.load(view, 0)
          if (version & 1) continue
          const a = Atomics.load(view, 1)
          const b = Atomics.load(view, 2)
          if (correct && Atomics.load(view, 0) !== version) continue
          assert(a === b, `torn: ${a}, ${b}`)
          return
        }
      })
    },
}

/** The ring's tail moves before the item is in its slot. */
export const spscRing: Specimen = {
  name: 'SPSC ring that publishes before it writes',
  kind: 'race',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(4)
      const [HEAD, TAIL, SLOTS] = [0, 1, 2]
      spawn(() => {
        for (let i = 0; i < 3; i++) {
          while (i - Atomics.load(view, HEAD) === 2);
          if (!correct) Atomics.store(view, TAIL, i + 1)
          shared.set(view, SLOTS + (i & 1), i + 10)
          if (correct) Atomics.store(view, TAIL, i + 1)
        }
      })
      spawn(() => {
        for (let i = 0; i < 3; i++) {
          while (Atomics.load(view, TAIL) === i);
          assert(shared.get(view, SLOTS + (i & 1)) === i + 10, `item ${i} is not what was sent`)
          Atomics.store(view, HEAD, i + 1)
        }
      })
    },
}

/** Vyukov's bounded queue of two: the consumer frees a slot for the wrong lap. */
export const vyukov: Specimen = {
  name: 'Vyukov ring with a wrong lap',
  kind: 'livelock',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(6)
      const [HEAD, TAIL, SEQUENCES, VALUES] = [0, 1, 2, 4]
      view[SEQUENCES + 1] = 1
      const send = (value: number): void => {
        for (;;) {
          const at = Atomics.load(view, TAIL)
          if (Atomics.load(view, SEQUENCES + (at & 1)) !== at || Atomics.compareExchange(view, TAIL, at, at + 1) !== at) continue
          shared.set(view, VALUES + (at & 1), value)
          Atomics.store(view, SEQUENCES + (at & 1), at + 1)
          return
        }
      }
      const receive = (): number => {
        for (;;) {
          const at = Atomics.load(view, HEAD)
          if (Atomics.load(view, SEQUENCES + (at & 1)) !== at + 1 || Atomics.compareExchange(view, HEAD, at, at + 1) !== at) continue
          const value = shared.get(view, VALUES + (at & 1))
          Atomics.store(view, SEQUENCES + (at & 1), at + (correct ? 2 : 1))
          return value
        }
      }
      spawn(() => {
        for (let i = 1; i <= 3; i++) send(i)
      })
      const receiver = spawn(() => [receive(), receive(), receive()])
      return () => assert(receiver.result.join() === '1,2,3', `received ${receiver.result.join()}`)
    },
}

/** Chase-Lev deque: the owner takes the last item without competing for it. */
export const deque: Specimen = {
  name: 'deque that takes the last item twice',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(3)
      const [TOP, BOTTOM, ITEM] = [0, 1, 2]
      view[BOTTOM] = 1
      view[ITEM] = 42
      const owner = spawn(() => {
        const bottom = Atomics.load(view, BOTTOM) - 1
        Atomics.store(view, BOTTOM, bottom)
        const top = Atomics.load(view, TOP)
        if (top > bottom) {
          Atomics.store(view, BOTTOM, top)
          return 0
        }
        const item = Atomics.load(view, ITEM + bottom)
        if (top < bottom) return item
        const won = !correct || Atomics.compareExchange(view, TOP, top, top + 1) === top
        Atomics.store(view, BOTTOM, top + 1)
        return won ? item : 0
      })
      const thief = spawn(() => {
        const top = Atomics.load(view, TOP)
        if (top >= Atomics.load(view, BOTTOM)) return 0
        const item = Atomics.load(view, ITEM + top)
        return Atomics.compareExchange(view, TOP, top, top + 1) === top ? item : 0
      })
      return () => assert(owner.result + thief.result === 42, `taken: ${owner.result} and ${thief.result}`)
    },
}

/** A reference count that is decremented, then read. */
export const referenceCount: Specimen = {
  name: 'reference count read after the decrement',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(2)
      view[0] = 2
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          const left = Atomics.sub(view, 0, 1) - 1
          if ((correct ? left : Atomics.load(view, 0)) === 0) Atomics.add(view, 1, 1)
        })
      }
      return () => assert(view[1] === 1, `freed ${view[1]} times`)
    },
}

/** Load, add, store. */
export const lostUpdate: Specimen = {
  name: 'counter by load and store',
  kind: 'assertion',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          if (correct) Atomics.add(view, 0, 1)
          else Atomics.store(view, 0, Atomics.load(view, 0) + 1)
        })
      }
      return () => assert(view[0] === 2, `counted ${view[0]}`)
    },
}

/** Double-checked initialisation whose flag is up before the data is there. */
export const doubleChecked: Specimen = {
  name: 'double-checked initialisation without publication',
  kind: 'race',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(3)
      const [READY, LOCK, DATA] = [0, 1, 2]
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          if ((correct ? Atomics.load(view, READY) : shared.get(view, READY)) === 0) {
            while (Atomics.compareExchange(view, LOCK, 0, 1) !== 0);
            if ((correct ? Atomics.load(view, READY) : shared.get(view, READY)) === 0) {
              shared.set(view, DATA, 42)
              if (correct) Atomics.store(view, READY, 1)
              else shared.set(view, READY, 1)
            }
            Atomics.store(view, LOCK, 0)
          }
          assert(shared.get(view, DATA) === 42, 'used before it was initialised')
        })
      }
    },
}

/** One reads as 64 bits what the other writes as 32. */
export const mixedSize: Specimen = {
  name: 'a 64-bit word written by halves',
  kind: 'mixed-size',
  build:
    (correct) =>
    ({ spawn }) => {
      const buffer = new SharedArrayBuffer(8)
      const wide = new BigInt64Array(buffer)
      const narrow = new Int32Array(buffer)
      spawn(() => {
        if (correct) Atomics.store(wide, 0, 0x1_0000_0001n)
        else {
          Atomics.store(narrow, 0, 1)
          Atomics.store(narrow, 1, 1)
        }
      })
      spawn(() => Atomics.load(wide, 0))
    },
}

/** One flips a bit in the upper half of what the other reads whole. */
export const upperHalf: Specimen = {
  name: 'the upper half of a 64-bit word',
  kind: 'mixed-size',
  build:
    (correct) =>
    ({ spawn }) => {
      const buffer = new SharedArrayBuffer(8)
      const wide = new BigInt64Array(buffer)
      const narrow = new Int32Array(buffer)
      spawn(() => (correct ? Atomics.or(wide, 0, 1n << 40n) : Atomics.or(narrow, 1, 1 << 8)))
      spawn(() => Atomics.load(wide, 0))
    },
}

/** A message is handed over by a plain flag. */
export const plainFlag: Specimen = {
  name: 'message passing by a plain flag',
  kind: 'race',
  build:
    (correct) =>
    ({ spawn, shared }) => {
      const view = words(2)
      spawn(() => {
        shared.set(view, 1, 42)
        if (correct) Atomics.store(view, 0, 1)
        else shared.set(view, 0, 1)
      })
      spawn(() => {
        const flag = correct ? Atomics.load(view, 0) : shared.get(view, 0)
        if (flag === 1) assert(shared.get(view, 1) === 42, 'the flag came before the message')
      })
    },
}

/** A function that counts in a JS variable: every replay counts again. */
export const leakedState: Specimen = {
  name: 'state outside of shared memory',
  kind: 'nondeterminism',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(64)
      let leaked = 0
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          let count = 0
          for (let n = 0; n < 2; n++) {
            count++
            leaked++
            Atomics.add(view, correct ? count : leaked, 1)
          }
        })
      }
    },
}

/** A catch block that swallows what stops the thread. */
export const swallowed: Specimen = {
  name: 'catch that swallows the suspension',
  kind: 'nondeterminism',
  build:
    (correct) =>
    ({ spawn }) => {
      const view = words(1)
      for (let i = 0; i < 2; i++) {
        spawn(() => {
          if (correct) return Atomics.add(view, 0, 1) + Atomics.add(view, 0, 1)
          try {
            return Atomics.add(view, 0, 1) + Atomics.add(view, 0, 1)
          } catch {
            return -1
          }
        })
      }
    },
}
