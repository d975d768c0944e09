/** What heddle's own packages build on; not covered by semantic versioning. */
export { type Preemption, PREEMPTION } from './preemption.js'
export { levelOf, LEVELS, SHARES } from './priority.js'
