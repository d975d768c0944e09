/** Keeps the process alive while calls are open, once. */
import type { Agent } from '@heddle/park/internal'

/** One submitter's hold on the process. */
export class Keeper {
  /** Whether it may hold. */
  keeps = true
  private held = false

  constructor(private readonly agent: Agent) {}

  hold(): void {
    if (this.held || !this.keeps) return
    this.held = true
    this.agent.hold()
  }

  letGo(): void {
    if (!this.held) return
    this.held = false
    this.agent.unhold()
  }
}
