/** Values that belong to one fiber. */
import { currentFiber } from './current.js'
import { InvalidArgumentError } from '@heddle/atomics'

/**
 * A variable of which every fiber has its own: set in one, it is not seen in another, and goes with the fiber that set it.
 *
 * @example
 * const user = new FiberLocal(() => 'nobody')
 * const scheduler = new Scheduler()
 * scheduler.spawn(function* () {
 *   user.set('ada')
 *   yield
 *   console.log(user.get()) // ada
 * })
 * scheduler.spawn(function* () {
 *   console.log(user.get()) // nobody
 * })
 * scheduler.run()
 */
export class FiberLocal<T> {
  /** @param init makes a fiber's first value, when it is first asked for. */
  constructor(private readonly init: () => T) {}

  /** The running fiber's value. @throws InvalidArgumentError outside fibers */
  get(): T {
    const locals = this.locals()
    if (locals.has(this as FiberLocal<unknown>)) return locals.get(this as FiberLocal<unknown>) as T
    const value = this.init()
    locals.set(this as FiberLocal<unknown>, value)
    return value
  }

  /** Sets the running fiber's value. @throws InvalidArgumentError outside fibers */
  set(value: T): void {
    this.locals().set(this as FiberLocal<unknown>, value)
  }

  private locals(): Map<FiberLocal<unknown>, unknown> {
    const fiber = currentFiber()
    if (fiber === undefined) throw new InvalidArgumentError('a FiberLocal has values inside fibers only: no fiber is running here')
    return (fiber.extend().locals ??= new Map<FiberLocal<unknown>, unknown>())
  }
}
