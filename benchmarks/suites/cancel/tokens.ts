/** What a token costs, beside the platform's AbortController and Go's contexts. */
import { Region } from '@heddle/atomics'
import { CancelSource, CancelToken } from '@heddle/cancel'
import { goContender } from '../../src/go.js'
import { type Case, contender, expectEqual } from '../../src/suite.js'
import { bareWord, ITERATIONS } from '../atomics/bare.js'

const region = (): Region => Region.create({ bytes: 1 << 22 })
const every = (seen: number, n: number): void => expectEqual(seen, n)
const nothing = (): void => undefined

const BARE_LOAD = 'bare Atomics.load'

export const looks: Case = {
  name: 'is it cancelled?',
  unit: 'look',
  isolation: 'shared',
  iterations: ITERATIONS,
  floor: BARE_LOAD,
  contenders: [
    contender({
      name: BARE_LOAD,
      setup: () => bareWord(),
      run: ({ words, at }, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (Atomics.load(words, at) === 0) seen++
        return seen
      },
      check: every,
    }),
    contender({
      name: 'token.isCancelled',
      target: { ratio: 1.3 },
      setup: () => new CancelSource({ region: region() }).token,
      run: (token, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (!token.isCancelled) seen++
        return seen
      },
      check: every,
    }),
    contender({
      name: 'token.throwIfCancelled',
      setup: () => new CancelSource({ region: region() }).token,
      run: (token, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          token.throwIfCancelled()
          seen++
        }
        return seen
      },
      check: every,
    }),
    contender({
      name: 'AbortSignal.aborted',
      setup: () => new AbortController().signal,
      run: (signal, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) if (!signal.aborted) seen++
        return seen
      },
      check: every,
    }),
    goContender('Go ctx.Err', 'cancel', (n) => n, 1000, ['look']),
  ],
}

const ABORT = 'AbortController, abort'

export const made: Case = {
  name: 'made and ended',
  unit: 'token',
  isolation: 'shared',
  iterations: 500,
  floor: ABORT,
  contenders: [
    contender({
      name: ABORT,
      setup: () => 0,
      run: (_state, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const controller = new AbortController()
          controller.abort(0)
          if (controller.signal.aborted) seen++
        }
        return seen
      },
      check: every,
    }),
    contender({
      name: 'CancelSource, cancel, dispose',
      setup: () => region(),
      run: (of, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const source = new CancelSource({ region: of })
          if (source.cancel()) seen++
          source.dispose()
        }
        return seen
      },
      check: every,
    }),
    goContender('Go context.WithCancel, cancel', 'cancel', (n) => n, 100, ['cancel']),
    contender({
      name: 'CancelSource, dispose',
      setup: () => region(),
      run: (of, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const source = new CancelSource({ region: of })
          if (!source.token.isCancelled) seen++
          source.dispose()
        }
        return seen
      },
      check: every,
    }),
    contender({
      name: 'child, dispose',
      setup: () => new CancelSource({ region: region() }).token,
      run: (token, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const child = token.child()
          if (!child.token.isCancelled) seen++
          child.dispose()
        }
        return seen
      },
      check: every,
    }),
    goContender('Go child context, cancel', 'cancel', (n) => n, 100, ['child']),
    contender({
      name: 'any of two, dispose',
      setup: () => {
        const of = region()
        return [new CancelSource({ region: of }).token, new CancelSource({ region: of }).token]
      },
      run: (tokens, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const any = CancelToken.any(tokens)
          if (!any.isCancelled) seen++
          any.dispose()
        }
        return seen
      },
      check: every,
    }),
    contender({
      name: 'timeout, dispose',
      setup: () => region(),
      run: (of, n) => {
        let seen = 0
        for (let i = 0; i < n; i++) {
          const timeout = CancelToken.timeout(60_000, { region: of })
          if (!timeout.isCancelled) seen++
          timeout.dispose()
        }
        return seen
      },
      check: every,
    }),
  ],
}

const LISTEN = 'AbortSignal, addEventListener + removeEventListener'

export const listeners: Case = {
  name: 'a listener on and off',
  unit: 'listener',
  isolation: 'shared',
  iterations: 500,
  floor: LISTEN,
  contenders: [
    contender({
      name: LISTEN,
      setup: () => new AbortController().signal,
      run: (signal, n) => {
        let done = 0
        for (; done < n; done++) {
          signal.addEventListener('abort', nothing)
          signal.removeEventListener('abort', nothing)
        }
        return done
      },
      check: every,
    }),
    contender({
      name: 'onCancel, taken off',
      setup: () => new CancelSource({ region: region() }).token,
      run: (token, n) => {
        let done = 0
        for (; done < n; done++) token.onCancel(nothing)()
        return done
      },
      check: every,
    }),
  ],
}

const CHILDREN = 1000

export const trees: Case = {
  name: 'a parent and its 1,000 children, made, cancelled together and ended',
  unit: 'child',
  isolation: 'shared',
  iterations: CHILDREN,
  floor: 'AbortSignal.any of one',
  contenders: [
    contender({
      name: 'AbortSignal.any of one',
      setup: () => 0,
      run: (_state, n) => {
        let seen = 0
        for (let left = n; left > 0; left -= CHILDREN) {
          const root = new AbortController()
          const children = Array.from({ length: CHILDREN }, () => AbortSignal.any([root.signal]))
          root.abort(0)
          for (const child of children) if (child.aborted) seen++
        }
        return seen
      },
      check: every,
    }),
    contender({
      name: 'CancelToken.child',
      setup: () => region(),
      run: (of, n) => {
        let seen = 0
        for (let left = n; left > 0; left -= CHILDREN) {
          const root = new CancelSource({ region: of })
          const children = Array.from({ length: CHILDREN }, () => root.token.child())
          root.cancel()
          for (const child of children) {
            if (child.token.isCancelled) seen++
            child.dispose()
          }
          root.dispose()
        }
        return seen
      },
      check: every,
    }),
    goContender('Go context.WithCancel', 'cancel', (n) => n, 20, ['tree']),
  ],
}
