// The page: its controls, and a loop that shows each frame what there is. Rendering is in render.mjs.
import { capabilities } from 'heddle'
import { computed, views } from './mandelbrot.mjs'
import { Meter } from './meter.mjs'
import { Painter, PIXELS_PER_FRAME } from './painter.mjs'
import { differences, Rendering, startExecutor } from './render.mjs'

const element = Object.fromEntries([...document.querySelectorAll('[id]')].map((one) => [one.id, one]))
const painter = new Painter(element.canvas)
const meter = new Meter()

let executor
/** What is shown, and what was there before it was begun. */
let rendering
let state = 'starting'
let scene = linked() ?? { ...views.seahorses }
let begun = 0
/** Tiles by worker. */
let shares = new Map()
const rates = []

/** The view that the page's address names: `#x,y,span,limit`. */
function linked() {
  const [x, y, span, limit] = location.hash.slice(1).split(',').map(Number)
  return span > 0 && limit > 0 ? { x, y, span, limit } : undefined
}

function say(text) {
  element.status.textContent = text
}

function enter(next, text) {
  state = next
  document.body.dataset.state = next
  const busy = next === 'rendering' || next === 'paused' || next === 'comparing'
  element.render.disabled = busy || next === 'starting'
  element.view.disabled = element.samples.disabled = busy
  element.pause.disabled = element.cancel.disabled = !busy
  element.pause.textContent = rendering?.isPaused ? 'Resume' : 'Pause'
  element.compare.disabled = next !== 'done'
  say(text)
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`

/** As many pixels as the canvas has on this screen, within reason. */
function sizeOf(canvas) {
  const width = Math.min(1600, Math.round(canvas.clientWidth * Math.min(devicePixelRatio, 2)))
  return { width, height: Math.round((width * 10) / 16) }
}

async function render() {
  const size = sizeOf(element.canvas)
  await rendering?.dispose()
  rendering = new Rendering(executor, { ...scene, ...size, samples: Number(element.samples.value) })
  painter.begin(rendering.picture)
  shares = new Map()
  for (const name of ['time', 'alone', 'differences']) element[name].textContent = '–'
  meter.reset()
  begun = performance.now()
  enter('rendering', `Rendering ${size.width} × ${size.height} pixels on ${executor.stats().workers.length} workers …`)
  try {
    await rendering.parallel((tile, worker) => {
      painter.add(tile)
      shares.set(worker, (shares.get(worker) ?? 0) + 1)
    })
    element.time.textContent = seconds(performance.now() - begun)
    enter('done', 'Done. Click the picture to look closer.')
  } catch (error) {
    if (error.code !== 'ERR_CANCELLED') throw error
    enter('cancelled', 'Cancelled.')
  }
}

/** The same by one worker, and whether both are equal. */
async function compare() {
  const first = rendering
  const second = new Rendering(executor, first.scene)
  rendering = second
  enter('comparing', 'Rendering once more, by one thread …')
  try {
    const since = performance.now()
    await second.alone()
    element.alone.textContent = seconds(performance.now() - since)
    const count = await differences(executor, first, second)
    element.differences.textContent = count.toLocaleString('en')
    rendering = first
    enter('done', count === 0 ? 'Both pictures are equal.' : 'The pictures differ, and should not.')
  } catch (error) {
    rendering = first
    if (error.code !== 'ERR_CANCELLED') throw error
    enter('done', 'The comparison was cancelled.')
  } finally {
    await second.dispose()
  }
}

function togglePause() {
  if (rendering.isPaused) rendering.resume()
  else rendering.pause()
  enter(rendering.isPaused ? 'paused' : 'rendering', rendering.isPaused ? 'Paused: the workers sleep.' : 'Rendering …')
}

/** Three times closer, at a place of the canvas from 0 to 1. */
function zoom(x, y) {
  if (element.render.disabled) return
  const { span } = scene
  scene = { ...scene, x: scene.x + (x - 0.5) * span, y: scene.y + ((y - 0.5) * span * 10) / 16, span: span / 3, limit: Math.round(scene.limit * 1.2) }
  history.replaceState(null, '', `#${scene.x},${scene.y},${scene.span},${scene.limit}`)
  void guard(render)
}

async function guard(step) {
  try {
    await step()
  } catch (error) {
    enter('failed', `${error.name}: ${error.message}`)
    throw error
  }
}

function showWorkers() {
  const most = Math.max(1, ...shares.values())
  const list = element.workers
  while (list.children.length < shares.size) {
    const item = document.createElement('li')
    item.append(document.createElement('span'), document.createElement('progress'), document.createElement('b'))
    item.firstChild.textContent = `Worker ${list.children.length + 1}`
    item.children[1].setAttribute('aria-hidden', 'true')
    list.append(item)
  }
  for (const [index, item] of [...list.children].entries()) {
    const tiles = [...shares.entries()].sort(([a], [b]) => a - b)[index]?.[1] ?? 0
    item.children[1].max = most
    item.children[1].value = tiles
    item.lastChild.textContent = `${tiles}`
  }
}

function showRates() {
  rates.push(meter.rate)
  if (rates.length > 60) rates.shift()
  const top = Math.max(60, ...rates)
  element.spark.firstElementChild.setAttribute('points', rates.map((rate, i) => `${i * 2},${30 - (rate / top) * 28}`).join(' '))
}

let lastText = 0
function frame(now) {
  meter.frame(now, () => {
    painter.paint()
    const fraction = rendering?.fraction ?? 0
    element.progress.value = fraction * 100
    element.percent.textContent = `${Math.floor(fraction * 100)} %`
    if (now - lastText < 200) return
    lastText = now
    element.rate.textContent = meter.rate.toFixed(0)
    element.work.textContent = `${meter.longestWork.toFixed(1)} ms`
    element.long.textContent = meter.hasLongTasks ? `${meter.longTasks.length}` : 'no report'
    element.here.textContent = computed.pixels.toLocaleString('en')
    showWorkers()
    showRates()
  })
  requestAnimationFrame(frame)
}

for (const [name, { title }] of Object.entries(views)) element.view.append(new Option(title, name, name === 'seahorses', name === 'seahorses'))
element.view.addEventListener('change', () => {
  scene = { ...views[element.view.value] }
  history.replaceState(null, '', '#')
  void guard(render)
})
element.controls.addEventListener('submit', (event) => {
  event.preventDefault()
  void guard(render)
})
element.pause.addEventListener('click', togglePause)
element.cancel.addEventListener('click', () => rendering.cancel())
element.samples.addEventListener('change', () => void guard(render))
element.compare.addEventListener('click', () => void guard(compare))
element.canvas.addEventListener('click', ({ offsetX, offsetY }) => zoom(offsetX / element.canvas.clientWidth, offsetY / element.canvas.clientHeight))
element.canvas.addEventListener('keydown', ({ key }) => {
  if (key === 'Enter') zoom(0.5, 0.5)
})

/** For whoever drives the page. */
globalThis.example = {
  get state() {
    return state
  },
  get rendering() {
    return rendering
  },
  get painted() {
    return { isUpToDate: painter.isUpToDate, mostPixels: painter.mostPixels, bound: PIXELS_PER_FRAME }
  },
  repaint: () => painter.repaint(),
  get measured() {
    return { rate: meter.rate, longestWork: meter.longestWork, longTasks: [...meter.longTasks], computedHere: computed.pixels }
  },
}

await guard(async () => {
  const { missing, sharedMemory } = capabilities()
  if (!sharedMemory) {
    element.missing.textContent = missing.join(' ')
    element.missing.hidden = false
    throw new Error('this page has no shared memory')
  }
  executor = await startExecutor()
  requestAnimationFrame(frame)
  await render()
})
