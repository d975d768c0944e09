/** A death at every operation of one agent, while two others wait: what the death tests of all primitives have in common. */
import { Region } from '@heddle/atomics'
import { expect } from 'vitest'
import { Actor, settled } from '../../../park/test/support/deaths.js'

export { Actor, installDeaths, settled } from '../../../park/test/support/deaths.js'

/** Three agents of one region. */
export class Scene {
  readonly region = Region.create({ bytes: 1 << 20, agents: 8 })
  readonly survivor = new Actor(this.region)
  readonly other = new Actor(this.region)
  readonly victim = new Actor(this.region)
  /** What ended, in order: 'done', or the error's name. */
  readonly ended: string[] = []

  constructor(readonly n: number) {
    this.survivor.be()
  }

  /** Collects how a wait that `who` begins ends. */
  wait(who: Actor, begin: () => Promise<unknown>, then: (value: unknown) => void = () => undefined): void {
    who.be()
    begin().then(
      (value) => {
        this.ended.push('done')
        then(value)
      },
      (error: unknown) => {
        const { name, guard } = error as Error & { guard?: { release(): void } }
        this.ended.push(name)
        guard?.release()
      },
    )
  }

  /** The victim acts and dies at its n-th operation; then it is reaped, and everybody who was told goes on. @returns whether it died */
  async kill(act: () => void): Promise<boolean> {
    const died = this.victim.dieAt(this.n, act)
    if (died) this.survivor.reap(this.victim)
    this.survivor.be()
    await settled()
    return died
  }

  /** The victim's promises were told: its turn, as an event loop would run it. */
  turn(): void {
    this.victim.agent.poll()
  }

  /** No record of those that live is in use. */
  expectNoRecords(): void {
    expect([this.survivor.agent.slab.used, this.other.agent.slab.used], `records in use after a death at ${this.n}`).toEqual([0, 0])
  }
}

/** Runs a scene with a death at operation 0, 1, 2, … until one is survived; says how many there were. */
export async function atEveryOperation(play: (scene: Scene) => Promise<boolean>): Promise<number> {
  for (let n = 0; ; n++) if (!(await play(new Scene(n)))) return n
}
