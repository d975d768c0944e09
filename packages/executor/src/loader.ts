/** Finds the functions of tasks in a worker: imports their modules when first needed. */
import { agentLocal } from '@heddle/atomics/ops'
import { InvalidArgumentError } from '@heddle/atomics'
import { TaskNotFoundError, WorkerStartError } from './errors.js'
import { explained } from './inline.js'
import type { TaskTable } from './task-table.js'
import { findBrought, findTask, type TaskFunction, type TaskName, taskModules } from './tasks.js'

/** Whether a task's result is to be waited for. */
export function isPromiseLike(value: object): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown }).then === 'function'
}

const plain = Object.getPrototypeOf(isPromiseLike) as object

/** Whether a function is neither async nor a generator. */
export function isPlain(fn: TaskFunction): boolean {
  return Object.getPrototypeOf(fn) === plain
}

/** Whether a task's result is a fiber's body, to be run. */
export function isGenerator(value: object): value is Generator {
  return (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Generator'
}

/** Modules that this worker is loading now. */
const loading = agentLocal(() => new Set<string>())

/**
 * Refuses work that a task module starts at its top level while a worker loads it: every worker would start it again, for ever.
 * @throws InvalidArgumentError
 */
export function assertNotLoading(what: string): void {
  const modules = loading.get()
  if (modules.size === 0) return
  const { stack = '' } = new Error(what)
  for (const module of modules) {
    // Some engines name files by path.
    if (stack.includes(module) || stack.includes(decodeURI(module.replace(/^file:\/\//, '')))) {
      throw new InvalidArgumentError(
        `${module} calls ${what} at its top level while a worker loads it for its tasks: every worker would do it again. Keep tasks in a module of their own, or start work only if (isMainThread)`,
      )
    }
  }
}

/** A worker's functions, by task number. */
export class Loader {
  private readonly functions: (TaskFunction | undefined)[] = []
  private readonly modules = new Map<string, Promise<object>>()

  private own: string[] | undefined

  /** @param bringsTasks whether this worker's own script may have defined tasks, before anything was loaded here */
  constructor(
    private readonly table: TaskTable,
    private readonly bringsTasks = false,
  ) {}

  /** The function, when it is there already. */
  loaded(task: number): TaskFunction | undefined {
    return this.functions[task] ?? this.known(task)
  }

  /** A function whose module was imported for another task, or by this agent's own code. */
  private known(task: number): TaskFunction | undefined {
    return (this.functions[task] = this.knownByName(this.table.nameOf(task)))
  }

  private knownByName(task: TaskName): TaskFunction | undefined {
    return loading.get().has(task.module) ? undefined : (findTask(task) ?? this.brought(task))
  }

  /** The function that this worker's script brought with it under another URL, unless several fit. */
  private brought(task: TaskName): TaskFunction | undefined {
    const found = this.allBrought(task)
    return found.length === 1 ? found[0] : undefined
  }

  private allBrought(task: TaskName): TaskFunction[] {
    // Once, before the first module is loaded here.
    this.own ??= this.bringsTasks ? taskModules() : []
    return findBrought(this.own, task)
  }

  /** Whether the task's module is being loaded. */
  isLoading(task: number): boolean {
    return this.modules.has(this.table.nameOf(task).module)
  }

  /** The function. @throws WorkerStartError when the module doesn't load, TaskNotFoundError when it has no such task */
  async load(task: number): Promise<TaskFunction> {
    return (this.functions[task] = await this.loadNamed(this.table.nameOf(task)))
  }

  /** The function of a task that need not be in the table. */
  async loadNamed(task: TaskName): Promise<TaskFunction> {
    const { module, name } = task
    const found = this.knownByName(task)
    if (found !== undefined) return found
    const several = this.allBrought(task).length
    if (several > 1)
      throw new TaskNotFoundError(
        `the worker's script brings ${several} tasks '${name}' from modules that define the same names: name the modules yourself, tasks('app:one', { ${name} })`,
      )
    let namespace: object
    try {
      namespace = await this.importOnce(module)
    } catch (cause) {
      throw new WorkerStartError(
        `the module of task '${name}' doesn't load: ${cause instanceof Error ? cause.message : String(cause)} (${module})${this.own!.length > 0 ? `, and the worker's script brings no such task: import its module there` : ''}`,
        {
          cause,
        },
      )
    }
    const fn = findTask(task, namespace)
    if (fn === undefined)
      throw new TaskNotFoundError(
        `${module} has no task '${name}' when a worker imports it: define it with tasks(import.meta.url, { ${name} }) at the module's top level`,
      )
    return explained(module, fn)
  }

  private async importOnce(module: string): Promise<object> {
    let loadingNow = this.modules.get(module)
    if (loadingNow === undefined) {
      loading.get().add(module)
      loadingNow = (import(/* @vite-ignore */ /* webpackIgnore: true */ module) as Promise<object>).finally(() => loading.get().delete(module))
      this.modules.set(module, loadingNow)
    }
    return loadingNow
  }
}
