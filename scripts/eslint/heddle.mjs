/** The repository's own lint rules. Each is there because a wrong program compiles and passes its tests without it. */
import ts from 'typescript'

const views = new Set([
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
])

/** Methods of views that give the view or its facts, and touch no element. */
const harmless = new Set(['subarray', 'byteLength', 'byteOffset', 'buffer', 'length', 'BYTES_PER_ELEMENT'])

/** The name of the view type when `type` is a view that may be of shared memory: anything but `XArray<ArrayBuffer>`. */
function sharedView(checker, type) {
  if (type.isUnionOrIntersection()) {
    for (const part of type.types) {
      const name = sharedView(checker, part)
      if (name !== undefined) return name
    }
    return undefined
  }
  const constraint = type.flags & ts.TypeFlags.TypeParameter ? checker.getBaseConstraintOfType(type) : undefined
  if (constraint !== undefined && constraint !== type) return sharedView(checker, constraint)
  const name = type.getSymbol()?.name
  if (name === undefined || !views.has(name)) return undefined
  const [buffer] = checker.getTypeArguments(type)
  return buffer?.getSymbol()?.name === 'ArrayBuffer' ? undefined : name
}

/**
 * Elements of views that may be of shared memory are read and written by ops.ts alone, since the model checker sees nothing else.
 * A view is private only when its type says so: `Uint8Array<ArrayBuffer>`, which is what `new Uint8Array(8)` is.
 */
const noSharedIndex = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { element: '{{view}} may be of shared memory: use ops.{{instead}}, or say that it is private by the type {{view}}<ArrayBuffer>.' },
  },
  create(context) {
    const services = context.sourceCode.parserServices
    const checker = services.program.getTypeChecker()
    const viewOf = (node) => sharedView(checker, services.getTypeAtLocation(node))
    const report = (node, view, instead) => context.report({ node, messageId: 'element', data: { view, instead } })
    return {
      MemberExpression(node) {
        if (node.object.type === 'Super') return
        const name = node.computed
          ? node.property.type === 'Literal' && typeof node.property.value === 'string'
            ? node.property.value
            : undefined
          : node.property.name
        if (!node.computed && (harmless.has(name) || node.parent.type !== 'CallExpression')) return
        const view = viewOf(node.object)
        if (view === undefined) return
        if (name === undefined) {
          const type = services.getTypeAtLocation(node.property)
          if (type.flags & ts.TypeFlags.ESSymbolLike) return report(node, view, 'get')
          return report(node, view, 'get/set')
        }
        report(node, view, 'get/set/copy/fill')
      },
      'ForOfStatement > .right'(node) {
        const view = viewOf(node)
        if (view !== undefined) report(node, view, 'get')
      },
      SpreadElement(node) {
        const view = viewOf(node.argument)
        if (view !== undefined) report(node, view, 'get')
      },
      'VariableDeclarator[id.type="ArrayPattern"]'(node) {
        const view = node.init && viewOf(node.init)
        if (view) report(node, view, 'get')
      },
    }
  },
}

/** What a package's entry exports has a doc comment, and so has each public method of an exported class. */
const documentedExports = {
  meta: { type: 'suggestion', schema: [], messages: { undocumented: '{{name}} is exported without a doc comment ({{file}}:{{line}}).' } },
  create(context) {
    const services = context.sourceCode.parserServices
    const checker = services.program.getTypeChecker()
    const report = (node, name, declaration) => {
      const source = declaration.getSourceFile()
      const { line } = source.getLineAndCharacterOfPosition(declaration.getStart())
      context.report({ node, messageId: 'undocumented', data: { name, file: source.fileName.replace(/^.*\/packages\//, ''), line: line + 1 } })
    }
    // What is marked as heddle's own is documented for those who read the source.
    const isDocumented = (symbol) =>
      symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).some(({ name }) => name === 'internal')
    return {
      Program(node) {
        const module = checker.getSymbolAtLocation(services.esTreeNodeToTSNodeMap.get(node))
        if (module === undefined) return
        for (const exported of checker.getExportsOfModule(module)) {
          const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
          const [declaration] = symbol.getDeclarations() ?? []
          // What another package exports is documented there.
          if (
            declaration === undefined ||
            !declaration.getSourceFile().fileName.startsWith(context.physicalFilename.replace(/\\/g, '/').replace(/\/src\/.*$/, '/src/'))
          )
            continue
          if (!isDocumented(symbol)) report(node, exported.name, declaration)
          if (!(symbol.flags & ts.SymbolFlags.Class)) continue
          const statics = checker.getTypeOfSymbol(symbol).getProperties()
          for (const member of [...checker.getDeclaredTypeOfSymbol(symbol).getProperties(), ...statics]) {
            const method = (member.getDeclarations() ?? []).find((one) => ts.isMethodDeclaration(one) || ts.isGetAccessorDeclaration(one))
            if (method === undefined || method.parent !== declaration || !ts.isIdentifier(method.name)) continue
            if (ts.getCombinedModifierFlags(method) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) continue
            if (!isDocumented(member)) report(node, `${exported.name}.${member.name}`, method)
          }
        }
      },
    }
  },
}

/** Names of one host reached through `globalThis`, cast or not. */
const noHostGlobals = {
  meta: {
    type: 'problem',
    schema: [{ type: 'array', items: { type: 'string' } }],
    messages: { host: '{{name}} is a name of a host: only hosts use it.' },
  },
  create(context) {
    const names = new Set(context.options[0])
    const plain = (node) => {
      while (node.type === 'TSAsExpression' || node.type === 'TSNonNullExpression' || node.type === 'TSTypeAssertion') node = node.expression
      return node
    }
    const isGlobal = (node) => {
      const inner = plain(node)
      return inner.type === 'Identifier' && inner.name === 'globalThis'
    }
    return {
      MemberExpression(node) {
        const name = node.computed ? node.property.value : node.property.name
        if (names.has(name) && isGlobal(node.object)) context.report({ node, messageId: 'host', data: { name } })
      },
      VariableDeclarator(node) {
        if (node.id.type !== 'ObjectPattern' || node.init == null || !isGlobal(node.init)) return
        for (const property of node.id.properties) {
          const name = property.key?.name
          if (names.has(name)) context.report({ node: property, messageId: 'host', data: { name } })
        }
      },
    }
  },
}

export default {
  meta: { name: 'heddle' },
  rules: { 'no-shared-index': noSharedIndex, 'documented-exports': documentedExports, 'no-host-globals': noHostGlobals },
}
