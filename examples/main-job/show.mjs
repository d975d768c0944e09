// What is on the screen: a live bar on a terminal, plain lines elsewhere, and the table at the end.
import cliProgress from 'cli-progress'

const number = (n) => n.toLocaleString('en')
const megabytes = (bytes) => (bytes / 1e6).toFixed(1)
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`

/**
 * Shows how a run goes on until `stop` is called.
 * @param read () => { files, bytes, loads: number[] } what has been done, and each worker's busy time in ms
 */
export function showProgress(title, total, read, out = process.stderr) {
  const begun = performance.now()
  let last = { at: begun, bytes: 0, loads: [] }
  const look = () => {
    const now = performance.now()
    const { files, bytes, loads } = read()
    const passed = Math.max(1, now - last.at)
    const rate = `${((bytes - last.bytes) / 1e3 / passed).toFixed(0)} MB/s`
    const load = loads.map((busy, i) => `${String(Math.min(100, Math.round(((busy - (last.loads[i] ?? 0)) / passed) * 100))).padStart(3)}%`).join(' ')
    last = { at: now, bytes, loads }
    return { files, rate, load }
  }
  if (!out.isTTY) {
    const line = () => {
      const { files, rate, load } = look()
      out.write(
        `${title}: ${number(files)}${total === undefined ? '' : ` of ${number(total)}`} files, ${rate}${load === '' ? '' : `, load ${load}`}\n`,
      )
    }
    out.write(`${title} …\n`)
    const timer = setInterval(line, 1000)
    return () => clearInterval(timer)
  }
  const bar = new cliProgress.SingleBar({
    stream: out,
    hideCursor: true,
    // Ctrl-C is the program's.
    gracefulExit: false,
    clearOnComplete: true,
    format: total === undefined ? `${title}  {value} files  {rate}  {load}` : `${title} {bar} {percentage}%  {value} files  {rate}  {load}`,
  })
  bar.start(total ?? 0, 0, { rate: '', load: '' })
  const timer = setInterval(() => {
    const { files, rate, load } = look()
    bar.update(files, { rate, load: load === '' ? '' : `load ${load}` })
  }, 100)
  return () => {
    clearInterval(timer)
    bar.stop()
  }
}

/** The figures of both runs, side by side. */
export function table(folder, one, all, workers) {
  const rows = [
    ['', 'one thread', workers === 1 ? '1 worker' : `${workers} workers`],
    ['time', seconds(one.time), seconds(all.time)],
    ['text read', `${megabytes(one.result.bytes)} MB`, `${megabytes(all.result.bytes)} MB`],
    ['rate', `${megabytes(one.result.bytes / (one.time / 1000))} MB/s`, `${megabytes(all.result.bytes / (all.time / 1000))} MB/s`],
    ['text files', number(one.result.text), number(all.result.text)],
    ['lines', number(one.result.lines), number(all.result.lines)],
    ['different identifiers', number(one.result.identifiers), number(all.result.identifiers)],
    ['SHA-256 of all', `${one.result.sha256.slice(0, 12)}…`, `${all.result.sha256.slice(0, 12)}…`],
    ['binary files', number(one.result.binary), number(all.result.binary)],
    ['unreadable', number(one.result.unreadable + one.seen.unreadable), number(all.result.unreadable + all.seen.unreadable)],
    ['symlink loops', number(one.seen.loops), number(all.seen.loops)],
    ['messages through the channel', '', number(all.messages)],
    ['waits of the walker, of the workers', '', `${number(all.waits.walker)}, ${number(all.waits.workers)}`],
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map(([name, first, second]) => `  ${name.padEnd(widths[0])}  ${first.padStart(widths[1])}  ${second.padStart(widths[2])}`)
  const top = all.result.top.map(([name, times]) => `${name} ${number(times)}`).join(', ')
  return [folder, ...lines, `  most frequent: ${top === '' ? 'no identifiers' : top}`].join('\n')
}

/** The last line: whether both runs agree, and how much faster the second was. */
export const verdict = (one, all) => `both results are equal; speed-up ${all.result.text === 0 ? '–' : (one.time / all.time).toFixed(2)}`
