/**
 * Serves the repository's built packages and the suite to a browser, as a page with strict headers would have them: nothing is
 * bundled; a bare import is written as the URL that the package's exports give for browsers.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const types = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.html': 'text/html; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}
const conditions = ['browser', 'import', 'default']
const folders = new Map()
const folderOf = (name) =>
  name === 'heddle' ? 'heddle' : ['host-', ''].map((prefix) => prefix + name.slice('@heddle/'.length)).find((folder) => manifest(folder))

function manifest(folder) {
  if (!folders.has(folder)) {
    let found
    try {
      found = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'))
    } catch {
      found = undefined
    }
    folders.set(folder, found)
  }
  return folders.get(folder)
}

function pick(target) {
  if (typeof target === 'string') return target
  for (const [key, inner] of Object.entries(target)) if (conditions.includes(key)) return pick(inner)
  throw new Error(`nothing for a browser in ${JSON.stringify(target)}`)
}

/** The URL of a bare import. */
function urlOf(specifier, importer) {
  if (specifier.startsWith('#')) {
    const folder = relative(join(root, 'packages'), importer).split(sep)[0]
    return `/packages/${folder}/${pick(manifest(folder).imports[specifier]).slice(2)}`
  }
  const [, name, path] = /^((?:@heddle\/)?[\w-]+)(?:\/(.+))?$/.exec(specifier)
  const folder = folderOf(name)
  return `/packages/${folder}/${pick(manifest(folder).exports[path === undefined ? '.' : `./${path}`]).slice(2)}`
}

const IMPORT = /(\bfrom\s*|\bimport\s*)(["'])((?:heddle|@heddle\/|#)[\w/-]*)\2/g

/** A file with its bare imports rewritten; undefined for one that there is not. */
function load(path) {
  const file = normalize(join(root, path))
  if (relative(root, file).startsWith('..') || types[extname(file)] === undefined) return undefined
  try {
    const bytes = readFileSync(file)
    if (types[extname(file)] !== 'text/javascript') return bytes
    return bytes.toString('utf8').replace(IMPORT, (_, from, quote, specifier) => `${from}${quote}${urlOf(specifier, dirname(file))}${quote}`)
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}
const POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:"

/**
 * `wasm`: the policy allows to compile WebAssembly, and nothing else that evaluates.
 * @param {{ isolated?: boolean, wasm?: boolean, extra?: (path: string) => { status?: number, type: string, body: string } | undefined }} options
 * @returns {Promise<{ origin: string, close: () => Promise<void> }>}
 */
export async function serve({ isolated = true, wasm = false, extra, port = 0 } = {}) {
  const policy = wasm ? POLICY.replace('script-src', "script-src 'wasm-unsafe-eval'") : POLICY
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const headers = { ...(isolated && isolation), 'Content-Security-Policy': policy, 'Cache-Control': 'no-store' }
    try {
      const own = extra?.(pathname)
      const body = own?.body ?? load(decodeURIComponent(pathname))
      if (body === undefined) response.writeHead(404, { ...headers, 'Content-Type': 'text/plain' }).end('not here')
      else response.writeHead(own?.status ?? 200, { ...headers, 'Content-Type': own?.type ?? types[extname(pathname)] }).end(body)
    } catch (error) {
      response.writeHead(500, headers).end(String(error))
    }
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
