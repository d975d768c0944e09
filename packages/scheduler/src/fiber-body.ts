/** Stepping what a fiber runs. */
import { InvalidArgumentError } from '@heddle/atomics'
import type { Fiber } from './fiber.js'
import { CANCEL_BIT, DELIVERED_BIT, GENERATOR_BIT } from './fiber-bits.js'

/** The engine's own `next`, which is always called on a generator. */
// eslint-disable-next-line @typescript-eslint/unbound-method
const { next: generatorNext } = (Object.getPrototypeOf(function* () {}) as { prototype: Generator }).prototype

/** Calls a fiber's function. */
export function begin(fiber: Fiber): void {
  if (typeof fiber.content === 'function') fiber.content = (fiber.content as () => unknown)()
  const next = (fiber.content as Partial<Iterator<unknown>> | null | undefined)?.next
  if (next === generatorNext) fiber.bits |= GENERATOR_BIT
  else if (typeof next !== 'function') throw new InvalidArgumentError(`a fiber's function returns a generator, got ${typeof fiber.content}`)
}

/** Goes on with a fiber. */
export function resume({ bits, content }: Fiber): IteratorResult<unknown> {
  return (bits & GENERATOR_BIT) === 0 ? (content as Iterator<unknown>).next() : generatorNext.call(content as Generator)
}

/** Throws the reason of its cancel into a fiber. */
export function deliver(fiber: Fiber): IteratorResult<unknown> {
  fiber.bits = (fiber.bits & ~CANCEL_BIT) | DELIVERED_BIT
  const body = fiber.content as Iterator<unknown>
  const { reason } = fiber.extras!
  if (body.throw !== undefined) return body.throw(reason)
  body.return?.()
  throw reason
}
