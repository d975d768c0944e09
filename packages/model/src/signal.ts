/** The part of an `AbortSignal` that code under check uses, made anew in each run of its thread. */

type Listener = ((event: object) => void) | { handleEvent(event: object): void }

export class ModelledSignal {
  aborted = false
  reason: unknown = undefined
  onabort: ((event: object) => void) | null = null
  private readonly listeners = new Set<Listener>()

  /** @param listens counts a listener as a callback of the thread, so that an effect that adds one is done again in every replay. */
  constructor(private readonly listens: () => void) {}

  addEventListener(type: string, listener: Listener): void {
    this.listens()
    if (type === 'abort' && !this.aborted) this.listeners.add(listener)
  }

  removeEventListener(_type: string, listener: Listener): void {
    this.listeners.delete(listener)
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  /** In a turn of its thread. What a listener throws passes: the real one would report it and go on. */
  fire(): void {
    this.aborted = true
    this.reason = Object.assign(new Error('the signal was aborted'), { name: 'AbortError' })
    const event = { type: 'abort', target: this }
    this.onabort?.(event)
    for (const listener of [...this.listeners]) {
      if (typeof listener === 'function') listener(event)
      else listener.handleEvent(event)
    }
  }
}
