/** Finds the functions of tasks in a worker: imports their modules when first needed. */
import { agentLocal } from '@heddle/atomics/ops'
import { InvalidArgumentError } from '@heddle/atomics'
import { TaskNotFoundError, WorkerStartError } from './errors.js'
import type { TaskName, TaskTable } from './task-table.js'
import { findTask, type TaskFunction } from './tasks.js'

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

  constructor(private readonly table: TaskTable) {}

  /** The function, when it is there already. */
  loaded(task: number): TaskFunction | undefined {
    return this.functions[task] ?? this.known(task)
  }

  /** A function whose module was imported for another task, or by this agent's own code. */
  private known(task: number): TaskFunction | undefined {
    const { module, name } = this.table.nameOf(task)
    return loading.get().has(module) ? undefined : (this.functions[task] = findTask(module, name))
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
  async loadNamed({ module, name }: TaskName): Promise<TaskFunction> {
    let namespace: object
    try {
      namespace = await this.importOnce(module)
    } catch (cause) {
      throw new WorkerStartError(`the module of task '${name}' doesn't load: ${cause instanceof Error ? cause.message : String(cause)} (${module})`, {
        cause,
      })
    }
    const fn = findTask(module, name, namespace)
    if (fn === undefined)
      throw new TaskNotFoundError(
        `${module} has no task '${name}' when a worker imports it: define it with tasks(import.meta.url, { ${name} }) at the module's top level`,
      )
    return fn
  }

  private async importOnce(module: string): Promise<object> {
    let loadingNow = this.modules.get(module)
    if (loadingNow === undefined) {
      loading.get().add(module)
      loadingNow = (import(/* @vite-ignore */ module) as Promise<object>).finally(() => loading.get().delete(module))
      this.modules.set(module, loadingNow)
    }
    return loadingNow
  }
}
