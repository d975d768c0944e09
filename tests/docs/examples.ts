/** Writes examples out as files, type-checks them as one program, and runs each in a process of its own on the built packages. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { transform } from 'esbuild'
import { globSync } from 'tinyglobby'
import ts from 'typescript'
import { main, publishable } from '../pack/project.js'
import { type Example, extractComments, extractMarkdown, type Found, slug } from './extract.js'

export const root = resolve(import.meta.dirname, '../..')

/** How long a run example may take. */
const LIMIT = 30_000

export interface Prepared {
  example: Example
  /** The source, and what is run. */
  source: string
  script: string
}

/** Every example of the repository under `base`. */
export function collect(base: string = root): Found {
  const found: Found = { examples: [], problems: [] }
  const add = ({ examples, problems }: Found): void => {
    found.examples.push(...examples)
    found.problems.push(...problems)
  }
  const ignore = ['**/node_modules/**', '**/dist/**', '**/.run/**']
  for (const file of globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md', '{examples,benchmarks,litmus}/**/README.md'], {
    cwd: base,
    ignore,
  }).sort()) {
    add(extractMarkdown(file, readFileSync(join(base, file), 'utf8')))
  }
  for (const file of globSync('packages/*/src/**/*.ts', { cwd: base, ignore }).sort()) {
    add(extractComments(file, readFileSync(join(base, file), 'utf8'), file.split('/')[1]!))
  }
  return found
}

/** The names that each built package exports: name → whether it is a value. */
function exportsOfPackages(): Map<string, { specifier: string; names: Map<string, boolean> }> {
  const built = publishable().flatMap((one) => {
    const types = main(one)?.replace(/\.js$/, '.d.ts')
    return types === undefined ? [] : [{ one, types }]
  })
  const roots = built.map(({ types }) => types)
  const program = ts.createProgram(roots, compilerOptions)
  const checker = program.getTypeChecker()
  return new Map(
    built.map(({ one }, index) => {
      const module = checker.getSymbolAtLocation(program.getSourceFile(roots[index]!)!)
      const names = new Map<string, boolean>()
      for (const symbol of module === undefined ? [] : checker.getExportsOfModule(module)) {
        const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
        names.set(symbol.name, (target.flags & ts.SymbolFlags.Value) !== 0)
      }
      return [one.folder, { specifier: one.manifest.name, names }]
    }),
  )
}

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  typeRoots: [join(root, 'node_modules/@types')],
  types: ['node'],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
}

/** Names that code uses and doesn't declare, as far as syntax tells. */
function freeNames(code: string): Set<string> {
  const used = new Set<string>()
  const declared = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { parent } = node
      const isName =
        (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        (ts.isPropertyAssignment(parent) && parent.name === node) ||
        ts.isMethodDeclaration(parent)
      const declares =
        (ts.isVariableDeclaration(parent) ||
          ts.isFunctionDeclaration(parent) ||
          ts.isClassDeclaration(parent) ||
          ts.isParameter(parent) ||
          ts.isBindingElement(parent)) &&
        parent.name === node
      if (declares || ts.isImportSpecifier(parent) || ts.isImportClause(parent) || ts.isNamespaceImport(parent)) declared.add(node.text)
      else if (!isName) used.add(node.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('example.ts', code, ts.ScriptTarget.Latest, true))
  for (const name of declared) used.delete(name)
  return used
}

/** Links every package into `folder`/node_modules, so that examples import what their readers import. */
function linkPackages(folder: string): void {
  for (const name of readdirSync(join(root, 'packages'))) {
    const manifest = join(root, 'packages', name, 'package.json')
    if (!existsSync(manifest)) continue
    const link = join(folder, 'node_modules', (JSON.parse(readFileSync(manifest, 'utf8')) as { name: string }).name)
    mkdirSync(dirname(link), { recursive: true })
    if (!existsSync(link)) symlinkSync(join(root, 'packages', name), link, 'junction')
  }
}

/** Writes the examples into an empty `folder`. */
export async function prepare(examples: readonly Example[], folder: string): Promise<Prepared[]> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n')
  linkPackages(folder)
  const exported = examples.some(({ home }) => home !== undefined) ? exportsOfPackages() : new Map<string, never>()
  return Promise.all(
    examples.map(async (example) => {
      const stem = example.name?.replace(/\.\w+$/, '') ?? `line-${example.line}`
      const source = join(folder, slug(example.document), `${stem}.${example.language}`)
      const script = join(folder, slug(example.document), `${stem}.js`)
      mkdirSync(dirname(source), { recursive: true })
      let { code } = example
      const home = example.home === undefined ? undefined : exported.get(example.home)
      if (home !== undefined) {
        const names = [...freeNames(code)]
          .filter((name) => home.names.has(name))
          .map((name) => (home.names.get(name) === true ? name : `type ${name}`))
        if (names.length > 0) code = `import { ${names.join(', ')} } from '${home.specifier}'; ${code}`
      }
      writeFileSync(source, code)
      if (example.language === 'ts') {
        try {
          writeFileSync(script, (await transform(code, { loader: 'ts', format: 'esm', target: 'node20' })).code)
        } catch (error) {
          // A syntax error: the type check reports it, and a run shows it too.
          writeFileSync(script, `throw new Error(${JSON.stringify(String(error))})`)
        }
      }
      return { example, source, script }
    }),
  )
}

/** Type-checks all examples as one program; what is wrong, by source. */
export function diagnose(prepared: readonly Prepared[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const program = ts.createProgram(
    prepared.filter(({ example }) => example.language === 'ts').map(({ source }) => source),
    compilerOptions,
  )
  for (const { source, example } of prepared) {
    const file = program.getSourceFile(source)
    if (file === undefined) continue
    const messages = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(({ start, messageText }) => {
      const { line } = file.getLineAndCharacterOfPosition(start ?? 0)
      return `${example.document}:${example.line + line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
    if (messages.length > 0) found.set(source, messages)
  }
  return found
}

/** Runs an example; rejects with what it printed when it doesn't end well. */
export function execute({ script, example }: Prepared): Promise<string> {
  return new Promise((done, fail) => {
    const options = { cwd: dirname(script), encoding: 'utf8', timeout: LIMIT, env: { ...process.env, NODE_OPTIONS: '' } } as const
    execFile(process.execPath, [relative(dirname(script), script)], options, (error, stdout, stderr) => {
      if (error === null) done(stdout)
      else
        fail(
          new Error(
            `${example.document}:${example.line} ${error.killed === true ? `ran for more than ${LIMIT / 1000} s` : 'failed'}\n${stdout}${stderr}`,
          ),
        )
    })
  })
}
