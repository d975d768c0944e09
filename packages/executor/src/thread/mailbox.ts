/**
 * The receiving end of a record's mailbox, in the agent that the record is for. Layout and pairs: layout.ts.
 *
 *   where the agent is                          R_ASLEEP   who looks next
 *   in a round, or between two looks            AWAKE      the agent, in a microtask or a turn that is queued
 *   on its event loop, messages are wanted      ASLEEP     whoever sends: rings
 *   on its event loop, none are wanted          DROWSY     whoever sends an order: rings · the agent, when somebody begins to want messages
 *   blocked in `recv`, `send` or a join         ASLEEP     whoever sends: rings
 * Progress   A round handles what there is, at most for TURN_MS, then lets the event loop turn. While messages come often, the thread looks for
 *            more for a moment before it sleeps (LookBudget), between its own microtasks.
 */
import type { Region } from '@heddle/atomics'
import { now, pause } from '@heddle/atomics/ops'
import { CLOSED, EMPTY } from '@heddle/channel'
import { Doorbell, getHost } from '@heddle/park/internal'
import { LookBudget } from '../spin-budget.js'
import { type Entry, isOrder, Unreadable } from './entry.js'
import type { Hub } from './hub.js'
import type { Arrival, Inbox, Source } from './inbox.js'
import { Intake } from './intake.js'
import { ASLEEP, AWAKE, DROWSY, R_ASLEEP, R_BELL } from './layout.js'

/** A turn of the event loop longer than this lets it go on, in ms. */
const TURN_MS = 4
/** What was taken was no message. */
const OTHER = Symbol('other')
/** Looks in one microtask. */
const LOOKS = 24

/** Whose mailbox it is. */
export interface Resident {
  /** Whether an entry for this ref is its. */
  isFor(ref: number): boolean
  /** Where they go. */
  readonly inbox: Inbox | undefined
  /** An entry that is no message. */
  order(entry: Entry): void
  /** A message. */
  arrival(entry: Entry): Arrival
  /** One that is for a thread that has ended. */
  refuse(entry: Entry): void
  /** A message whose payload can't be read here. */
  unreadable(entry: Entry, reason: unknown): void
  /** The mailbox was found closed, with nothing left in it; `state`: the record's, before that. */
  drained(state: number): void
}

/** One mailbox. */
export class Mailbox implements Source {
  readonly region: Region
  private readonly intake: Intake
  private readonly bell: Doorbell
  private readonly budget: LookBudget
  private readonly roundTask = (): void => {
    this.blocked = false
    this.round()
  }
  private queued = false
  private running = false
  /** The thread blocks, or has not returned to its event loop since: what is queued does not run. */
  private blocked = false
  private isOpen = true
  private lookSince = 0
  private turnSince = 0

  constructor(
    private readonly hub: Hub,
    private readonly record: number,
    private readonly resident: Resident,
    looks: boolean,
  ) {
    this.region = hub.region
    this.intake = new Intake(hub, record)
    this.budget = new LookBudget(looks)
    this.bell = Doorbell.open(hub.region, () => this.rung())
    hub.set(record, R_ASLEEP, AWAKE)
    hub.set(record, R_BELL, this.bell.at)
    this.stir()
  }

  /** Part of `Source`. */
  next(): Arrival | undefined {
    for (;;) {
      const found = this.step()
      if (found !== OTHER) return found
    }
  }

  /** Part of `Source`. */
  fallAsleep(): void {
    this.hub.set(this.record, R_ASLEEP, ASLEEP)
  }

  /** Part of `Source`. */
  stir(): void {
    if (this.queued || !this.isOpen) return
    this.queued = true
    this.lookSince = 0
    queueMicrotask(this.roundTask)
  }

  /** The thread is about to block elsewhere: from here on it is rung for whatever comes, and takes it then. */
  beforeBlock(): void {
    if (!this.isOpen || this.running || this.resident.inbox?.isBusy === true) return
    this.blocked = true
    this.serve()
    this.stir()
  }

  /** At a safepoint: gives messages to those who listen, however long the code around it runs. */
  look(): void {
    const inbox = this.resident.inbox
    if (inbox === undefined || this.running || inbox.isBusy || !inbox.wants || (!inbox.hasBacklog && !this.intake.hasAny)) return
    this.work()
  }

  /** Takes everything that is there and gives it back to whoever sent it. */
  empty(): void {
    const { intake, resident } = this
    for (let entry = intake.take(); entry !== EMPTY && entry !== CLOSED; entry = intake.take()) resident.refuse(entry)
  }

  /** Receives no more, in this agent. */
  close(): void {
    this.isOpen = false
    this.hub.set(this.record, R_BELL, 0)
    this.bell.close()
  }

  /** Takes one entry: a message, something else, or nothing. */
  private step(): Arrival | typeof OTHER | undefined {
    const { intake, resident } = this
    const entry = intake.take()
    if (entry === EMPTY) return undefined
    if (entry === CLOSED) {
      resident.drained(intake.closedState)
      return undefined
    }
    if (!resident.isFor(entry.to)) resident.refuse(entry)
    else if (isOrder(entry.kind)) resident.order(entry)
    else if (entry.payload instanceof Unreadable) resident.unreadable(entry, entry.payload.reason)
    else return resident.arrival(entry)
    return OTHER
  }

  private rung(): void {
    // Whoever is blocked in `recv` looks when it returns.
    if (this.resident.inbox?.isBusy === true || this.running) return this.stir()
    this.lookSince = 0
    if (this.blocked) this.serve()
    else if (!this.queued) this.round()
  }

  /** While the thread blocks: takes what there is, and is rung for more. */
  private serve(): void {
    do {
      this.work()
      this.fallAsleep()
    } while (this.hasWork)
  }

  private round(): void {
    this.queued = false
    if (!this.isOpen || this.running) return
    const time = now()
    if (this.turnSince === 0) {
      this.turnSince = time
      getHost().nextTurn(() => {
        this.turnSince = 0
      })
    }
    this.hub.set(this.record, R_ASLEEP, AWAKE)
    if (this.work()) {
      if (this.lookSince !== 0) this.budget.paid()
      this.lookSince = 0
    }
    if (this.hasWork) return this.again(time)
    // Without a thread the next one may come at any moment.
    if (this.budget.looks && (this.wants || this.resident.inbox === undefined) && this.keepLooking(time)) return this.again(time)
    this.hub.set(this.record, R_ASLEEP, this.wants ? ASLEEP : DROWSY)
    if (this.hasWork) this.again(time)
  }

  /** Handles what there is; whether there was anything. */
  private work(): boolean {
    const { resident } = this
    const begun = now()
    let any = false
    this.running = true
    try {
      resident.inbox?.flush()
      while (this.hasWork) {
        const found = this.step()
        if (found === undefined) break
        any = true
        // It may be another one's by now.
        if (found !== OTHER) resident.inbox?.deliver(found)
        if (now() - begun > TURN_MS) break
      }
    } finally {
      this.running = false
    }
    return any
  }

  private get wants(): boolean {
    return this.resident.inbox?.wants === true
  }

  private get hasWork(): boolean {
    return this.intake.hasWork(this.wants)
  }

  private again(time: number): void {
    if (this.queued) return
    this.queued = true
    if (time - this.turnSince > TURN_MS) getHost().nextTurn(this.roundTask)
    else queueMicrotask(this.roundTask)
  }

  /** Looks for more for a moment; false when it is time to sleep. */
  private keepLooking(time: number): boolean {
    if (this.lookSince === 0) this.lookSince = time
    for (let i = 0; i < LOOKS; i++) {
      if (this.hasWork) return true
      pause()
    }
    if (!this.budget.isOver(this.lookSince, now())) return true
    this.budget.failed()
    this.lookSince = 0
    return false
  }
}
