// What the main thread does meanwhile: frames a second, its own work in each, and tasks of over 50 ms.

const WINDOW_MS = 1000

export class Meter {
  constructor() {
    this.frames = []
    this.longTasks = []
    this.reset()
    this.hasLongTasks = PerformanceObserver.supportedEntryTypes.includes('longtask')
    if (this.hasLongTasks) {
      new PerformanceObserver((list) => {
        for (const { startTime, duration } of list.getEntries()) if (startTime >= this.since) this.longTasks.push(Math.round(duration))
      }).observe({ type: 'longtask' })
    }
  }
  /** Forgets what was; from now on counts. */
  reset() {
    this.since = performance.now()
    this.longTasks.length = 0
    this.longestWork = 0
    this.frames.length = 0
  }
  /** Measures a frame's work. */
  frame(now, work) {
    this.frames.push(now)
    while (this.frames[0] < now - WINDOW_MS) this.frames.shift()
    const begun = performance.now()
    work()
    this.longestWork = Math.max(this.longestWork, performance.now() - begun)
  }
  /** Frames a second, over the last one. */
  get rate() {
    const { frames } = this
    return frames.length < 2 ? 0 : ((frames.length - 1) * 1000) / (frames.at(-1) - frames[0])
  }
}
