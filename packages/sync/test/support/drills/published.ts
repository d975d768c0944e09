/** Objects that are used up: one is current, everybody uses it, and who sees that it is used up lets the last user dispose of it. */
import { type AtomicInt32, type SharedObject } from '@heddle/atomics'
import { Mutex, type MutexGuard, PoisonedError } from '../../../src/index.js'
import type { Props } from './drill.js'
import type { Tools } from './tools.js'

export class Published<T extends SharedObject> {
  private readonly gate: Mutex
  /** Offset of the current one, and how many use it: changed behind the gate. */
  private readonly at: AtomicInt32
  private readonly users: AtomicInt32
  private readonly usedUp: AtomicInt32

  constructor(
    private readonly tools: Tools,
    name: string,
    private readonly open: (at: number) => T,
    private readonly create: () => T,
  ) {
    this.gate = Mutex.fromHandle(tools.handles[`${name} gate`]!)
    this.at = tools.cell(`${name} at`)
    this.users = tools.cell(`${name} users`)
    this.usedUp = tools.cell(`${name} used up`)
  }

  static make(props: Props, name: string): void {
    props.add(`${name} gate`, new Mutex({ region: props.region }))
    for (const word of ['at', 'users', 'used up']) props.cell(`${name} ${word}`)
  }

  /** Lets `act` use the current one; what it returns says whether it is used up. */
  async use(act: (object: T) => Promise<boolean>): Promise<void> {
    const object = this.enter()
    if (object === undefined) return
    let usedUp = false
    try {
      usedUp = await act(object)
    } finally {
      await this.leave(object, usedUp)
    }
  }

  private enter(): T | undefined {
    const guard = this.tryGate()
    if (guard === undefined) return undefined
    try {
      if (this.at.load() === 0) {
        const made = this.create()
        this.usedUp.store(0)
        this.users.store(1)
        this.at.store(made.at)
        return made
      }
      if (this.usedUp.load() === 1) {
        // The last user may have died.
        if (this.tools.kills && this.tools.chance(8)) this.at.store(0)
        return undefined
      }
      this.users.add(1)
      return this.open(this.at.load())
    } finally {
      guard.release()
    }
  }

  private async leave(object: T, usedUp: boolean): Promise<void> {
    let guard: MutexGuard | undefined
    // Behind the gate nobody waits: its turn comes.
    while ((guard = this.tryGate()) === undefined) await new Promise<void>((resolve) => setImmediate(resolve))
    try {
      // One that lost a user by a death is left behind with its memory.
      if (this.at.load() !== object.at) return
      if (usedUp) this.usedUp.store(1)
      if (this.users.sub(1) === 1 && this.usedUp.load() === 1) {
        this.at.store(0)
        object.dispose()
      }
    } finally {
      guard.release()
    }
  }

  private tryGate(): MutexGuard | undefined {
    try {
      return this.gate.tryLock()
    } catch (error) {
      if (!(error instanceof PoisonedError) || !this.tools.kills) throw error
      // Somebody died behind the gate: nobody knows who uses what. A new one is made.
      this.at.store(0)
      this.gate.clearPoison()
      error.guard.release()
      return undefined
    }
  }
}
