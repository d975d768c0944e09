/** The suite in a browser's window: `page.html?only=part of a name`. Reports through `console.log`, a line of JSON for each case. */
import { runCases } from '../suite/run.mjs'

const say = (value) => console.log(`heddle ${JSON.stringify(value)}`)
const only = new URL(globalThis.location.href).searchParams.get('only') ?? ''
runCases({ runtime: 'browser', only, report: say }).then(
  (failed) => say({ done: true, failed }),
  (error) => say({ done: true, failed: 1, error: String(error) }),
)
