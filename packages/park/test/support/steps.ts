/** What a worker of the tests (fixtures/crew.worker.ts) can be told to do. */

/** One step. `at` is the byte offset of what it acts on, `token` that of a TestToken. */
export interface Step {
  do:
    | 'park'
    | 'parkAsync'
    | 'unparkOne'
    | 'unparkAll'
    | 'waitOn'
    | 'waitOn64'
    | 'notify'
    | 'parker.park'
    | 'parker.unpark'
    | 'lock'
    | 'release'
    | 'lockAsync'
    | 'cancel'
    | 'sleep'
    | 'register'
    /** Becomes an agent of another region, too. */
    | 'registerIn'
    /** Goes on when agent `value` blocks its thread. */
    | 'awaitBlocked'
    | 'stress'
    | 'alloc'
    | 'exit'
  at?: number
  timeout?: number
  token?: number
  value?: number
  buffer?: SharedArrayBuffer
}

/** What came of it: a value, or an error's name. */
export type Outcome = { value: unknown } | { error: string; message: string }
