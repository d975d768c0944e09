/**
 * A value for each agent (JS thread), made when it is first asked for there.
 *
 * Source     Rust's thread_local!; Java's ThreadLocal.withInitial. Agents share no JS values: each has a module instance of its own, and so a
 *            value of its own; what this adds is the disposal at the agent's end.
 */
import { agentLocal, type AgentLocal } from '@heddle/atomics/ops'
import { getHost } from '@heddle/park/internal'

/**
 * A value for each agent. @example
 * const scratch = new ThreadLocal(() => new Float64Array(1024))
 * scratch.get().length // 1024
 */
export class ThreadLocal<T> {
  private readonly slot: AgentLocal<{ made: boolean; value: T | undefined }>
  private readonly exiting: AgentLocal<boolean>

  /**
   * @param init makes the agent's value when it is first asked for
   * @param dispose gets the value when the agent ends by itself and the host can tell (Node, Deno and Bun: at the thread's 'exit'; not when
   * it is terminated or crashes, and not in browsers). It is synchronous; what it throws is the host's.
   */
  constructor(
    private readonly init: () => T,
    private readonly dispose?: (value: T) => void,
  ) {
    this.slot = agentLocal(() => ({ made: false, value: undefined }))
    this.exiting = agentLocal(() => false)
  }

  /** This agent's value. */
  get(): T {
    const slot = this.slot.get()
    if (!slot.made) this.put(slot, this.init())
    return slot.value as T
  }

  /** Replaces this agent's value. The former is disposed of, if it is another. */
  set(value: T): void {
    const slot = this.slot.get()
    const former = slot.value as T
    const replaced = slot.made && former !== value
    this.put(slot, value)
    if (replaced) this.dispose?.(former)
  }

  private put(slot: { made: boolean; value: T | undefined }, value: T): void {
    slot.value = value
    slot.made = true
    if (this.dispose === undefined || this.exiting.get()) return
    this.exiting.set(true)
    getHost().onAgentExit?.(() => {
      const { value: last, made } = slot
      slot.made = false
      slot.value = undefined
      if (made) this.dispose?.(last as T)
    })
  }
}
