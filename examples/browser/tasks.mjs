// What runs in the workers. This module is also their script: `new Worker(new URL('./tasks.mjs', import.meta.url))` in render.mjs.
import 'heddle/worker'
import { currentAgent, Region, tasks } from 'heddle'
import { renderRow } from './mandelbrot.mjs'

/** The picture in the region that page and workers share: one word for each pixel. */
const pixelsOf = ({ at, width, height }) => new Uint32Array(Region.default.buffer, at, width * height)

/** Renders a part of the picture row by row, and sees at each whether the page has paused or cancelled. */
function renderRows({ scene, picture, running, token, progress, writers }, { left, top, right, bottom }) {
  const pixels = pixelsOf(picture)
  writers.add(1)
  try {
    for (let row = top; row < bottom; row++) {
      running.wait({ signal: token }) // sleeps while the page has paused
      token.throwIfCancelled()
      renderRow(pixels, scene, row, left, right)
      progress.add(right - left)
    }
  } finally {
    writers.done()
  }
}

export const work = tasks(import.meta.url, {
  /**
   * Renders a tile, straight into the shared picture.
   * @param input { job: what Rendering.job gives, tile }
   */
  renderTile({ job, tile }) {
    renderRows(job, tile)
    return { tile, worker: currentAgent().id }
  },

  /** The same picture by one thread. */
  renderAlone(job) {
    const { width, height } = job.scene
    renderRows(job, { left: 0, top: 0, right: width, bottom: height })
  },

  /** How many pixels of two pictures differ. */
  countDifferences(one, other) {
    const [a, b] = [pixelsOf(one), pixelsOf(other)]
    let count = 0
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++
    return count
  },
})
