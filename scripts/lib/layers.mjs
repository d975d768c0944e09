/**
 * Which package may import which: the picture in ARCHITECTURE.md as data. An arrow never points up, and there is no circle.
 * Keys are folders under packages/; a folder that has no place here fails the check.
 */
const below = {
  atomics: [],
  park: ['atomics'],
  sync: ['park'],
  cancel: ['park'],
  scheduler: ['park'],
  channel: ['sync'],
  executor: ['scheduler', 'channel', 'cancel'],
  'host-node': ['executor'],
  'host-browser': ['executor'],
  'host-deno': ['host-node'],
  'host-bun': ['host-node'],
  heddle: ['host-node', 'host-browser', 'host-deno', 'host-bun'],
  model: ['atomics'],
}

/** Every package folder that `folder` may import, or undefined for a folder that the picture doesn't have. */
export function reachable(folder) {
  if (!(folder in below)) return undefined
  const found = new Set()
  const visit = (name) => {
    for (const next of below[name]) {
      if (!found.has(next)) {
        found.add(next)
        visit(next)
      }
    }
  }
  visit(folder)
  return found
}

/** Packages whose code may name host globals and import `node:` modules. */
export const isHost = (folder) => folder.startsWith('host-')
