// The mathematics: plain code that knows nothing of threads. The four operations only, so that every engine gives the same pixels.

/** Named views: the centre, and how wide the picture is. */
export const views = {
  whole: { title: 'The whole set', x: -0.65, y: 0, span: 3.4, limit: 800 },
  seahorses: { title: 'Seahorse valley', x: -0.743643887037151, y: 0.13182590420533, span: 0.0028, limit: 2000 },
  elephants: { title: 'Elephant valley', x: 0.2929859127507, y: 0.6117848324958, span: 0.0022, limit: 2500 },
  spiral: { title: 'Double spiral', x: -0.7746806106269039, y: -0.1374168856037867, span: 0.00006, limit: 4000 },
}

/** Squared radius past which a point has escaped: large, so that the colours have no steps. */
const ESCAPED = 65_536
const COLOURS = 4096
const STOPS = [
  [0, 5, 9, 32],
  [0.16, 24, 74, 160],
  [0.42, 226, 243, 255],
  [0.64, 255, 176, 46],
  [0.86, 92, 12, 58],
  [1, 5, 9, 32],
]

/** Red, green, blue and opaque, as one little-endian word. */
const word = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
const INSIDE = word(8, 8, 14)

const palette = Uint32Array.from({ length: COLOURS }, (_, i) => {
  const at = i / COLOURS
  const next = STOPS.findIndex(([stop]) => stop > at)
  const [[from, ...a], [to, ...b]] = [STOPS[next - 1], STOPS[next]]
  const part = (at - from) / (to - from)
  const eased = part * part * (3 - 2 * part)
  return word(...a.map((value, channel) => Math.round(value + (b[channel] - value) * eased)))
})

/** The binary logarithm, to four digits: `Math.log2` is not the same in every engine. */
function log2(x) {
  let whole = 0
  for (; x >= 2; x /= 2) whole++
  return whole - 1.7417939 + (2.8212026 + (-1.4699568 + (0.44717955 - 0.056570851 * x) * x) * x) * x
}

/** How many pixels this agent has computed: the page shows that its own thread computes none. */
export const computed = { pixels: 0 }

/**
 * Computes a part of a row.
 * @param pixels one word for each pixel
 * @param scene { x, y, span, limit, width, height, samples: how many in each direction of a pixel }
 */
export function renderRow(pixels, scene, row, from, to) {
  const { x, y, span, width, height, limit, samples } = scene
  const scale = span / width
  const [left, top] = [x - (width / 2) * scale, y + (row - height / 2) * scale]
  for (let column = from; column < to; column++) pixels[row * width + column] = pixelOf(left + column * scale, top, scale, samples, limit)
  computed.pixels += to - from
}

/** The mean colour of the samples in a pixel. */
function pixelOf(left, top, scale, samples, limit) {
  let [red, green, blue] = [0, 0, 0]
  for (let i = 0; i < samples; i++) {
    for (let j = 0; j < samples; j++) {
      const real = left + (i * scale) / samples
      const imaginary = top + (j * scale) / samples
      const colour = isInBulb(real, imaginary) ? INSIDE : colourOf(real, imaginary, limit)
      red += colour & 255
      green += (colour >> 8) & 255
      blue += (colour >> 16) & 255
    }
  }
  const all = samples * samples
  return word(Math.round(red / all), Math.round(green / all), Math.round(blue / all))
}

/** Whether a point lies in the two largest parts of the set, which needs no iteration to know. */
function isInBulb(x, y) {
  const q = (x - 0.25) * (x - 0.25) + y * y
  return q * (q + (x - 0.25)) <= 0.25 * y * y || (x + 1) * (x + 1) + y * y <= 0.0625
}

function colourOf(real, imaginary, limit) {
  let [x, y, xx, yy] = [0, 0, 0, 0]
  let steps = 0
  while (xx + yy <= ESCAPED && steps < limit) {
    y = 2 * x * y + imaginary
    x = xx - yy + real
    xx = x * x
    yy = y * y
    steps++
  }
  if (steps === limit) return INSIDE
  const smooth = steps + 5 - log2(log2(xx + yy))
  return palette[Math.floor(smooth * 24) % COLOURS]
}

/** Cuts a picture into tiles, those in the middle first. */
export function tilesOf(width, height, size) {
  const tiles = []
  for (let top = 0; top < height; top += size)
    for (let left = 0; left < width; left += size)
      tiles.push({ left, top, right: Math.min(left + size, width), bottom: Math.min(top + size, height) })
  const distance = ({ left, top, right, bottom }) => (left + right - width) ** 2 + (top + bottom - height) ** 2
  return tiles.sort((a, b) => distance(a) - distance(b))
}
