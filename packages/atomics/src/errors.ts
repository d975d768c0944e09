/** Errors of heddle: one base class with a stable `code`, one class for each thing a caller may want to tell apart. */

/** The base of every error that heddle throws on purpose. `code` is stable across versions; the message is for people. */
export class HeddleError extends Error {
  static override readonly name: string = 'HeddleError'
  readonly code: `ERR_${string}`
  constructor(code: `ERR_${string}`, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.name = new.target.name
  }
}

/** An argument that the call can't accept: of a wrong type, out of range, or used up. */
export class InvalidArgumentError extends HeddleError {
  static override readonly name: string = 'InvalidArgumentError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_INVALID_ARGUMENT', message, options)
  }
}

/** The object was disposed of, or the handle names memory that has since been given to something else. */
export class DisposedError extends HeddleError {
  static override readonly name: string = 'DisposedError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DISPOSED', message, options)
  }
}

/** The region has no room for the allocation; the message has the region's size and what is held. */
export class RegionFullError extends HeddleError {
  static override readonly name: string = 'RegionFullError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_REGION_FULL', message, options)
  }
}

/** The buffer is not a heddle region, or one of another layout version. */
export class RegionFormatError extends HeddleError {
  static override readonly name: string = 'RegionFormatError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_REGION_FORMAT', message, options)
  }
}

/** Every agent slot of the region is taken. */
export class AgentLimitError extends HeddleError {
  static override readonly name: string = 'AgentLimitError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_AGENT_LIMIT', message, options)
  }
}

/** A value has no form in which another agent could use it. */
export class NotShareableError extends HeddleError {
  static override readonly name: string = 'NotShareableError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NOT_SHAREABLE', message, options)
  }
}

/** A value needs more bytes than its codec or slot allows. */
export class ValueTooLargeError extends HeddleError {
  static override readonly name: string = 'ValueTooLargeError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_VALUE_TOO_LARGE', message, options)
  }
}

/** The engine, or the page, has no memory that can be shared: the message says why and how to get it. */
export class SharedMemoryError extends HeddleError {
  static override readonly name: string = 'SharedMemoryError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NO_SHARED_MEMORY', message, options)
  }
}

/** Memory of the region was overwritten by code that it did not belong to; `problems` has a sentence for each place found. */
export class MemoryDamageError extends HeddleError {
  static override readonly name: string = 'MemoryDamageError'
  constructor(
    readonly problems: readonly string[],
    options?: ErrorOptions,
  ) {
    super('ERR_MEMORY_DAMAGE', problems.join('\n'), options)
  }
}
