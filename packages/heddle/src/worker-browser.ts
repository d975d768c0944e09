/**
 * `heddle/worker` for browsers: makes the script that imports it a worker of an executor, when that has started it as such. In a window it does nothing, so
 * a module may define tasks for both.
 * @example
 * ```ts ignore: a bundler makes it run in a browser
 * // tasks.js
 * import 'heddle/worker'
 * export const work = tasks(import.meta.url, { … })
 * // main.js
 * const worker = () => new Worker(new URL('./tasks.js', import.meta.url), { type: 'module' })
 * const executor = await Executor.start({ native: { worker } })
 * ```
 */
import '@heddle/browser/worker'
