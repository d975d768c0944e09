/** What heddle's own packages build on; not covered by semantic versioning. */
export * from './layout.js'
export { AgentIdentity, agentRecord, isOwnerAlive, ownerId } from './agents.js'
export { Place, shareableClass } from './shared-object.js'
