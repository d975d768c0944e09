/** What an executor tells of each call, when somebody wants to know. */
import { InvalidArgumentError } from '@heddle/atomics'
import { getHost } from '@heddle/park/internal'

/** Where and when something happened. */
export interface HookDetail {
  /** Number of the worker. */
  readonly worker: number
  /** In ms since 1970. */
  readonly time: number
}

/** A call that runs. */
export interface TaskDetail extends HookDetail {
  readonly task: string
  /** A number that no other call has which runs at the same time. */
  readonly id: number
}

/**
 * Called in the agent that started the executor, for each worker in the order in which things happened there, some at a time and a little after
 * they did: when the worker has nothing more to run, or has done much. Each may be absent. On Node the same go to `diagnostics_channel`s named
 * `heddle:task-start` and so on, also with `hooks: {}`.
 */
export interface ExecutorHooks {
  /** A call's function begins. */
  taskStart?(detail: TaskDetail): void
  /** A call has ended, so many ms after its function began. */
  taskEnd?(detail: TaskDetail & { readonly ms: number; readonly failed: boolean }): void
  /** A worker took calls that waited in another one's queue. */
  steal?(detail: HookDetail & { readonly from: number; readonly calls: number }): void
  /** A worker goes to sleep: it has nothing to run. */
  park?(detail: HookDetail): void
  /** It wakes. */
  unpark?(detail: HookDetail): void
  /** More happened in a worker than it keeps while this agent did not listen: so many events are not told of. */
  lost?(detail: { readonly worker: number; readonly events: number }): void
}

const CHANNELS: { readonly [K in keyof ExecutorHooks]-?: string } = {
  taskStart: 'heddle:task-start',
  taskEnd: 'heddle:task-end',
  steal: 'heddle:steal',
  park: 'heddle:park',
  unpark: 'heddle:unpark',
  lost: 'heddle:lost',
}

/** @throws InvalidArgumentError for a hook that there is not, or that is no function */
export function checkHooks(hooks: ExecutorHooks): void {
  for (const [name, hook] of Object.entries(hooks)) {
    if (!(name in CHANNELS)) throw new InvalidArgumentError(`an executor's hooks are ${Object.keys(CHANNELS).join(', ')}, got '${name}'`)
    if (hook !== undefined && typeof hook !== 'function') throw new InvalidArgumentError(`hooks.${name} must be a function, got ${typeof hook}`)
  }
}

/** Calls a hook. What it throws is reported as uncaught and keeps nobody else from being told. */
export function callHook<K extends keyof ExecutorHooks>(hooks: ExecutorHooks, name: K, detail: Parameters<NonNullable<ExecutorHooks[K]>>[0]): void {
  getHost().publish?.(CHANNELS[name], detail)
  try {
    ;(hooks[name] as ((detail: object) => void) | undefined)?.call(hooks, detail)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
