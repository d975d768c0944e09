/** Checks of what callers give, for the constructors of all packages: TypeScript's users never see them fail. */
import type { Codec } from './codec.js'
import { InvalidArgumentError } from './errors.js'
import { Region } from './region.js'

/** Gives back options. @throws InvalidArgumentError for what are none */
export function checkOptions<O>(options: O): O {
  if (typeof options !== 'object' || options === null) throw new InvalidArgumentError(`options must be an object, got ${text(options)}`)
  return options
}

/** The region that options name, or the default one. @throws InvalidArgumentError for what are no options, or name no region */
export function regionOf(options: { readonly region?: Region | undefined }): Region {
  const { region = Region.default } = checkOptions(options)
  if (!(region instanceof Region)) throw new InvalidArgumentError(`options.region must be a Region, got ${text(region)}`)
  return region
}

/** Gives back a codec. @throws InvalidArgumentError for what is none */
export function checkCodec<T>(codec: Codec<T>): Codec<T> {
  const { kind, bytes } = (codec ?? {}) as Partial<Codec<T>>
  if (typeof kind !== 'string' || typeof bytes !== 'number')
    throw new InvalidArgumentError(`codec must be a Codec, such as i32 or json(1000), got ${text(codec)}`)
  return codec
}

/** Gives back a list. @throws InvalidArgumentError for what can't be iterated */
export function checkList<T>(list: Iterable<T>, name: string): Iterable<T> {
  if (typeof (list as Partial<Iterable<T>> | undefined)?.[Symbol.iterator] !== 'function')
    throw new InvalidArgumentError(`${name} must be a list, got ${text(list)}`)
  return list
}

/** Gives back a class. @throws InvalidArgumentError for what is none */
export function checkClass<C>(type: C): C {
  if (typeof type !== 'function' || typeof type.prototype !== 'object') throw new InvalidArgumentError(`expected a class, got ${text(type)}`)
  return type
}

/** A value, for a message. Never throws. */
function text(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'another object' : typeof value === 'function' ? 'a function' : String(value)
}
