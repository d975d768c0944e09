/** The suite: one list of cases, for every runtime. A case fails by throwing, and by not ending in time. */
import { cases as executor } from './cases-executor.mjs'
import { cases as platform } from './cases-platform.mjs'
import { cases as waits } from './cases-waits.mjs'

export const cases = [...platform, ...waits, ...executor]
