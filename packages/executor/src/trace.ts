/**
 * Workers' events as a trace in Chrome's format, which Perfetto and about:tracing open.
 *
 * Source     "Trace Event Format" (Google, 2016): duration events B and E, instants i, metadata M; times in µs.
 * Layout     one lane (tid) for each worker: its tasks, steps of fibers, sleeps, and thefts as instants. Below it as many lanes as calls waited there at
 *            one time. `parked` is a worker without anything to do, `event loop` one where calls wait. An async call or a fiber has a slice from its begin to its end, with its steps inside.
 * Invariants I1 In each lane B and E nest, and times never decrease, whatever events are missing: a slice whose begin was overwritten is left out, one
 *               whose end is not there yet ends now, or where the next worker of its number begins.
 */
import { BEGIN, END, FAILED, LEAVE, ONLINE, PARK, PAUSE, STEAL, STEP, UNPARK, type WorkerEvent } from './event-ring.js'

/** One event of a trace, as the format has it. */
export interface TraceEvent {
  readonly name: string
  readonly cat: string
  /** Begin and end of a slice, an instant, metadata. */
  readonly ph: 'B' | 'E' | 'i' | 'M'
  /** µs since the executor was started. */
  readonly ts: number
  readonly pid: number
  readonly tid: number
  /** Scope of an instant: its lane. */
  readonly s?: 't'
  readonly args?: Readonly<Record<string, unknown>>
}

/** What `Executor.trace()` gives: `JSON.stringify` of it, or its string, is a file that Perfetto opens. */
export class ExecutorTrace {
  readonly displayTimeUnit = 'ms'
  constructor(readonly traceEvents: readonly TraceEvent[]) {}

  /** The JSON text. */
  toString(): string {
    return JSON.stringify(this)
  }
}

/** A worker and what it did. */
export interface WorkerTrack {
  readonly worker: number
  readonly name: string
  readonly events: readonly WorkerEvent[]
}

const PID = 1
/** Lanes of one worker, at most. */
const WORKER_LANES = 100_000

class Lane {
  readonly events: TraceEvent[] = []
  private readonly open: { key: string; name: string; cat: string }[] = []
  private last = 0

  constructor(
    readonly tid: number,
    readonly name: string,
  ) {}

  get isFree(): boolean {
    return this.open.length === 0
  }
  get end(): number {
    return this.last
  }

  begin(key: string, name: string, cat: string, ts: number, args?: TraceEvent['args']): void {
    this.open.push({ key, name, cat })
    this.add('B', name, cat, ts, args)
  }

  has(key: string): boolean {
    return this.open.some((slice) => slice.key === key)
  }

  /** Ends a slice and what is inside it; nothing if it is not open. */
  finish(key: string, ts: number, args?: TraceEvent['args']): void {
    if (!this.has(key)) return
    for (;;) {
      const slice = this.open.pop()!
      const isLast = slice.key === key
      this.add('E', slice.name, slice.cat, ts, isLast ? args : undefined)
      if (isLast) return
    }
  }

  finishAll(ts: number): void {
    for (let slice = this.open.pop(); slice !== undefined; slice = this.open.pop()) this.add('E', slice.name, slice.cat, ts)
  }

  instant(name: string, cat: string, ts: number, args: TraceEvent['args']): void {
    this.add('i', name, cat, ts, args)
  }

  private add(ph: 'B' | 'E' | 'i', name: string, cat: string, ts: number, args?: TraceEvent['args']): void {
    this.last = Math.max(this.last, ts)
    this.events.push({ name, cat, ph, ts: this.last, pid: PID, tid: this.tid, ...(ph === 'i' && { s: 't' }), ...(args !== undefined && { args }) })
  }
}

interface OpenCall {
  readonly name: string
  readonly begun: number
  lane: Lane | undefined
}

/** One worker's events as slices. */
class Lanes {
  readonly all: Lane[]
  private readonly own: Lane
  private readonly calls = new Map<number, OpenCall>()

  constructor(
    private readonly track: WorkerTrack,
    private readonly taskName: (task: number) => string,
  ) {
    this.own = new Lane((track.worker + 1) * WORKER_LANES, track.name)
    this.all = [this.own]
  }

  add({ kind, a, b }: WorkerEvent, ts: number): void {
    const { own, calls } = this
    switch (kind) {
      case BEGIN: {
        const name = this.taskName(b)
        calls.set(a, { name, begun: ts, lane: undefined })
        return own.begin(`call ${a}`, name, 'task', ts, { call: a })
      }
      case LEAVE: {
        own.finish(`call ${a}`, ts)
        const call = calls.get(a)
        if (call === undefined) return
        call.lane = this.freeLane(call.begun)
        return call.lane.begin(`call ${a}`, call.name, 'async', call.begun, { call: a })
      }
      case END: {
        const args = b === FAILED ? { failed: true } : undefined
        const lane = calls.get(a)?.lane ?? own
        calls.delete(a)
        return lane.finish(`call ${a}`, ts, args)
      }
      case STEP: {
        const call = calls.get(a)
        own.begin(`step ${a}`, call?.name ?? `fiber ${b}`, 'fiber', ts, { call: a, fiber: b })
        return call?.lane?.begin(`step ${a}`, 'runs', 'fiber', ts)
      }
      case PAUSE:
        own.finish(`step ${a}`, ts)
        return calls.get(a)?.lane?.finish(`step ${a}`, ts)
      case PARK:
        // What async calls do there is not seen.
        return own.begin('parked', b === 0 ? 'parked' : 'event loop', 'park', ts, b === 0 ? undefined : { calls: b })
      case UNPARK:
        return own.finish('parked', ts)
      case STEAL:
        return own.instant('steal', 'steal', ts, { from: a, calls: b })
      case ONLINE:
        return this.finish(ts)
    }
  }

  /** Whatever is open ends. */
  finish(ts: number): void {
    for (const lane of this.all) lane.finishAll(ts)
    this.calls.clear()
  }

  private freeLane(from: number): Lane {
    const free = this.all.find((lane) => lane !== this.own && lane.isFree && lane.end <= from)
    if (free !== undefined) return free
    const number = this.all.length
    const lane = new Lane(this.own.tid + number, `${this.track.name} waits ${number}`)
    this.all.push(lane)
    return lane
  }
}

/**
 * Makes the trace.
 * @param started when the trace's time begins, and `ended` when it ends, in ms
 */
export function traceOf(
  name: string,
  tracks: readonly WorkerTrack[],
  taskName: (task: number) => string,
  started: number,
  ended: number,
): ExecutorTrace {
  const at = (time: number): number => Math.max(0, Math.round((time - started) * 1000 * 4) / 4)
  const metadata: TraceEvent[] = [label('process_name', 0, { name })]
  const events: TraceEvent[] = []
  for (const track of tracks) {
    const lanes = new Lanes(track, taskName)
    for (const event of track.events) lanes.add(event, at(event.time))
    lanes.finish(at(ended))
    for (const lane of lanes.all) {
      metadata.push(label('thread_name', lane.tid, { name: lane.name }), label('thread_sort_index', lane.tid, { sort_index: lane.tid }))
      for (const event of lane.events) events.push(event)
    }
  }
  // Stable: what happened at one moment stays in its order.
  events.sort((a, b) => a.ts - b.ts)
  return new ExecutorTrace([...metadata, ...events])
}

function label(name: string, tid: number, args: TraceEvent['args']): TraceEvent {
  return { name, cat: '__metadata', ph: 'M', ts: 0, pid: PID, tid, ...(args !== undefined && { args }) }
}
