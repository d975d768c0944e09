/**
 * Tasks: functions of a module that a worker finds by the module's URL and the function's name.
 *
 * Invariants I1 A task's identity is (URL, family, name), where the family is a hash of all names of its call of `tasks`: two of one identity in one
 *               agent are an error, so that a call can't run another function than the one that its caller named. The URL alone would not
 *               do: a bundler may put several modules into one file.
 *            I2 A worker whose script brought the tasks with it (`import 'heddle/worker'`) knows them by family and name, since its bundle has
 *               another URL than its caller's; two that fit are an error.
 */
import { agentLocal } from '@heddle/atomics/ops'
import { InvalidArgumentError } from '@heddle/atomics'

/** What a task's function may be: plain, async, or a generator (a fiber). */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what makes every function's parameters assignable
export type TaskFunction = (...args: any[]) => unknown

/** A task's identity, as it travels. */
export interface TaskName {
  readonly module: string
  readonly name: string
  readonly family: number
}

/** What a call of a task settles with. */
export type TaskResult<R> = R extends Generator<unknown, infer T> ? T : Awaited<R>

const BRAND = Symbol.for('heddle.task')

/** A task: what `run`, `spawn` and `map` take in place of a function. */
export class TaskRef<A extends unknown[] = never[], R = unknown> {
  /** Types only. */
  declare readonly result: R
  constructor(
    /** URL of the module that defines it. */
    readonly module: string,
    /** Its name there. */
    readonly name: string,
    /** The function itself, to call it in this agent. */
    readonly fn: (...args: A) => unknown,
    /** A hash of the names that were defined together with it. */
    readonly family: number,
  ) {
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** The tasks of a module: a reference for each function. */
export type Tasks<T extends Record<string, TaskFunction>> = { readonly [K in keyof T]: TaskRef<Parameters<T[K]>, TaskResult<ReturnType<T[K]>>> }

/** By URL, and there by `keyOf`. */
const registry = agentLocal(() => new Map<string, Map<string, TaskFunction>>())

function keyOf(family: number, name: string): string {
  return `${family} ${name}`
}

/** FNV-1a over the sorted names. */
function familyOf(names: readonly string[]): number {
  let hash = 0x811c9dc5
  for (const char of [...names].sort().join('\n')) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193)
  return hash >>> 0
}

/**
 * Names functions of the calling module, so that workers can run them: a worker imports the module and finds the function by its
 * name. Call it at the top level of the module, and export what it returns. Costs nothing until a task is called.
 * @param module `import.meta.url` of the calling module, or a URL of your own making (`app:images`) that names it where a bundler changes the former
 * @param functions plain, async or generator functions; a generator runs as a fiber
 * @throws InvalidArgumentError for what is no function, and for a list of names that this module has defined already.
 * @example
 * export const work = tasks(import.meta.url, {
 *   square: (x: number) => x * x,
 * })
 */
export function tasks<T extends Record<string, TaskFunction>>(module: string, functions: T): Tasks<T> {
  if (typeof module !== 'string' || !URL_FORM.test(module))
    throw new InvalidArgumentError(`tasks() takes import.meta.url first, got ${String(module)}`)
  let mine = registry.get().get(module)
  if (mine === undefined) registry.get().set(module, (mine = new Map<string, TaskFunction>()))
  const refs: Record<string, TaskRef> = {}
  const family = familyOf(Object.keys(functions))
  for (const [name, fn] of Object.entries(functions)) {
    if (typeof fn !== 'function') throw new InvalidArgumentError(`task '${name}' of ${module} is a ${typeof fn}, not a function`)
    const key = keyOf(family, name)
    if (mine.has(key)) throw new InvalidArgumentError(`${module} defines two tasks named '${name}'`)
    mine.set(key, fn)
    refs[name] = new TaskRef(module, name, fn as (...args: never[]) => unknown, family)
  }
  return Object.freeze(refs) as Tasks<T>
}
const URL_FORM = /^[a-z][a-z0-9+.-]*:/i

/** Whether a value is a task reference, also one that another copy of this package made. */
export function isTaskRef(value: unknown): value is TaskRef {
  return typeof value === 'object' && value !== null && BRAND in value
}

/**
 * The function of a task whose module has been imported. A program that is bundled may hold two copies of this package: then the
 * module's exports know what the registry here doesn't.
 */
export function findTask({ module, name, family }: TaskName, namespace?: object): TaskFunction | undefined {
  const known = registry.get().get(module)?.get(keyOf(family, name))
  if (known !== undefined || namespace === undefined) return known
  for (const value of Object.values(namespace) as unknown[]) {
    if (typeof value !== 'object' || value === null) continue
    for (const ref of [value, ...(Object.values(value) as unknown[])])
      if (isTaskRef(ref) && ref.name === name && ref.family === family && ref.module === module) return ref.fn as TaskFunction
  }
  return undefined
}

/** The URLs under which this agent knows tasks now. */
export function taskModules(): string[] {
  return [...registry.get().keys()]
}

/** The functions that have a task's name and family in any of some modules. */
export function findBrought(modules: readonly string[], { name, family }: TaskName): TaskFunction[] {
  return modules.flatMap((module) => registry.get().get(module)?.get(keyOf(family, name)) ?? [])
}
