export interface Scene {
  readonly x: number
  readonly y: number
  readonly span: number
  readonly limit: number
  readonly width: number
  readonly height: number
  readonly samples: number
}
export function renderRow(pixels: Uint32Array, scene: Scene, row: number, from: number, to: number): void
