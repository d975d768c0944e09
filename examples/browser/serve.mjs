/**
 * `npm run example:browser [port]`: bundles the page with esbuild and serves it as a page with shared memory has to be: cross-origin isolated, and here with a
 * strict Content-Security-Policy too. Builds heddle first when that is missing.
 */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = fileURLToPath(new URL('.', import.meta.url))
const types = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript', '.svg': 'image/svg+xml' }
const files = ['index.html', 'style.css', 'icon.svg']

const headers = {
  // What makes the page cross-origin isolated, and lets it have shared memory.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  // Not needed for that; heddle works under it.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
}

/** The page's files by their paths. `main.js` and `tasks.js`, the workers' script, share one copy of heddle. */
async function bundle() {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: { main: './main.mjs', tasks: './tasks.mjs' },
    outdir: folder,
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    logLevel: 'error',
  })
  const contents = new Map(outputFiles.map(({ path, contents }) => [`/${path.slice(folder.length)}`, contents]))
  for (const file of files) contents.set(`/${file}`, await readFile(new URL(file, import.meta.url)))
  return contents
}

/** Serves the page. @returns {Promise<{ origin: string, close: () => Promise<void> }>} */
export async function serveExample({ port = 0 } = {}) {
  const contents = await bundle()
  const server = createServer(({ url }, response) => {
    const { pathname } = new URL(url, 'http://localhost')
    const path = pathname === '/' ? '/index.html' : pathname
    const body = contents.get(path)
    if (body === undefined) response.writeHead(404, { ...headers, 'Content-Type': 'text/plain' }).end('not here')
    else response.writeHead(200, { ...headers, 'Content-Type': types[extname(path)] }).end(body)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
