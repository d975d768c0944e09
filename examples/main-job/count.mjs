// What is computed of one file: lines, bytes, SHA-256, identifiers. Plain code that knows nothing of threads.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

const CHUNK_BYTES = 256 * 1024
/** How much of a file is looked at to tell text from binary. */
const SNIFF_BYTES = 8192
const LINE_FEED = 10
/** Longer runs of letters are data, not names. */
const LONGEST_NAME = 128

// Classes of bytes: 1 begins an identifier, 2 goes on with one.
const kinds = new Uint8Array(256)
for (const [from, to, kind] of [['a', 'z', 1], ['A', 'Z', 1], ['_', '_', 1], ['$', '$', 1], ['0', '9', 2]]) kinds.fill(kind, from.charCodeAt(0), to.charCodeAt(0) + 1) // prettier-ignore

/** Sums over files. */
export const emptyTotals = () => ({ text: 0, binary: 0, unreadable: 0, lines: 0, bytes: 0 })

// One file at a time in each thread.
const buffer = Buffer.allocUnsafe(CHUNK_BYTES + LONGEST_NAME + 1)

/**
 * Reads a file and adds what it is to `totals`, `names` (identifier → how often) and `digests` (path → SHA-256).
 * Yields the number of bytes read after each part, so that whoever runs it can do other things in between.
 */
export function* count(path, totals, names, digests) {
  let file
  try {
    file = openSync(path, 'r')
  } catch {
    totals.unreadable++
    return
  }
  try {
    yield* read(file, path, totals, names, digests)
  } catch {
    totals.unreadable++
  } finally {
    closeSync(file)
  }
}

function* read(file, path, totals, names, digests) {
  const hash = createHash('sha256')
  const found = new Map()
  let bytes = 0
  let lines = 0
  let kept = 0
  for (;;) {
    const length = readSync(file, buffer, kept, CHUNK_BYTES, null)
    if (bytes === 0 && buffer.subarray(0, Math.min(length, SNIFF_BYTES)).includes(0)) {
      totals.binary++
      yield length
      return
    }
    hash.update(buffer.subarray(kept, kept + length))
    const end = kept + length
    bytes += length
    // The name at the end of a part may go on in the next one.
    const rest = scan(end, length === 0, found)
    for (let at = buffer.indexOf(LINE_FEED, kept); at !== -1 && at < end; at = buffer.indexOf(LINE_FEED, at + 1)) lines++
    if (length === 0) break
    buffer.copyWithin(0, rest, end)
    kept = end - rest
    yield length
  }
  totals.text++
  totals.bytes += bytes
  totals.lines += lines
  for (const [name, times] of found) names.set(name, (names.get(name) ?? 0) + times)
  digests.push([path, hash.digest('hex')])
}

/** Counts the identifiers in the buffer's first `end` bytes; returns where an unfinished one begins. */
function scan(end, isLast, found) {
  let at = 0
  while (at < end) {
    const kind = kinds[buffer[at]]
    if (kind === 0) {
      at++
      continue
    }
    const begin = at
    while (at < end && kinds[buffer[at]] !== 0) at++
    // Of one that is too long already, enough is kept to know it again.
    if (at === end && !isLast) return Math.max(begin, end - LONGEST_NAME - 1)
    if (kind === 1 && at - begin <= LONGEST_NAME) {
      const name = buffer.latin1Slice(begin, at)
      found.set(name, (found.get(name) ?? 0) + 1)
    }
  }
  return end
}

/** What two runs are compared by, and what is shown: it doesn't depend on the order of files. */
export function summarize(totals, names, digests) {
  const all = createHash('sha256')
  for (const [path, digest] of digests.sort(([a], [b]) => (a < b ? -1 : 1))) all.update(`${digest}  ${path}\n`)
  const top = [...names].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 20)
  return { ...totals, sha256: all.digest('hex'), identifiers: names.size, top }
}
