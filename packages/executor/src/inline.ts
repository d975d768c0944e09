/** Tasks without a module: for one-liners. */
import { InvalidArgumentError } from '@heddle/atomics'
import { agentLocal } from '@heddle/atomics/ops'
import { type TaskFunction, TaskRef, type TaskResult } from './tasks.js'

/** What begins the text of a function that can stand alone: not a method's, nor a class's. */
const STANDS_ALONE = /^(async\s*)?(function\b|\(|[\p{ID_Start}$_][\p{ID_Continue}$]*\s*=>)/u
const PREFIX = 'data:text/javascript,'
/** By module: one reference for each text. */
const known = /* @__PURE__ */ agentLocal(() => new Map<string, TaskRef>())

/**
 * Makes a task of a function that needs nothing but its arguments and what is global, where a module for it is too much: the worker runs a copy
 * that is made from the function's text.
 *
 * What it can't have: variables, imports and classes that are around the function, `this`, what a compiler adds from elsewhere (helpers, counters of
 * coverage), and `tasks()` that it calls. Such a name is a ReferenceError of the call, which says so. A policy of the page that forbids `data:` scripts
 * forbids these tasks too. Each different text is one of the 2,048 tasks that an executor can run.
 * @param fn a function, an arrow function, or one of them async; `function*` is a fiber
 * @throws InvalidArgumentError for methods, classes, bound and built-in functions: their text is no function that stands alone
 * @example
 * import { nodeHost } from '@heddle/node'
 * const executor = await Executor.start({ host: nodeHost })
 * console.log(await executor.run(inline((a: number, b: number) => a * b), 6, 7)) // 42
 */
export function inline<A extends unknown[], R>(fn: (...args: A) => R): TaskRef<A, TaskResult<R>> {
  if (typeof fn !== 'function') throw new InvalidArgumentError(`inline() takes a function, got ${typeof fn}`)
  const text = Function.prototype.toString.call(fn)
  if (text.endsWith('{ [native code] }') || !STANDS_ALONE.test(text))
    throw new InvalidArgumentError(
      `inline() takes a function or an arrow function: '${text.slice(0, 40)}' is none that stands alone; name it in a module with tasks()`,
    )
  const name = fn.name === '' ? 'inline' : fn.name
  const task = `{ [Symbol.for('heddle.task')]: true, module: import.meta.url, name: ${JSON.stringify(name)}, family: 0, fn: (${text}\n) }`
  const module = PREFIX + encodeURIComponent(`export const task = ${task}`)
  let ref = known.get().get(module)
  if (ref === undefined) known.get().set(module, (ref = new TaskRef(module, name, fn as never, 0)))
  return ref as unknown as TaskRef<A, TaskResult<R>>
}

/** An inline task's function, whose errors say what it could not have. */
export function explained(module: string, fn: TaskFunction): TaskFunction {
  if (!module.startsWith(PREFIX)) return fn
  const kind = Object.prototype.toString.call(fn)
  if (kind === '[object GeneratorFunction]' || kind === '[object AsyncGeneratorFunction]') return fn
  if (kind === '[object AsyncFunction]') {
    return async (...args) => {
      try {
        return await fn(...(args as never[]))
      } catch (error) {
        throw explain(error)
      }
    }
  }
  return (...args) => {
    try {
      return fn(...(args as never[]))
    } catch (error) {
      throw explain(error)
    }
  }
}

function explain(error: unknown): unknown {
  if (error instanceof ReferenceError)
    error.message += ': an inline task has its arguments and what is global, nothing that is around it; pass it as an argument, or use tasks()'
  return error
}
