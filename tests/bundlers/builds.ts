/** How each bundler is set up for each road: what docs/bundlers.md tells its users. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build as esbuild } from 'esbuild'
import { rollup } from 'rollup'
import { build as vite, type InlineConfig } from 'vite'
import webpack, { type Configuration } from 'webpack'
import { node } from '../pack/project.js'

/** `by-url`: heddle's own workers import the modules of the tasks. `own-worker`: the workers' script is one that the bundler made, and brings the tasks. */
export type Road = 'by-url' | 'own-worker'
export interface Case {
  bundler: string
  road: Road
  target: 'browser' | 'node'
  /** Builds the program of the project's folder into another one. The page is `by-url.html` or `own-worker.html` there, or one that loads `main.js`. */
  build: (project: string, out: string) => Promise<unknown>
  /** The worker has a copy of heddle, and the tasks have another: they can't make shared objects, and errors lose their class. */
  copies?: true
  /** Only in `npm run test:bundlers`. */
  slow?: true
}

/**
 * For bundlers that leave `new URL('./worker.js', import.meta.url)` as it is: what such a URL names is an entry of that name, which is put next to the
 * others. A module of tasks that is to be found by its URL is an entry too, so that it is a file of its own.
 */
function entries(project: string, road: Road, host = 'browser'): Record<string, string> {
  const tasks = { tasks: join(project, 'tasks.js') }
  return road === 'by-url'
    ? {
        main: join(project, 'by-url.js'),
        ...tasks,
        'pixels-tasks': join(project, 'node_modules/pixels/tasks.js'),
        worker: join(project, host === 'browser' ? 'worker.js' : 'worker-node.js'),
      }
    : { main: join(project, 'own-worker.js'), ...tasks, 'pixels.worker': join(project, 'pixels.worker.js') }
}

const withEsbuild =
  (road: Road, platform: 'browser' | 'node', splitting = true) =>
  (project: string, outdir: string): Promise<unknown> =>
    esbuild({
      absWorkingDir: project,
      entryPoints: entries(project, road, platform),
      outdir,
      bundle: true,
      splitting,
      format: 'esm',
      platform,
      target: 'es2022',
      minify: true,
      logLevel: 'silent',
    })

const withRollup =
  (road: Road, host: 'browser' | 'node') =>
  async (project: string, dir: string): Promise<void> => {
    const bundle = await rollup({
      input: entries(project, road, host),
      external: /^node:/,
      plugins: [nodeResolve({ rootDir: project, browser: host === 'browser', exportConditions: host === 'node' ? ['node'] : [] })],
    })
    await bundle.write({ dir, format: 'es', entryFileNames: '[name].js' })
    await bundle.close()
  }

const viteOptions = (project: string, outDir: string): InlineConfig => ({
  root: project,
  base: './',
  configFile: false,
  logLevel: 'silent',
  worker: { format: 'es' },
  build: { outDir, emptyOutDir: false },
})
const withVite =
  (input: (project: string) => Record<string, string>) =>
  (project: string, out: string): Promise<unknown> => {
    const options = viteOptions(project, out)
    return vite({ ...options, build: { ...options.build, rolldownOptions: { input: input(project), preserveEntrySignatures: 'strict' } } })
  }

const withWebpack =
  (options: Configuration) =>
  (project: string, path: string): Promise<void> =>
    new Promise((done, fail) => {
      const compiler = webpack({
        mode: 'production',
        devtool: false,
        context: project,
        ...options,
        output: { path, filename: '[name].js', chunkFilename: '[name].js', ...options.output },
      })
      compiler.run((error, stats) => {
        compiler.close(() => {
          const problem = error ?? (stats!.hasErrors() ? new Error(stats!.toString({ all: false, errors: true })) : undefined)
          if (problem) fail(problem)
          else done()
        })
      })
    })

/** One copy of heddle in a chunk of its own, and `import.meta.url` left as it is, so that a module of tasks has the URL of its file. */
const webpackByUrl: Configuration = {
  entry: {
    heddle: 'heddle',
    tasks: { import: './tasks.js', library: { type: 'module' }, dependOn: 'heddle' },
    'pixels-tasks': { import: 'pixels/tasks', library: { type: 'module' }, dependOn: 'heddle' },
    worker: { import: '@heddle/browser/worker', dependOn: 'heddle' },
    main: { import: './by-url.js', dependOn: ['heddle', 'tasks', 'pixels-tasks'] },
  },
  output: { module: true, chunkFormat: 'module', chunkLoading: 'import' },
  experiments: { outputModule: true },
  module: { parser: { javascript: { importMeta: false } } },
  optimization: { runtimeChunk: 'single', minimize: false },
}

const require = createRequire(import.meta.url)
const tsup = join(dirname(require.resolve('tsup/package.json')), 'dist/cli-default.js')

export const cases: Case[] = [
  { bundler: 'esbuild', road: 'by-url', target: 'browser', build: withEsbuild('by-url', 'browser') },
  { bundler: 'esbuild', road: 'own-worker', target: 'browser', build: withEsbuild('own-worker', 'browser', false) },
  { bundler: 'esbuild', road: 'by-url', target: 'node', build: withEsbuild('by-url', 'node') },
  { bundler: 'Rollup', road: 'by-url', target: 'browser', build: withRollup('by-url', 'browser') },
  { bundler: 'Rollup', road: 'own-worker', target: 'browser', build: withRollup('own-worker', 'browser') },
  { bundler: 'Rollup', road: 'by-url', target: 'node', build: withRollup('by-url', 'node'), slow: true },
  {
    bundler: 'Vite',
    road: 'by-url',
    target: 'browser',
    copies: true,
    build: withVite((project) => ({
      page: join(project, 'by-url.html'),
      tasks: join(project, 'tasks.js'),
      pixels: join(project, 'node_modules/pixels/tasks.js'),
    })),
  },
  { bundler: 'Vite', road: 'own-worker', target: 'browser', build: withVite((project) => ({ page: join(project, 'own-worker.html') })) },
  { bundler: 'webpack', road: 'by-url', target: 'browser', build: withWebpack(webpackByUrl) },
  {
    bundler: 'webpack',
    road: 'own-worker',
    target: 'browser',
    build: withWebpack({ entry: { main: './own-worker.js' }, optimization: { minimize: false } }),
  },
  { bundler: 'webpack, minified', road: 'own-worker', target: 'browser', slow: true, build: withWebpack({ entry: { main: './own-worker.js' } }) },
  {
    bundler: 'tsup',
    road: 'by-url',
    target: 'node',
    // Dependencies stay what they are: the program finds them in node_modules.
    build: (project, out) =>
      node(project, [tsup, '--entry.main', 'by-url.js', '--entry.tasks', 'tasks.js', '--format', 'esm', '--out-dir', out, '--silent']),
  },
  {
    bundler: 'tsup',
    road: 'own-worker',
    target: 'browser',
    slow: true,
    build: (project, out) => node(project, [tsup, '--config', 'tsup.browser.config.js', '--out-dir', out, '--silent']),
  },
]

/** The development server serves modules one by one: both roads work in it, the first one with packages that are left as they are. */
export const viteServer: InlineConfig = {
  configFile: false,
  logLevel: 'silent',
  server: {
    port: 0,
    host: '127.0.0.1',
    headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
  },
  optimizeDeps: { exclude: ['heddle', 'pixels'] },
}
