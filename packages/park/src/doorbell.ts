/**
 * A bell in an agent's ready bitmap: any agent rings it by a number, and a callback runs in the agent that hung it.
 *
 * What executors and schedulers are woken by: it costs one record, coalesces rings, and wakes a blocked scheduler and an idle event
 * loop alike. Ringing one that is closed, or whose agent died, wakes nobody or somebody once too often: never harm.
 */
import type { Region } from '@heddle/atomics'
import { load } from '@heddle/atomics/ops'
import { Agent, type Resumable } from './agent.js'
import { BELL, FREE, KIND_PROMISE, W_STATE } from './layout.js'
import { ring, setReady } from './ready.js'
import { setPhase } from './record.js'
import { agentOf } from './wake.js'

/** One bell of the calling agent. */
export class Doorbell implements Resumable {
  private constructor(
    private readonly agent: Agent,
    /** What others ring it by: pass it to `ringDoorbell`. */
    readonly at: number,
    private readonly callback: () => void,
    /** The record's state word while the bell hangs. */
    private readonly state: number,
  ) {}

  /** Hangs a bell. `callback` runs on this agent's turn, or inside its `block` or `poll`: once for any number of rings before it. @throws RegionFullError */
  static open(region: Region, callback: () => void): Doorbell {
    const agent = Agent.of(region)
    const at = agent.acquire(KIND_PROMISE)
    setPhase(agent.words, at, BELL)
    const bell = new Doorbell(agent, at, callback, load(agent.words, at + W_STATE))
    agent.register(at, bell)
    return bell
  }

  /** Part of `Resumable`. */
  ready(): void {
    this.callback()
  }

  /** Takes the bell down; nothing happens when it is down already. */
  close(): void {
    // The generation tells this bell from another that has the record by now.
    if (this.agent.isDead || load(this.agent.words, this.at + W_STATE) !== this.state) return
    this.agent.unregister(this.at)
    setPhase(this.agent.words, this.at, FREE)
    this.agent.slab.release(this.at)
  }
}

/** Rings a bell by its number, from any agent. Never blocks: one `or` and four loads when it was rung already or its agent runs. */
export function ringDoorbell(region: Region, at: number): void {
  const { words } = region
  const agent = agentOf(words, at)
  setReady(words, agent, at)
  ring(words, agent)
}
