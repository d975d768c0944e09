/** What a select chooses from: its channels and times, and how one of them is done when it can be. */
import { InvalidArgumentError, type Region, Region as Regions } from '@heddle/atomics'
import { checkOptions } from '@heddle/atomics/internal'
import { random } from '@heddle/atomics/ops'
import { Buffered } from './buffered.js'
import { Endpoint } from './endpoint.js'
import { ClosedError } from './errors.js'
import { BUSY, DONE } from './flavor.js'
import { Receiver } from './receiver.js'
import { Rendezvous } from './rendezvous.js'
import type { SelectCases } from './select.js'
import { Sender } from './sender.js'
import { CLOSED, EMPTY } from './symbols.js'
import type { TimeSource } from './time-source.js'

/** What a select ended with. */
export interface Result {
  key: string
  value?: unknown
  closed?: true
}

/** Most channels: more do not fit into a record's state. */
const MAX_CASES = 253

/** A case on a channel. */
export interface ChannelCase {
  key: string
  flavor: Buffered<unknown> | Rendezvous<unknown>
  sends: boolean
  value: unknown
}
interface TimeCase {
  key: string
  source: TimeSource<unknown>
}

export class Cases {
  readonly channels: ChannelCase[] = []
  readonly times: TimeCase[] = []
  readonly region: Region
  /** Whether one of the channels hands its messages over. */
  readonly meets: boolean

  constructor(cases: SelectCases) {
    for (const [key, what] of Object.entries(checkOptions(cases))) {
      if (typeof what !== 'object' || (what as unknown) === null) throw new InvalidArgumentError(`select: '${key}' is no case`)
      if ('source' in what) this.times.push({ key, source: what.source })
      else if (Array.isArray(what))
        this.channels.push(channelCase(key, (what as unknown as [Sender<unknown>, unknown])[0], true, (what as unknown as [unknown, unknown])[1]))
      else this.channels.push(channelCase(key, what as unknown as Receiver<unknown>, false, undefined))
    }
    if (this.channels.length > MAX_CASES) throw new InvalidArgumentError(`a select takes at most ${MAX_CASES} channels, got ${this.channels.length}`)
    this.region = this.channels[0]?.flavor.region ?? Regions.default
    for (const { flavor, key } of this.channels) {
      if (flavor.region !== this.region) throw new InvalidArgumentError(`select: the channel of '${key}' lives in another region than the first one`)
    }
    this.meets = this.channels.some(({ flavor }) => flavor instanceof Rendezvous)
  }

  /** Does one ready case, if there is one. */
  attempt(): Result | undefined {
    const { channels, times } = this
    const count = channels.length + times.length
    const start = startOf(count)
    for (let i = 0; i < count; i++) {
      const at = (start + i) % count
      const found = at < channels.length ? attemptChannel(channels[at]!) : this.attemptTime(times[at - channels.length]!)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Whether one is ready. Of a channel that hands over: whether it may be. */
  canAttempt(): boolean {
    return this.channels.some(({ flavor, sends }) => (sends ? flavor.canOffer() : flavor.canPoll())) || this.times.some(({ source }) => source.isDue)
  }

  /** Whether one is ready that nobody tells of: those of channels that hand over are decided under their locks. */
  isReadyBeside(): boolean {
    return (
      this.channels.some(({ flavor, sends }) => flavor instanceof Buffered && (sends ? flavor.canOffer() : flavor.canPoll())) ||
      this.times.some(({ source }) => source.isDue)
    )
  }

  /** When the first time is due. */
  get deadline(): number {
    return this.times.reduce((first, { source }) => Math.min(first, source.deadline), Infinity)
  }

  private attemptTime({ key, source }: TimeCase): Result | undefined {
    return source.isDue ? { key, value: source.take() } : undefined
  }
}

/** Where to begin among `count` cases, each as likely as the others. */
export function startOf(count: number): number {
  return count < 2 ? 0 : random() % count
}

function channelCase(key: string, end: Endpoint<unknown>, sends: boolean, value: unknown): ChannelCase {
  if (!(sends ? end instanceof Sender : end instanceof Receiver))
    throw new InvalidArgumentError(`select: '${key}' is no receiver, no [sender, value] and no time`)
  const flavor = Endpoint.flavorOf(end)
  if (!(flavor instanceof Buffered || flavor instanceof Rendezvous))
    throw new InvalidArgumentError(`select: '${key}' is a kind of channel that select does not take`)
  return { key, flavor: flavor as Buffered<unknown> | Rendezvous<unknown>, sends, value }
}

function attemptChannel({ key, flavor, sends, value }: ChannelCase): Result | undefined {
  if (!sends) {
    const found = flavor.poll()
    if (found === EMPTY || found === BUSY) return undefined
    return found === CLOSED ? { key, closed: true } : { key, value: found }
  }
  try {
    return flavor.offer(value) === DONE ? { key, value: undefined } : undefined
  } catch (error) {
    if (error instanceof ClosedError) return { key, closed: true }
    throw error
  }
}
