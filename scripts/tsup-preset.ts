/**
 * How every package is built: ES modules and declarations, in a form from which an application's bundler can drop what the
 * application doesn't use, also inside one file.
 */
import { parse } from 'acorn'
import type { Options } from 'tsup'

interface Node {
  type: string
  start: number
  end: number
}
interface Identifier extends Node {
  name: string
}
interface Call extends Node {
  callee?: Node & Partial<Identifier>
}
interface Declaration extends Node {
  declarations: { id: Identifier; init: Node | null }[]
}
interface Member extends Node {
  static: boolean
  value: Node | null
}
interface Class extends Node {
  id: Identifier | null
  body: { body: Member[] }
}
interface Import extends Node {
  source: { value: string }
  specifiers: { imported?: Identifier; local: Identifier }[]
}

/** Constructors that do nothing but make an object. */
const PURE_CLASSES = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Int32Array', 'Uint8Array', 'Float64Array', 'TextEncoder', 'TextDecoder'])
const OPS = /^#ops$|^@heddle\/atomics\/ops$/
/** Functions of ops that do nothing but make an object. */
const PURE_OPS = new Set(['agentLocal'])

/** Marks the calls that initialise a module's own values and do nothing else: `const known = agentLocal(…)`, `new Map()`. */
function markPure(code: string): string {
  const { body } = parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as { body: Node[] }
  const pure = new Set<string>()
  const places: number[] = []
  for (const node of body) {
    if (node.type === 'ImportDeclaration' && OPS.test((node as Import).source.value)) {
      for (const { imported, local } of (node as Import).specifiers) if (PURE_OPS.has(imported?.name ?? '')) pure.add(local.name)
    }
  }
  for (const node of body) {
    if (node.type !== 'VariableDeclaration') continue
    for (const { init } of (node as Declaration).declarations) {
      if (init === null) continue
      const name = (init as Call).callee?.name ?? ''
      if (init.type === 'CallExpression' ? pure.has(name) : init.type === 'NewExpression' && PURE_CLASSES.has(name)) places.push(init.start)
    }
  }
  return places.reverse().reduce((text, at) => `${text.slice(0, at)}/* @__PURE__ */ ${text.slice(at)}`, code)
}

/**
 * Lets bundlers drop a class that the application does not use although a static field of it is computed (`static BYTES = 8 + QUEUE_BYTES`):
 * to them that is a side effect, and a call that is marked pure is none.
 */
function wrapClasses(code: string): string {
  const { body } = parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as { body: Node[] }
  let text = code
  for (const node of body.reverse()) {
    const declared = node.type === 'ClassDeclaration' ? { name: (node as Class).id!.name, made: node as Class } : classIn(node)
    if (declared === undefined || !declared.made.body.body.some(isComputed)) continue
    const { name, made } = declared
    // The constant in the middle is what the engine takes the class's name from.
    const wrapped = `/* @__PURE__ */ (() => { const ${name} = ${code.slice(made.start, made.end)}; return ${name} })()`
    const declaration = node.type === 'ClassDeclaration' ? `const ${name} = ${wrapped};` : wrapped
    text = text.slice(0, made.start) + declaration + text.slice(made.end)
  }
  return text
}

/** The class of a `const X = class …`. */
function classIn(node: Node): { name: string; made: Class } | undefined {
  if (node.type !== 'VariableDeclaration') return undefined
  const { declarations } = node as Declaration
  const [first] = declarations
  if (declarations.length !== 1 || first?.init?.type !== 'ClassExpression') return undefined
  return { name: first.id.name, made: first.init as Class }
}

/** Whether a member of a class is a static field with a value that has to be computed. */
function isComputed(member: Member): boolean {
  return member.type === 'PropertyDefinition' && member.static && member.value !== null && member.value.type !== 'Literal'
}

/**
 * Lets the engine see through a module's calls of `ops`: V8 (Node 20 to 24) folds a constant of the module into its callers, but neither
 * an imported binding nor a `var`, which is what the bundler makes of a top-level `const`. Every function of ops is taken into a constant,
 * and constants by name (`LIKE_THIS`) become constants again.
 */
function keepConstants(code: string): string {
  const { body } = parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as { body: Node[] }
  let text = code
  for (const node of body.reverse()) {
    if (node.type === 'VariableDeclaration') {
      if (/^var [A-Z][A-Z0-9_]* = /.test(code.slice(node.start, node.end))) text = `${text.slice(0, node.start)}const${text.slice(node.start + 3)}`
      continue
    }
    if (node.type !== 'ImportDeclaration' || !OPS.test((node as Import).source.value)) continue
    const names = (node as Import).specifiers.flatMap(({ imported, local }) =>
      imported === undefined ? [] : [{ imported: imported.name, local: local.name }],
    )
    // `import * as ops` asks for the module as a whole.
    if (names.length === 0) continue
    const imports = names.map(({ imported, local }) => `${imported} as ${local}$`).join(', ')
    const constants = names.map(({ local }) => `${local} = ${local}$`).join(', ')
    text = `${text.slice(0, node.start)}import { ${imports} } from '${(node as Import).source.value}'; const ${constants};${text.slice(node.end)}`
  }
  return text
}

/** The options of a package's tsup.config.ts: its entries, and what differs from all others. */
export function preset(options: Options & { entry: string[] }): Options {
  return {
    format: 'esm',
    target: 'es2022',
    dts: true,
    clean: true,
    sourcemap: true,
    splitting: true,
    ...options,
    plugins: [
      { name: 'droppable and constant', renderChunk: (code) => ({ code: keepConstants(wrapClasses(markPure(code))) }) },
      ...(options.plugins ?? []),
    ],
  }
}
