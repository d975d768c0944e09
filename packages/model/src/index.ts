export { confirm, type Confirmation, type ConfirmPort, type ConfirmWorker, serveConfirm } from './confirm.js'
export { full } from './knobs.js'
export { check, model, ModelFailure, replay } from './model.js'
export type { Body, Finding, FindingKind, ModelContext, ModelOptions, Report, SpawnOptions, Step, ThreadHandle } from './types.js'
