/**
 * The suite: one list of cases, for every runtime. A case fails by throwing, and by not ending in time. `memory` says where it belongs: `shared` (the
 * default), `none` where memory can't be shared, `any`.
 */
import { cases as executor } from './cases-executor.mjs'
import { cases as platform } from './cases-platform.mjs'
import { cases as threads } from './cases-threads.mjs'
import { cases as unshared } from './cases-unshared.mjs'
import { cases as waits } from './cases-waits.mjs'

const all = [...platform, ...waits, ...executor, ...threads, ...unshared]

/** The cases for agents that share memory, or for those that can't. */
export const casesFor = (memory) => all.filter(({ memory: where = 'shared' }) => where === 'any' || where === memory)
