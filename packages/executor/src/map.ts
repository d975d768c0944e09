/** `map`: one call for each input, a window of them at a time. */
import { InvalidArgumentError } from '@heddle/atomics'
import type { WaitOptions } from '@heddle/park'
import type { ChunkOutcome } from './each.js'
import type { JoinHandle } from './join-handle.js'
import { assertPositive } from './options.js'
import { checkSignal } from './signal.js'

/** How `map` goes about it. */
export interface MapOptions {
  /** Results in the order of the inputs. Default true. */
  ordered?: boolean
  /** Most calls that are open, or whose results wait to be taken, at one time. Default: twice the workers. */
  concurrency?: number
  /**
   * How many inputs go into one call, so that they share its price: for tasks of a few microseconds. Default 1. The results of a chunk come together;
   * async tasks and fibers of one chunk run side by side.
   */
  chunk?: number
  /** Ends the iteration with the signal's reason. */
  signal?: WaitOptions['signal']
  /** Called after each result: how many there are, and how many inputs were taken. */
  onProgress?: (done: number, taken: number) => void
}

type Source<T> = { readonly isAsync: false; readonly iterator: Iterator<T> } | { readonly isAsync: true; readonly iterator: AsyncIterator<T> }

/** Starts a call for some inputs: one, or with `chunk` an array of them. */
type CallFor<T, R> = (inputs: readonly T[]) => JoinHandle<R | ChunkOutcome<R>>

/** Iterates over the results; see `Executor.map`. */
export async function* mapTask<T, R>(
  call: CallFor<T, R>,
  inputs: Iterable<T> | AsyncIterable<T>,
  options: MapOptions,
  defaultConcurrency: number,
  onSignal: (signal: MapOptions['signal'], fired: (reason: unknown) => void) => () => void,
): AsyncGenerator<R, void, undefined> {
  const { ordered = true, concurrency = defaultConcurrency, chunk = 1, signal, onProgress } = options
  assertPositive('concurrency', concurrency)
  assertPositive('chunk', chunk)
  checkSignal(signal)
  const source = sourceOf(inputs)
  const room = concurrency * chunk
  /** Calls whose results were not given yet; in the order of their inputs, or, unordered, of their ends. */
  const queue: JoinHandle<R | ChunkOutcome<R>>[] = []
  const open = new Set<JoinHandle<R | ChunkOutcome<R>>>()
  let batch: T[] = []
  let taken = 0
  let given = 0
  let asking = false
  let isOver = false
  let failure: { readonly reason: unknown } | undefined
  let aborted = false
  let wake: () => void = () => undefined

  const send = (): void => {
    if (batch.length === 0) return
    const handle = call(batch)
    batch = []
    open.add(handle)
    if (ordered) queue.push(handle)
    handle.onSettled(() => {
      open.delete(handle)
      if (!ordered) queue.push(handle)
      wake()
    })
  }
  const take = (next: IteratorResult<T>): void => {
    if (next.done === true) {
      isOver = true
      send()
      return
    }
    taken++
    batch.push(next.value)
    if (batch.length === chunk) send()
  }
  const fail = (reason: unknown): void => {
    failure ??= { reason }
    isOver = true
  }
  /** The source failed: what it gave before still has its results. */
  const failSource = (reason: unknown): void => {
    try {
      if (!aborted) send()
    } catch (error) {
      fail(error)
    }
    fail(reason)
  }
  /** Takes inputs while there is room for their results. */
  const fill = (): void => {
    while (!isOver && !asking && taken - given < room) {
      try {
        if (!source.isAsync) {
          const next = nextOf(source.iterator)
          if ('error' in next) failSource(next.error)
          else take(next)
          continue
        }
        asking = true
        source.iterator.next().then(
          (next) => {
            asking = false
            try {
              if (!aborted) take(next)
            } catch (error) {
              fail(error)
            }
            wake()
          },
          (error: unknown) => {
            asking = false
            failSource(error)
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
        const ended = first.outcome()
        const outcome = chunk === 1 ? ([[ended as R]] as const) : (ended as ChunkOutcome<R>)
        for (const result of outcome[0]) {
          given++
          onProgress?.(given, taken)
          yield result
          if (aborted) throw failure!.reason
        }
        if (outcome.length === 2) throw outcome[1]
      } else if (isOver && open.size === 0 && queue.length === 0) {
        if (failure !== undefined) throw failure.reason
        return
      } else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    stopListening()
    const ended = isOver
    isOver = aborted = true
    for (const handle of open) handle.cancel()
    if (!ended) await closeSource(source)
  }
}

function nextOf<T>(iterator: Iterator<T>): IteratorResult<T> | { readonly error: unknown } {
  try {
    return iterator.next()
  } catch (error) {
    return { error }
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
