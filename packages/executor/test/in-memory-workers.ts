/**
 * Workers without shared memory, for models: the production code of both ends, in one thread, with ports whose messages the checker delivers.
 *
 * What may happen next is chosen one step at a time: the next step of the program, a message (each direction in its order), a turn of an event loop, a ring of an
 * agent's own, a worker's death, the news of it. Steps of the two ends that don't touch each other are taken in one order only: those that slept
 * while another was chosen sleep until something of their own end happens.
 */
import { Region } from '@heddle/atomics'
import { A_READY_ROOT } from '@heddle/atomics/internal'
import { load } from '@heddle/atomics/ops'
import { type Host, type HostParent, setHost, type WorkerExit } from '@heddle/park'
import { Agent } from '@heddle/park/internal'
import type { RelayedWorker, ToWorker } from '../src/relay/protocol.js'
import { serveRelayed } from '../src/relay/serve.js'

/** The executor's end; a worker's is its number + 1. */
const OWNER = 0
const WORKER_BYTES = 1 << 19

interface Step {
  readonly end: number
  readonly name: string
  run(): void
}

/** What waits on one event loop. */
interface Loop {
  readonly turns: (() => void)[]
  readonly timers: Set<() => void>
}

interface InMemoryWorker {
  readonly number: number
  readonly data: RelayedWorker
  readonly loop: Loop
  readonly region: Region
  readonly toWorker: unknown[]
  readonly toOwner: unknown[]
  readonly onMessage: ((message: unknown) => void)[]
  readonly onExit: ((exit: WorkerExit) => void)[]
  listener: ((message: ToWorker) => void) | undefined
  begun: boolean
  /** Its thread runs. */
  alive: boolean
  /** Its end was told. */
  gone: boolean
}

const newLoop = (): Loop => ({ turns: [], timers: new Set() })

/** Everything that is not the executor's own code. */
export class InMemoryWorkers {
  readonly workers: InMemoryWorker[] = []
  /** How many workers died that nobody had ended. */
  died = 0
  private readonly owner = newLoop()
  private current: Loop = this.owner
  private readonly microtasks: (() => void)[] = []
  /** Somebody's thread was ended from outside: nothing that slept may sleep on. */
  private isDisturbed = false

  constructor(
    private readonly region: Region,
    private readonly choose: (n: number) => number,
    private readonly mayDie: number,
  ) {
    setHost(this.host())
  }

  /** Runs before the step ends. */
  soon(callback: () => void): void {
    this.microtasks.push(callback)
  }

  /**
   * Takes steps until there are none left. False: every step that is left was explored in another order.
   * @param program what the executor's agent does, in its order; a step that is not ready yet waits
   */
  run(program: readonly { readonly isReady?: () => boolean; readonly run: () => void }[]): boolean {
    let next = 0
    let asleep = new Map<string, number>()
    for (;;) {
      const steps = this.steps()
      const mine = program[next]
      if (mine !== undefined && mine.isReady?.() !== false)
        steps.unshift({
          end: OWNER,
          name: `program ${next}`,
          run: () => {
            next++
            mine.run()
          },
        })
      if (steps.length === 0) return true
      const awake = steps.filter(({ name }) => !asleep.has(name))
      if (awake.length === 0) return false
      const i = awake.length === 1 ? 0 : this.choose(awake.length)
      const step = awake[i]!
      for (const other of awake.slice(0, i)) asleep.set(other.name, other.end)
      asleep = new Map([...asleep].filter(([, end]) => end !== step.end))
      this.isDisturbed = false
      this.current = this.owner
      step.run()
      for (let task = this.microtasks.shift(); task !== undefined; task = this.microtasks.shift()) task()
      if (this.isDisturbed) asleep.clear()
    }
  }

  private steps(): Step[] {
    const steps: Step[] = []
    const add = (end: number, name: string, loop: Loop, run: () => void): void =>
      void steps.push({
        end,
        name,
        run: () => {
          this.current = loop
          run()
        },
      })
    const addLoop = (end: number, name: string, loop: Loop): void => {
      if (loop.turns.length > 0) add(end, `${name} turn`, loop, () => loop.turns.shift()!())
      for (const timer of loop.timers)
        add(end, `${name} timer`, loop, () => {
          loop.timers.delete(timer)
          timer()
        })
    }
    addLoop(OWNER, 'owner', this.owner)
    if (isRung(this.region)) add(OWNER, 'owner rung', this.owner, () => void Agent.of(this.region).poll())
    for (const worker of this.workers) {
      const { number, toOwner, toWorker, loop, region } = worker
      const end = number + 1
      const name = `worker ${number}`
      if (!worker.gone) {
        if (toOwner.length > 0) add(OWNER, `from ${name}`, this.owner, () => this.tell(worker, toOwner.shift()))
        // What was not heard by then is lost.
        if (!worker.alive) add(OWNER, `${name} gone`, this.owner, () => this.bury(worker))
      }
      if (!worker.alive) continue
      if (!worker.begun) add(end, `${name} begins`, loop, () => this.begin(worker))
      else if (worker.listener !== undefined && toWorker.length > 0)
        add(end, `to ${name}`, loop, () => worker.listener!(toWorker.shift() as ToWorker))
      addLoop(end, name, loop)
      if (worker.begun && isRung(region)) add(end, `${name} rung`, loop, () => void Agent.of(region).poll())
      if (this.died < this.mayDie)
        add(end, `${name} dies`, loop, () => {
          this.died++
          worker.alive = false
        })
    }
    return steps
  }

  private tell(worker: InMemoryWorker, message: unknown): void {
    for (const listener of worker.onMessage) listener(message)
  }

  private bury(worker: InMemoryWorker): void {
    worker.gone = true
    for (const listener of worker.onExit) listener({ code: 1 })
  }

  private begin(worker: InMemoryWorker): void {
    worker.begun = true
    const parent: HostParent = {
      data: worker.data,
      post: (message, transfer) => {
        if (worker.alive) worker.toOwner.push(clone(message, transfer))
      },
      onMessage: () => undefined,
      close: () => {
        worker.alive = false
      },
    }
    void serveRelayed(parent, worker.data, (listener) => void (worker.listener = listener), worker.region)
    if (worker.listener === undefined) throw new Error('the worker could not begin')
  }

  private host(): Host {
    return {
      name: 'in memory',
      parallelism: 2,
      sharesMemory: false,
      workerModule: 'memory:worker',
      threadId: () => 0,
      setTimer: (callback) => {
        const { timers } = this.current
        timers.add(callback)
        return () => void timers.delete(callback)
      },
      nextTurn: (callback) => void this.current.turns.push(callback),
      hold: () => () => undefined,
      startWorker: (_, { data }) => {
        const worker: InMemoryWorker = {
          number: this.workers.length,
          data: data as RelayedWorker,
          loop: newLoop(),
          region: Region.create({ bytes: WORKER_BYTES }),
          toWorker: [],
          toOwner: [],
          onMessage: [],
          onExit: [],
          listener: undefined,
          begun: false,
          alive: true,
          gone: false,
        }
        this.workers.push(worker)
        return {
          native: worker,
          // A number that no agent of these regions has.
          threadId: 1000 + worker.number,
          post: (message, transfer) => {
            const copy = clone(message, transfer)
            if (worker.alive) worker.toWorker.push(copy)
          },
          onMessage: (listener) => void worker.onMessage.push(listener),
          onExit: (listener) => void worker.onExit.push(listener),
          terminate: async () => {
            this.isDisturbed = true
            worker.alive = false
          },
          ref: () => undefined,
          unref: () => undefined,
        }
      },
    }
  }
}

function clone(message: unknown, transfer: readonly object[] = []): unknown {
  return structuredClone(message, { transfer: transfer as ArrayBuffer[] })
}

/** Whether something of the calling agent's is ready in a region. */
function isRung(region: Region): boolean {
  return load(region.words, Agent.of(region).record + A_READY_ROOT) !== 0
}
