/** Packs packages as they would be published and installs them, alone, into an empty project. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import ts from 'typescript'

export const root = resolve(import.meta.dirname, '../..')

export interface Manifest {
  name: string
  version: string
  private?: boolean
  sideEffects: false | string[]
  files: string[]
  exports: Record<string, unknown>
  publishConfig: { access: string; exports: Record<string, { default?: string }>; imports?: Record<string, unknown> }
  devDependencies?: Record<string, string>
  dependencies?: Record<string, string>
}
export interface Package {
  folder: string
  dir: string
  manifest: Manifest
}

/** Every package of packages/* that is published. */
export function publishable(): Package[] {
  const folders = readdirSync(join(root, 'packages'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.flatMap(({ name: folder }) => {
    const dir = join(root, 'packages', folder)
    try {
      const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest
      return manifest.private === true ? [] : [{ folder, dir, manifest }]
    } catch {
      return []
    }
  })
}

/** The JavaScript behind a tool's command. */
function tool(name: string, command = name): string {
  const dir = join(root, 'node_modules', name)
  const { bin } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as { bin: string | Record<string, string> }
  return join(dir, typeof bin === 'string' ? bin : bin[command]!)
}

/** Runs a tool, or a file, under this Node; rejects with everything that it printed when it fails. */
export function node(cwd: string, args: string[]): Promise<string> {
  return new Promise((done, fail) => {
    const env = { ...process.env, NODE_OPTIONS: '', DO_NOT_TRACK: '1' }
    execFile(process.execPath, args, { cwd, env, encoding: 'utf8', timeout: 120_000 }, (error, stdout, stderr) => {
      if (error === null) done(stdout)
      else fail(new Error(`${args.join(' ')} failed in ${cwd}\n${stdout}${stderr}`))
    })
  })
}
export const pnpm = (cwd: string, args: string[]): Promise<string> => node(cwd, [tool('pnpm'), ...args])
export const publint = (cwd: string, args: string[]): Promise<string> => node(cwd, [tool('publint'), ...args])
export const attw = (cwd: string, args: string[]): Promise<string> => node(cwd, [tool('@arethetypeswrong/cli', 'attw'), ...args])

/** What projects have in common: the platform's own declarations, parsed and bound once for each way to resolve modules. */
const declarations = new Map<string, ts.SourceFile | undefined>()
const isPlatforms = (file: string): boolean => /[\\/](typescript[\\/]lib|@types[\\/]node|undici-types)[\\/]/.test(file)

/** What `tsc -p` says of a project, in the platform's own declarations left out; '' when there is nothing. */
export function typeErrors(config: string): string {
  const folder = dirname(config)
  const { options, fileNames, errors } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(config, (path) => ts.sys.readFile(path)).config,
    ts.sys,
    folder,
  )
  const host = ts.createCompilerHost(options)
  const read = host.getSourceFile.bind(host)
  host.getCurrentDirectory = () => folder
  host.getSourceFile = (file, ...rest) => {
    if (!isPlatforms(file)) return read(file, ...rest)
    const key = `${options.moduleResolution}:${file}`
    if (!declarations.has(key)) declarations.set(key, read(file, ...rest))
    return declarations.get(key)
  }
  const program = ts.createProgram(fileNames, options, host)
  const own = program.getSourceFiles().filter(({ fileName }) => !isPlatforms(fileName))
  const found = own.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
  return ts.formatDiagnostics([...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...found], host)
}

/** The file that a package's own name leads to, or undefined before the package is built. */
export function main({ dir, manifest }: Package): string | undefined {
  const path = join(dir, manifest.publishConfig.exports['.']?.default ?? 'nowhere')
  return existsSync(path) ? path : undefined
}

/** Packs a package; returns its tarball. */
export async function pack({ dir, folder }: Package, into: string): Promise<string> {
  const destination = join(into, folder)
  mkdirSync(destination, { recursive: true })
  await pnpm(dir, ['pack', '--pack-destination', destination])
  const tarball = readdirSync(destination).find((file) => file.endsWith('.tgz'))
  if (tarball === undefined) throw new Error(`packing packages/${folder} made no tarball`)
  return join(destination, tarball)
}

/** The manifest that packing a package writes. */
export function publishedManifest({ manifest }: Package, all: Package[]): Omit<Manifest, 'publishConfig'> {
  const versions = new Map(all.map((one) => [one.manifest.name, one.manifest.version]))
  const { publishConfig, ...rest } = manifest
  const { access, ...overrides } = publishConfig
  const exact = (ranges: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(ranges).map(([name, range]) => [name, range.replace(/^workspace:\^$/, `^${versions.get(name)}`)]))
  const { dependencies, devDependencies } = rest
  return {
    ...rest,
    ...overrides,
    ...(dependencies !== undefined && { dependencies: exact(dependencies) }),
    ...(devDependencies !== undefined && { devDependencies: exact(devDependencies) }),
    publishConfig: { access },
  } as Omit<Manifest, 'publishConfig'>
}

/** Puts the packages into a project's node_modules as they would be published; pack.test.ts holds this form and the tarballs to each other. */
export function putPublished(project: string, all: Package[]): void {
  for (const one of all) {
    const into = join(project, 'node_modules', one.manifest.name)
    mkdirSync(into, { recursive: true })
    for (const file of one.manifest.files) cpSync(join(one.dir, file), join(into, file), { recursive: true })
    writeFileSync(join(into, 'package.json'), JSON.stringify(publishedManifest(one, all), null, 2))
  }
}

/** A package's own dependencies of this repository, and theirs. */
export function closure(one: Package, all: Package[]): Package[] {
  const found = new Set<Package>()
  const visit = ({ manifest }: Package): void => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      const next = all.find((candidate) => candidate.manifest.name === name)
      if (next !== undefined && !found.has(next)) {
        found.add(next)
        visit(next)
      }
    }
  }
  visit(one)
  return [...found]
}

/** A folder that nothing of this repository is above. */
export function emptyFolder(): string {
  return mkdtempSync(join(tmpdir(), 'heddle-pack-'))
}
export function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** An empty project with one tarball installed, from nothing but tarballs: the network is off. */
export async function install(folder: string, name: string, tarballs: Map<string, string>): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const overrides = Object.fromEntries([...tarballs].map(([dependency, tarball]) => [dependency, `file:${tarball}`]))
  const manifest = { name: 'somebody', private: true, type: 'module', dependencies: { [name]: overrides[name] }, pnpm: { overrides } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  await pnpm(folder, ['install', '--offline', '--ignore-workspace', '--no-frozen-lockfile', '--store-dir', join(dirname(folder), 'store')])
}

/** The specifiers under which a package's modules are imported; `runs` are the modules that a worker starts with, which do something when imported. */
export function specifiers({ manifest }: Package): { libraries: string[]; runs: string[] } {
  const all = Object.entries(manifest.publishConfig.exports).map(([path, { default: file = '' }]) => ({
    specifier: manifest.name + path.slice(1),
    file,
  }))
  const isRun = ({ file }: { file: string }): boolean => Array.isArray(manifest.sideEffects) && manifest.sideEffects.includes(file)
  return { libraries: all.filter((one) => !isRun(one)).map(({ specifier }) => specifier), runs: all.filter(isRun).map(({ specifier }) => specifier) }
}
