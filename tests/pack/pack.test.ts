/** Each package, as it would be published, installs alone in an empty project and works there, with its types. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  attw,
  closure,
  emptyFolder,
  install,
  main,
  node,
  pack,
  type Package,
  publint,
  publishable,
  publishedManifest,
  remove,
  root,
  specifiers,
  typeErrors,
} from './project.js'

const packages = publishable()
const temporary = emptyFolder()
const tarballs = new Map<Package, Promise<string>>()

/** The tarball of a package, packed when first asked for. */
function packed(one: Package): Promise<string> {
  const known = tarballs.get(one)
  if (known !== undefined) return known
  if (main(one) === undefined) throw new Error(`packages/${one.folder} is not built: npm run build`)
  const tarball = pack(one, join(temporary, 'tarballs'))
  tarballs.set(one, tarball)
  return tarball
}

afterAll(() => remove(temporary))

it('finds the packages', () => {
  expect(packages.map(({ folder }) => folder)).toContain('atomics')
})

it('finds what is wrong in the declarations of a package', () => {
  const project = join(temporary, 'projects', 'wrong')
  mkdirSync(join(project, 'node_modules', 'wrong'), { recursive: true })
  writeFileSync(join(project, 'node_modules', 'wrong', 'package.json'), JSON.stringify({ name: 'wrong', types: './index.d.ts' }))
  writeFileSync(join(project, 'node_modules', 'wrong', 'index.d.ts'), `export declare const one: Missing\n`)
  writeFileSync(join(project, 'types.ts'), `import 'wrong'\nexport const text: string = 1\n`)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }))
  const config = join(project, 'tsconfig.json')
  writeFileSync(
    config,
    JSON.stringify({ compilerOptions: { strict: true, noEmit: true, skipLibCheck: false, ...resolutions.nodenext }, files: ['types.ts'] }),
  )
  expect(typeErrors(config)).toMatch(/Missing/)
  expect(typeErrors(config)).toMatch(/not assignable/)
})

/** One strict program that uses every module of the package, for users of Node's types and for users of the browser's. */
const resolutions = {
  nodenext: { module: 'NodeNext', moduleResolution: 'NodeNext', lib: ['ES2022'], typeRoots: [join(root, 'node_modules/@types')], types: ['node'] },
  bundler: { module: 'ESNext', moduleResolution: 'Bundler', lib: ['ES2022', 'DOM', 'DOM.Iterable', 'ESNext.Disposable'], types: [] as string[] },
}

describe.each(packages)('$manifest.name', (one) => {
  const project = join(temporary, 'projects', one.folder)
  const { name } = one.manifest

  it('installs with nothing but its own dependencies', async () => {
    const needed = [one, ...closure(one, packages)]
    const entries = await Promise.all(needed.map(async (each) => [each.manifest.name, await packed(each)] as const))
    await install(project, name, new Map(entries))
    const manifest = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8')) as object
    // What the tests of bundlers take for the published form.
    expect(manifest).toEqual(publishedManifest(one, packages))
  })

  it('is imported by Node, every module of it', async () => {
    const { libraries, runs } = specifiers(one)
    const imports = libraries.map((specifier, index) => `import * as module${index} from '${specifier}'`)
    const counts = libraries.map((_, index) => `Object.keys(module${index}).length`)
    const found = `${JSON.stringify(runs)}.map((specifier) => existsSync(fileURLToPath(import.meta.resolve(specifier))))`
    const code = [
      `import { existsSync } from 'node:fs'`,
      `import { fileURLToPath } from 'node:url'`,
      ...imports,
      `console.log(JSON.stringify({ exported: [${counts.join(', ')}], found: ${found} }))`,
    ]
    writeFileSync(join(project, 'main.js'), code.join('\n'))
    const { exported, found: there } = JSON.parse(await node(project, ['main.js'])) as { exported: number[]; found: boolean[] }
    expect(exported).toHaveLength(libraries.length)
    expect(Math.min(...exported), 'a module that exports nothing').toBeGreaterThan(0)
    expect(there).toEqual(runs.map(() => true))
  })

  it.each(Object.entries(resolutions))('has its types with moduleResolution %s', (resolution, options) => {
    const { libraries } = specifiers(one)
    const imports = libraries.map(
      (specifier, index) => `import * as module${index} from '${specifier}'\nexport const names${index}: string[] = Object.keys(module${index})`,
    )
    // A wrong path would give `any`, which accepts this assignment: it must be refused.
    const refused = `// @ts-expect-error: the module has a type of its own\nexport const wrong: number = module0\n`
    writeFileSync(join(project, 'types.ts'), `${imports.join('\n')}\n${refused}`)
    const config = join(project, `tsconfig.${resolution}.json`)
    const compilerOptions = { target: 'ES2022', strict: true, noEmit: true, skipLibCheck: false, ...options }
    writeFileSync(config, JSON.stringify({ compilerOptions, files: ['types.ts'] }))
    expect(typeErrors(config)).toBe('')
  })

  it('satisfies publint', async () => {
    await publint(project, ['run', await packed(one), '--strict'])
  })

  it('satisfies attw', async () => {
    await attw(project, [await packed(one), '--profile', 'esm-only', '--no-color'])
  })
})
