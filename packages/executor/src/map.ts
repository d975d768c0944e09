/** `map`: one call for each input, a window of them at a time. */
import { InvalidArgumentError } from '@heddle/atomics'
import type { WaitOptions } from '@heddle/park'
import type { JoinHandle } from './join-handle.js'
import { checkSignal } from './signal.js'

/** How `map` goes about it. */
export interface MapOptions {
  /** Results in the order of the inputs. Default true. */
  ordered?: boolean
  /** Most calls that are open, and results that wait to be taken, at one time. Default: twice the workers. */
  concurrency?: number
  /** Ends the iteration with the signal's reason. */
  signal?: WaitOptions['signal']
  /** Called after each result: how many there are, and how many inputs were taken. */
  onProgress?: (done: number, taken: number) => void
}

type Source<T> = { readonly isAsync: false; readonly iterator: Iterator<T> } | { readonly isAsync: true; readonly iterator: AsyncIterator<T> }

/** Iterates over the results; see `Executor.map`. */
export async function* mapTask<T, R>(
  call: (input: T) => JoinHandle<R>,
  inputs: Iterable<T> | AsyncIterable<T>,
  options: MapOptions,
  defaultConcurrency: number,
  onSignal: (signal: MapOptions['signal'], fired: (reason: unknown) => void) => () => void,
): AsyncGenerator<R, void, undefined> {
  const { ordered = true, concurrency = defaultConcurrency, signal, onProgress } = options
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new InvalidArgumentError(`concurrency must be a positive integer, got ${String(concurrency)}`)
  checkSignal(signal)
  const source = sourceOf(inputs)
  /** Calls whose result was not given yet; in the order of their inputs, or, unordered, of their ends. */
  const queue: JoinHandle<R>[] = []
  const open = new Set<JoinHandle<R>>()
  let taken = 0
  let given = 0
  let asking = false
  let isOver = false
  let failure: { readonly reason: unknown } | undefined
  let aborted = false
  let wake: () => void = () => undefined

  const take = (next: IteratorResult<T>): void => {
    if (next.done === true) {
      isOver = true
      return
    }
    taken++
    const handle = call(next.value)
    open.add(handle)
    if (ordered) queue.push(handle)
    handle.onSettled(() => {
      open.delete(handle)
      if (!ordered) queue.push(handle)
      wake()
    })
  }
  const fail = (reason: unknown): void => {
    failure ??= { reason }
    isOver = true
  }
  /** Takes inputs while there is room for their results. */
  const fill = (): void => {
    while (!isOver && !asking && taken - given < concurrency) {
      try {
        if (!source.isAsync) {
          take(source.iterator.next())
          continue
        }
        asking = true
        source.iterator.next().then(
          (next) => {
            asking = false
            try {
              take(next)
            } catch (error) {
              fail(error)
            }
            wake()
          },
          (error: unknown) => {
            asking = false
            fail(error)
            wake()
          },
        )
      } catch (error) {
        fail(error)
      }
    }
  }
  const stopListening = onSignal(signal, (reason) => {
    aborted = true
    fail(reason)
    wake()
  })

  try {
    for (;;) {
      fill()
      if (aborted) throw failure!.reason
      const first = queue[0]
      if (first !== undefined && first.state !== 'pending') {
        queue.shift()
        given++
        const result = first.outcome()
        onProgress?.(given, taken)
        yield result
      } else if (isOver && open.size === 0 && queue.length === 0) {
        if (failure !== undefined) throw failure.reason
        return
      } else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    stopListening()
    const ended = isOver
    isOver = true
    for (const handle of open) handle.cancel()
    if (!ended) await closeSource(source)
  }
}

function sourceOf<T>(inputs: Iterable<T> | AsyncIterable<T>): Source<T> {
  const asynchronous = (inputs as Partial<AsyncIterable<T>> | null | undefined)?.[Symbol.asyncIterator]
  if (typeof asynchronous === 'function') return { isAsync: true, iterator: asynchronous.call(inputs) }
  const synchronous = (inputs as Partial<Iterable<T>> | null | undefined)?.[Symbol.iterator]
  if (typeof synchronous !== 'function') throw new InvalidArgumentError(`map takes an iterable or an async iterable, got ${typeof inputs}`)
  return { isAsync: false, iterator: synchronous.call(inputs) }
}

async function closeSource<T>(source: Source<T>): Promise<void> {
  if (source.isAsync) await source.iterator.return?.()
  else source.iterator.return?.()
}
