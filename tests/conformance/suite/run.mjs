/** Runs the cases one after the other and reports each. Knows no runtime. */
import { capabilities, Executor } from 'heddle'
import { casesFor } from './cases.mjs'

/**
 * @param {{ runtime: string, report: (result: object) => void, only?: string, limit?: number }} options
 * `only`: a part of the group's or the case's name; `limit`: milliseconds for a case
 * @returns {Promise<number>} how many failed
 */
export async function runCases({ runtime, report, only = '', limit = 30_000 }) {
  let executor
  let failed = 0
  const chosen = casesFor(capabilities().sharedMemory ? 'shared' : 'none').filter(({ group, name }) => `${group}: ${name}`.includes(only))
  for (const { group, name, run } of chosen) {
    const begun = performance.now()
    let error
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`did not end within ${limit} ms`)), limit)
    })
    try {
      // Two workers: one may block while the other runs what wakes it.
      executor ??= await Executor.start({ workers: 2 })
      await Promise.race([run({ runtime, executor }), late])
    } catch (caught) {
      error = caught instanceof Error ? `${caught.message}\n${caught.stack ?? ''}` : String(caught)
      failed++
      // What it left behind is no business of the next case.
      const left = executor
      executor = undefined
      await Promise.race([left?.terminate().catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 2000))])
    }
    clearTimeout(timer)
    report({ group, name, ok: error === undefined, ms: Math.round(performance.now() - begun), ...(error !== undefined && { error }) })
  }
  await executor?.shutdown()
  return failed
}
