/** A drill: one kind of primitive, what it is made of, what a worker does with it, and what must hold when all is quiet. */
import { AtomicInt32, type Region, type SharedObject } from '@heddle/atomics'
import type { Tools } from './tools.js'

/** What the main thread makes and looks at. */
export class Props {
  readonly objects: Record<string, SharedObject> = {}
  constructor(
    readonly region: Region,
    readonly kills: boolean,
  ) {}

  add<T extends SharedObject>(name: string, object: T): T {
    this.objects[name] = object
    return object
  }

  cell(name: string, value = 0): AtomicInt32 {
    const cell = this.add(name, new AtomicInt32({ region: this.region }))
    cell.store(value)
    return cell
  }

  get<T extends SharedObject>(name: string): T {
    return this.objects[name] as T
  }

  load(name: string): number {
    return this.get<AtomicInt32>(name).load()
  }
}

export interface Drill {
  readonly name: string
  /** Makes what it works on. */
  make(props: Props): void
  /** What a worker does, one random operation at each call. */
  open(tools: Tools): () => void | Promise<void>
  /** Lets go on who waits for an event that no worker may bring any more; called again and again at the end. */
  kick?(props: Props): void
  /** What is wrong when everybody has stopped; empty when all is well. */
  faults?(props: Props): string[]
}
