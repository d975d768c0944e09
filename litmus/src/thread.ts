/** The worker's side of a memory-model litmus test: walks the instances in step with the other threads and, as thread 0, counts outcomes. */
import { parentPort, workerData } from 'node:worker_threads'
import { ARRIVED, EPOCH, INSTANCES, locationX, locationY, type Program, progressWord, REGISTERS, type RunData, STOP } from './program.js'

/** Spins before a thread stops waiting for one that the system has put to sleep. */
const PATIENCE = 300

/** Runs this worker's thread of the program that the test chose. */
export function runThread(programs: Readonly<Record<string, Program>>): void {
  const run = workerData as RunData
  const body = programs[run.program]?.[run.thread]
  if (body === undefined) throw new Error(`no thread ${run.thread} in program '${run.program}'`)
  const memory = new Int32Array(run.memory)
  const registers = new Int32Array(run.registers)
  const control = new Int32Array(run.control)
  const others = Array.from({ length: run.threads }, (_, i) => i)
    .filter((i) => i !== run.thread)
    .map(progressWord)
  const mine = progressWord(run.thread)
  const counts = new Map<number, number>()
  const end = performance.now() + run.milliseconds
  let begun = 0
  let seed = 1 + run.thread
  do {
    barrier(control, run.threads)
    for (let instance = 0; instance < INSTANCES; instance++) {
      begun++
      Atomics.store(control, mine, begun)
      for (const other of others) for (let spins = 0; spins < PATIENCE && Atomics.load(control, other) < begun; spins++);
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0
      stagger(seed >>> 28)
      body(memory, locationX(instance), locationY(instance), registers, instance * REGISTERS)
    }
    barrier(control, run.threads)
    // Between two barriers only thread 0 touches the arrays: plain accesses do.
    if (run.thread === 0) {
      tally(registers, counts)
      memory.fill(0)
      registers.fill(0)
      if (performance.now() >= end) Atomics.store(control, STOP, 1)
    }
    barrier(control, run.threads)
  } while (Atomics.load(control, STOP) === 0)
  parentPort?.postMessage(run.thread === 0 ? counts : undefined)
}

/** A few wasted nanoseconds, so that the threads meet in ever new ways. */
function stagger(rounds: number): number {
  let waste = 0
  for (let i = 0; i < rounds; i++) waste = (waste + i) ^ rounds
  return waste
}

function tally(registers: Int32Array, counts: Map<number, number>): void {
  for (let at = 0; at < INSTANCES * REGISTERS; at += REGISTERS) {
    const outcome = registers[at]! | (registers[at + 1]! << 2) | (registers[at + 2]! << 4) | (registers[at + 3]! << 6)
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
}

function barrier(control: Int32Array, threads: number): void {
  const epoch = Atomics.load(control, EPOCH)
  if (Atomics.add(control, ARRIVED, 1) === threads - 1) {
    Atomics.store(control, ARRIVED, 0)
    Atomics.add(control, EPOCH, 1)
    Atomics.notify(control, EPOCH)
    return
  }
  for (let spins = 0; spins < PATIENCE; spins++) if (Atomics.load(control, EPOCH) !== epoch) return
  while (Atomics.load(control, EPOCH) === epoch) Atomics.wait(control, EPOCH, epoch)
}
