/** The program of one sample: measures what it is asked for in a process of its own and sends the figures to its parent. */
import { measure } from './measure.js'
import { type SampleRequest } from './run-suite.js'
import { type Suite } from './suite.js'

const request = JSON.parse(process.argv[2] ?? '') as SampleRequest
const { suite } = (await import(request.suite)) as { suite: Suite }
const benchCase = suite.cases.find(({ name }) => name === request.case)
if (benchCase === undefined) throw new Error(`no case '${request.case}' in suite '${suite.name}'`)
const sample = await measure(benchCase, request.contenders, request.effort)
process.send?.(sample, () => process.disconnect())
