/** What heddle's own packages build on; not covered by semantic versioning. */
export { type Preemption, PREEMPTION } from './preemption.js'
export { levelOf, LEVELS, priorityOf, SHARES } from './priority.js'
