export { full } from './knobs.js'
export { check, model, ModelFailure, replay } from './model.js'
export type { Body, Finding, FindingKind, ModelContext, ModelOptions, Report, SpawnOptions, Step, ThreadHandle } from './types.js'
