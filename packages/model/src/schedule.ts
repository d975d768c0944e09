/**
 * Schedules as text: `h1:t,d1;A12.B7.A*.A30/0*4,1`.
 *
 *   h1        version
 *   t, d1 …   options that change what can be chosen: timeouts, deaths, zombies (z), spurious wakes (s), any notify order (a)
 *   A12       thread A goes on until it has done 12 operations; B+ to its end; A* something happens to A while it waits
 *   /0*4,1    choices, in order; zeros at the end are left out
 */
import type { Schedule } from './search.js'
import type { ModelOptions } from './types.js'

export function printSchedule({ segments, choices }: Schedule, options: ModelOptions): string {
  const deaths = options.deaths === true ? 1 : Number(options.deaths ?? 0)
  const flags = [
    options.timeouts === true ? 't' : Number(options.timeouts ?? 0) > 0 && `t${Number(options.timeouts)}`,
    deaths > 0 && `d${deaths}`,
    options.zombies === true && 'z',
    options.spurious === true && 's',
    options.notifyOrder === 'any' && 'a',
  ].filter((flag) => flag !== false)
  const runs: string[] = []
  for (let i = 0; i < choices.length;) {
    let n = 1
    while (choices[i + n] === choices[i]) n++
    runs.push(n === 1 ? `${choices[i]}` : `${choices[i]}*${n}`)
    i += n
  }
  const names = segments.map(({ thread, until }) => `${String.fromCharCode(65 + thread)}${until === 0 ? '*' : until === Infinity ? '+' : until}`)
  return `h1:${flags.join(',')};${names.join('.')}${runs.length > 0 ? `/${runs.join(',')}` : ''}`
}

export function parseSchedule(text: string): { schedule: Schedule; options: ModelOptions } {
  const match = /^h1:([a-z0-9,]*);([A-Z0-9*+.]*)(?:\/([0-9*,]*))?$/.exec(text)
  if (match === null) throw new Error(`'${text}' is not a schedule of this version of @heddle/model (h1:…;…)`)
  const options: ModelOptions = {}
  for (const flag of match[1]!.split(',')) {
    if (flag === 't') options.timeouts = true
    else if (flag.startsWith('t')) options.timeouts = Number(flag.slice(1))
    else if (flag.startsWith('d')) options.deaths = Number(flag.slice(1))
    else if (flag === 'z') options.zombies = true
    else if (flag === 's') options.spurious = true
    else if (flag === 'a') options.notifyOrder = 'any'
  }
  const segments = match[2]!
    .split('.')
    .filter((name) => name !== '')
    .map((name) => ({ thread: name.charCodeAt(0) - 65, until: name[1] === '*' ? 0 : name[1] === '+' ? Infinity : Number(name.slice(1)) }))
  const choices = (match[3] ?? '')
    .split(',')
    .filter((run) => run !== '')
    .flatMap((run) => {
      const [value, count] = run.split('*')
      return new Array<number>(Number(count ?? 1)).fill(Number(value))
    })
  return { schedule: { segments, choices }, options }
}
