/** Errors of threads. */
import { HeddleError } from '@heddle/atomics'

/** As many threads run as the executor's `maxThreads`. */
export class ThreadLimitError extends HeddleError {
  static override readonly name: string = 'ThreadLimitError'
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_THREAD_LIMIT', message, options)
  }
}
