import { builtinModules } from 'node:module'
import eslint from '@eslint/js'
import jsdoc from 'eslint-plugin-jsdoc'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'
import heddle from './scripts/eslint/heddle.mjs'

/** Names that belong to one host or another. What every host has is declared in types/universal.d.ts. */
const hostNames = [
  'process',
  'Buffer',
  'require',
  'module',
  'global',
  '__dirname',
  '__filename',
  'Deno',
  'Bun',
  'navigator',
  'window',
  'document',
  'self',
  'Worker',
  'SharedWorker',
  'WorkerGlobalScope',
  'importScripts',
  'postMessage',
  'onmessage',
  'setImmediate',
  'clearImmediate',
  'requestAnimationFrame',
]
const atomics = { name: 'Atomics', message: 'Only ops.ts names Atomics: import the operation from #ops or @heddle/atomics/ops.' }

export default defineConfig([
  { ignores: ['**/dist/', '**/.fixtures/', '**/coverage/', '**/.turbo/', 'tests/docs/.run/', 'benchmarks/results/', '**/test/**/bad/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: ['packages/*/tsconfig.json', 'tsconfig.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNever: true }],
      // `!` after an index that the lines above bound: the readable form under noUncheckedIndexedAccess.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      // The compiler narrows a field by a test and believes it after an `await`, a callback or another agent's turn: here that is where it changes.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Messages name whatever was refused or thrown, as `String` shows it.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      // A static factory that makes `new this()` is no stranger.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // `void | (() => void)` is what a body that may give a last step returns.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // A task may be a generator function that never waits.
      'require-yield': 'off',
      // Handing on a result of type void is fine where it keeps a one-line wrapper one line.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // A type parameter that a caller fills in is how codecs and registries stay typed.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // It also reports assertions without which the compiler refuses the line (to a type whose members are all optional).
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // What comes from outside may not be what its type says: `String(x)` in a message is a habit to keep.
      '@typescript-eslint/no-unnecessary-type-conversion': 'off',
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      // `for (let at = head, next = 0; …; at = next)` declares its cursor where the loop can see it.
      'no-useless-assignment': 'off',
      // `return promise` and `return await promise` differ inside try only; there it matters.
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/only-throw-error': 'error',
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    plugins: { heddle, jsdoc },
    rules: {
      'no-restricted-globals': ['error', atomics],
      'heddle/no-shared-index': 'error',
      'heddle/no-host-globals': ['error', ['Atomics']],
      'jsdoc/check-param-names': ['error', { disableMissingParamChecks: true }],
      'jsdoc/check-tag-names': 'error',
      'jsdoc/no-types': 'error',
      // A signal's reason is thrown as it is, whatever it is: the contract of every wait.
      '@typescript-eslint/only-throw-error': 'off',
      'max-lines': ['error', { max: 600 }],
      'no-console': 'error',
    },
  },
  { files: ['packages/*/src/index.ts'], rules: { 'heddle/documented-exports': 'error' } },
  {
    // Below the hosts.
    files: ['packages/*/src/**/*.ts'],
    ignores: ['packages/host-*/**', 'packages/model/src/vitest*.ts', 'packages/model/src/vitest/**'],
    rules: {
      'no-restricted-globals': ['error', atomics, ...hostNames.map((name) => ({ name, message: 'Only hosts name host globals.' }))],
      'no-restricted-imports': ['error', { paths: builtinModules, patterns: ['node:*', 'bun:*', 'https://*', 'npm:*', 'jsr:*'] }],
      'heddle/no-host-globals': ['error', ['Atomics', ...hostNames]],
    },
  },
  {
    // The two modules that are the operations, and the checker's modelled memory under the same surface.
    files: ['packages/atomics/src/ops.ts', 'packages/atomics/src/ops-model.ts'],
    rules: {
      'no-restricted-globals': ['error', ...hostNames],
      'heddle/no-host-globals': ['error', hostNames],
      'heddle/no-shared-index': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    // The checker is the memory, and the operations on it.
    files: ['packages/model/src/**/*.ts'],
    rules: {
      'heddle/no-shared-index': 'off',
      'heddle/no-host-globals': ['error', hostNames],
      'no-restricted-globals': ['error', ...hostNames],
    },
  },
  // A developer's settings for one run come from the environment, where there is one.
  { files: ['packages/model/src/knobs.ts'], rules: { 'heddle/no-host-globals': 'off' } },
  {
    // To say which host this is, its names have to be looked at.
    files: ['packages/atomics/src/capabilities.ts'],
    rules: { 'heddle/no-host-globals': ['error', ['Atomics']] },
  },
  {
    files: ['**/*.ts'],
    ignores: ['packages/*/src/**'],
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  { files: ['**/test/**'], rules: { 'no-sparse-arrays': 'off' } },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'performance',
          'URL',
          'Buffer',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'setImmediate',
          'queueMicrotask',
          'AbortController',
          'AbortSignal',
          'MessageChannel',
          'WebAssembly',
          'TextEncoder',
          'TextDecoder',
          'structuredClone',
          'fetch',
          'navigator',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    // Pages, and workers in them.
    files: ['packages/host-browser/test/pages/**', 'examples/browser/**', 'tests/bundlers/**', 'examples/raw-workers/**'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'Worker',
          'addEventListener',
          'close',
          'postMessage',
          'document',
          'requestAnimationFrame',
          'location',
          'self',
          'history',
          'devicePixelRatio',
          'Option',
          'ImageData',
          'PerformanceObserver',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
])
