/**
 * Decides whether an access races with another, and ends the check if it does.
 *
 * An access races with an earlier one by another thread when they overlap, one of them writes, one of them is plain (or both are
 * atomic but of different widths), and nothing orders them: see memory.ts for the order.
 */
import type { Machine } from './machine.js'
import { ATOMIC_READ, ATOMIC_WRITE, type BufferCells, type Cell, PLAIN_WRITE } from './memory.js'
import { join } from './native.js'
import type { Thread } from './thread.js'

const NAMES = ['plain read', 'plain write', 'atomic read', 'atomic write']

export class Judge {
  constructor(private readonly machine: Machine) {}

  readAtomic(thread: Thread, cell: Cell, width: number): void {
    if (cell.published !== null) join(thread.hb, cell.published)
    if (this.machine.options.races !== false && !thread.preparing) this.judgeAtomic(thread, cell, width, ATOMIC_READ)
  }

  writeAtomic(thread: Thread, cell: Cell, width: number): void {
    if (this.machine.options.races !== false && !thread.preparing) this.judgeAtomic(thread, cell, width, ATOMIC_WRITE)
    cell.published = thread.hb.slice()
    this.machine.published(cell, cell.published)
    thread.hb[thread.id]!++
  }

  private judgeAtomic(thread: Thread, cell: Cell, width: number, kind: number): void {
    this.judge(thread, cell, cell.access(thread, kind, width), kind)
    if (cell.bytes !== null) for (const byte of cell.bytes) this.judge(thread, byte, byte.in(this.machine.execution).check(thread, kind), kind)
  }

  /** Ends the check when an access raced. */
  private judge(thread: Thread, cell: Cell, other: number, kind: number): void {
    if (other < 0) return
    const { machine } = this
    const count = machine.threads.length
    const otherKind = Math.floor(other / count)
    const otherThread = machine.threads[other % count]!
    const mixed = kind >= ATOMIC_READ && otherKind >= ATOMIC_READ
    const place = cell.places[other]!
    machine.raced = { thread: otherThread.id, place }
    machine.tracer?.(thread, NAMES[kind]!, cell.label, '', 'races here')
    machine.stop(
      thread,
      mixed ? 'mixed-size' : 'race',
      mixed
        ? `threads ${otherThread.name} and ${thread.name} access ${cell.label} atomically with different widths, and nothing orders them`
        : `${NAMES[kind]!} of ${cell.label} by thread ${thread.name} races with a ${NAMES[otherKind]!} by thread ${otherThread.name}: nothing orders them`,
    )
  }

  /** Checks a plain access of some bytes for races; a scheduling point where somebody peeks. */
  plain(thread: Thread, cells: BufferCells, from: number, length: number, kind: number): void {
    const { machine } = this
    const { execution } = machine
    const write = kind === PLAIN_WRITE
    const end = from + length
    let visible = false
    for (let word = from >> 2; word << 2 < end; word++) {
      if (machine.isPlainVisible(thread, cells.cell(word, execution), write)) visible = true
    }
    if (visible) machine.point(thread)
    for (let word = from >> 2; word << 2 < end; word++) {
      const cell = cells.cell(word, execution)
      const first = Math.max(from - (word << 2), 0)
      const last = Math.min(end - (word << 2), 4)
      if (machine.options.races !== false) this.checkPlain(thread, cell, first, last, kind)
      if (write) cell.version++
      if (visible && cell.peeked) machine.search.touch(cell, write)
    }
  }

  private checkPlain(thread: Thread, cell: Cell, first: number, last: number, kind: number): void {
    const { execution } = this.machine
    if (last - first === 4) {
      this.judge(thread, cell, cell.access(thread, kind, 4), kind)
      if (cell.bytes !== null) for (const byte of cell.bytes) this.judge(thread, byte, byte.in(execution).check(thread, kind), kind)
      return
    }
    this.judge(thread, cell, cell.check(thread, kind), kind)
    for (let offset = first; offset < last; offset++) {
      const byte = cell.byte(offset, execution)
      this.judge(thread, byte, byte.access(thread, kind, 1), kind)
    }
  }
}
