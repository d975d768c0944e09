// Shows the tiles that are there, a bounded number of pixels in each frame.

/** How many pixels one frame copies to the canvas at most, or one tile: well under a millisecond's work. */
export const PIXELS_PER_FRAME = 64 * 1024

export class Painter {
  constructor(canvas) {
    this.canvas = canvas
    this.context = canvas.getContext('2d', { alpha: false })
    this.tiles = []
    this.next = 0
    this.mostPixels = 0
  }

  /** Begins with a picture that is empty. */
  begin(picture) {
    this.picture = picture
    this.tiles = []
    this.next = 0
    this.canvas.width = picture.width
    this.canvas.height = picture.height
  }
  add(tile) {
    this.tiles.push(tile)
  }
  /** Shows everything anew, within the bound too. */
  repaint() {
    this.next = 0
  }
  get isUpToDate() {
    return this.next === this.tiles.length
  }

  /** Paints what there is, within the bound. */
  paint() {
    let pixels = 0
    while (this.next < this.tiles.length) {
      const { left, top, right, bottom } = this.tiles[this.next]
      const [width, height] = [right - left, bottom - top]
      if (pixels > 0 && pixels + width * height > PIXELS_PER_FRAME) break
      this.next++
      pixels += width * height
      // A canvas takes no shared memory: copied first.
      const image = this.imageOf(width, height)
      for (let row = 0; row < height; row++) {
        const from = ((top + row) * this.picture.width + left) * 4
        image.data.set(this.picture.bytes.subarray(from, from + width * 4), row * width * 4)
      }
      this.context.putImageData(image, left, top)
    }
    this.mostPixels = Math.max(this.mostPixels, pixels)
  }

  imageOf(width, height) {
    if (this.image?.width !== width || this.image?.height !== height) this.image = new ImageData(width, height)
    return this.image
  }
}
