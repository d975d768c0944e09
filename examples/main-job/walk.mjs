// Finds the regular files below a folder, each once, in the same order every time.
import { opendir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'

/** What a walk met besides files. */
export const emptyWalk = () => ({ folders: 0, files: 0, loops: 0, repeated: 0, unreadable: 0, special: 0 })

/**
 * Yields the path of each file. Links are followed; a link to a folder that has been or will be walked anyway is counted, as a loop if
 * the folder contains the link.
 * @param {string} start a real path
 * @param {ReturnType<typeof emptyWalk>} seen is counted up
 */
export async function* walk(start, seen) {
  const folders = new Set([start])
  const linked = []
  if ((await stat(start)).isDirectory()) yield* below(start)
  else {
    seen.files++
    yield start
  }
  // What lies outside the start is walked once, after everything inside.
  for (let target = linked.shift(); target !== undefined; target = linked.shift()) {
    if (target.isFolder) yield* below(target.path)
    else {
      seen.files++
      yield target.path
    }
  }

  async function* below(folder) {
    const entries = []
    try {
      for await (const entry of await opendir(folder)) entries.push(entry)
    } catch {
      seen.unreadable++
      return
    }
    seen.folders++
    entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (folders.has(path)) continue
        folders.add(path)
        yield* below(path)
      } else if (entry.isFile()) {
        seen.files++
        yield path
      } else if (entry.isSymbolicLink()) await follow(path, folder)
      else seen.special++
    }
  }

  async function follow(link, folder) {
    let target
    let facts
    try {
      target = await realpath(link)
      facts = await stat(target)
    } catch (error) {
      if (error.code === 'ELOOP') seen.loops++
      else seen.unreadable++
      return
    }
    if (isBelow(target, folder)) seen.loops++
    else if (isBelow(start, target) || folders.has(target)) seen.repeated++
    else if (facts.isDirectory() || facts.isFile()) {
      folders.add(target)
      linked.push({ path: target, isFolder: facts.isDirectory() })
    } else seen.special++
  }
}

/** Whether `path` is `folder` or lies in it. */
function isBelow(folder, path) {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
