// Rendering as the page sees it: a picture in shared memory, workers that fill it, and what pauses and stops them.
import { AtomicInt32, CancelSource, Event as Gate, Executor, Region, WaitGroup } from 'heddle'
import { tilesOf } from './mandelbrot.mjs'
import { work } from './tasks.mjs'

const TILE = 48

/** Memory for a picture in the region that page and workers share. */
export class Picture {
  constructor(width, height) {
    this.width = width
    this.height = height
    this.at = Region.default.alloc(width * height * 4)
    this.bytes = new Uint8ClampedArray(Region.default.buffer, this.at, width * height * 4)
  }
  /** What a task is given of it. */
  get place() {
    const { at, width, height } = this
    return { at, width, height }
  }
  free() {
    Region.default.free(this.at)
  }
}

/** A pool whose workers' script is the module of the tasks. */
export function startExecutor() {
  const worker = () => new Worker(new URL('./tasks.js', import.meta.url), { type: 'module' })
  return Executor.start({ name: 'painter', workers: Math.max(1, navigator.hardwareConcurrency), native: { worker } })
}

/** One rendering: begun by `parallel` or `alone`, which resolve at its end and reject with `CancelledError` when it is cancelled. */
export class Rendering {
  constructor(executor, scene) {
    this.executor = executor
    this.scene = scene
    this.picture = new Picture(scene.width, scene.height)
    this.progress = new AtomicInt32()
    this.running = new Gate()
    this.running.set()
    this.source = new CancelSource()
    this.writers = new WaitGroup()
  }
  get total() {
    return this.scene.width * this.scene.height
  }
  /** From 0 to 1: one look at shared memory. */
  get fraction() {
    return this.progress.load() / this.total
  }
  get isPaused() {
    return !this.running.isSet
  }
  pause() {
    this.running.reset()
  }
  resume() {
    this.running.set()
  }
  cancel() {
    this.source.cancel()
  }

  /** On all cores. Calls `onTile(tile, worker)` for each tile that is there. */
  async parallel(onTile) {
    const { scene, executor, source } = this
    const tiles = tilesOf(scene.width, scene.height, TILE)
    const inputs = tiles.map((tile) => ({ job: this.job, tile }))
    const results = executor.map(work.renderTile, inputs, { ordered: false, signal: source.token })
    for await (const { tile, worker } of results) onTile(tile, worker)
  }

  /** By one worker. */
  alone() {
    return this.executor.run(work.renderAlone, this.job)
  }

  get job() {
    const { scene, picture, running, source, progress, writers } = this
    return { scene, picture: picture.place, running, token: source.token, progress, writers }
  }

  /** Gives its memory back, once no worker writes there any more: one that was cancelled goes on to the end of its row. */
  async dispose() {
    await this.writers.waitAsync()
    this.writers.dispose()
    this.picture.free()
    this.progress.dispose()
    this.running.dispose()
    this.source.dispose()
  }
}

/** How many pixels of two renderings differ; a worker looks. */
export function differences(executor, one, other) {
  return executor.run(work.countDifferences, one.picture.place, other.picture.place)
}
