export * from './errors.js'
export { Region, type RegionOptions } from './region.js'
export type { RegionStats } from './allocator.js'
export { type Handle, registerShareable, type SharedClass, SharedObject } from './shared-object.js'
