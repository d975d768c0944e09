/**
 * Memory for what concerns one agent alone, its timers and its fibers, also where memory can't be shared.
 *
 * A page that is not cross-origin isolated has no `SharedArrayBuffer` by name, and can't post one. It can still make a shared
 * `WebAssembly.Memory`, whose buffer is one (WebAssembly JS API; probed in Chromium, Firefox and Node): all of `Atomics` works on it, within the agent.
 */
import { agentLocal } from '#ops'
import { capabilities } from './capabilities.js'
import { SharedMemoryError } from './errors.js'
import { Region } from './region.js'

const PAGE_BYTES = 64 * 1024
/** Committed by the system when it is touched. */
const OWN_BYTES = 64 * 1024 * 1024

interface WithMemory {
  readonly WebAssembly?: {
    readonly Memory: new (o: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer }
  }
}

const own = agentLocal(() => {
  if (typeof SharedArrayBuffer === 'function') return Region.create({ bytes: OWN_BYTES })
  const { WebAssembly } = globalThis as WithMemory
  if (WebAssembly === undefined) throw new SharedMemoryError(capabilities().missing[0]!)
  const pages = OWN_BYTES / PAGE_BYTES
  return Region.create({ buffer: new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer })
})

/**
 * A region that no other agent is ever given: nothing in it can be shared.
 * @throws SharedMemoryError where there is neither `SharedArrayBuffer` nor a shared `WebAssembly.Memory`
 */
export function privateRegion(): Region {
  return own.get()
}

/** The calling agent's default region; where memory can't be shared, the private one. @throws SharedMemoryError as `privateRegion` */
export function ownRegion(): Region {
  return typeof SharedArrayBuffer === 'function' ? Region.default : own.get()
}
