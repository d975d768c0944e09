// Whether importing everything changes anything that the program has: globals, their prototypes, listeners, timers.
const { process } = globalThis
const objects = [
  globalThis,
  ...[
    'Object',
    'Array',
    'Promise',
    'Function',
    'Map',
    'Error',
    'Int32Array',
    'SharedArrayBuffer',
    'Atomics',
    'Worker',
    'AbortSignal',
    'EventTarget',
  ].flatMap((name) => [globalThis[name], globalThis[name]?.prototype]),
].filter((one) => one !== undefined && one !== null)
const picture = () =>
  objects.map((one) =>
    Reflect.ownKeys(one).map((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(one, key)
      return [key, value, get, set]
    }),
  )
const listeners = () => process?.eventNames?.().map((name) => [name, process.listenerCount(name)]) ?? []

// What a runtime makes of its globals by itself: when its own modules are loaded, and when a global is first looked at.
for (const name of ['node:worker_threads', 'node:timers', 'node:os', 'node:diagnostics_channel']) await import(name)
picture()
const before = picture()
const listenersBefore = JSON.stringify(listeners().map(String))
await import(`../../dist/${process.argv[2]}.js`)
const after = picture()
const changed = []
objects.forEach((_, i) => {
  const known = new Map(before[i].map(([key, ...values]) => [key, values]))
  for (const [key, ...values] of after[i]) {
    // Deno's own, when it first needs what Node has.
    if (key === 'nodeBootstrap') continue
    if (!known.has(key) || values.some((value, n) => !Object.is(value, known.get(key)[n]))) changed.push(`${i}: ${String(key)}`)
    known.delete(key)
  }
  for (const key of known.keys()) changed.push(`${i}: ${String(key)} is gone`)
})
if (JSON.stringify(listeners().map(String)) !== listenersBefore) changed.push('listeners')
console.log(JSON.stringify(changed))
