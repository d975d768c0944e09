// The floor: gives back what it is sent. In Node a worker has a port, elsewhere a scope.
const port =
  globalThis.process?.versions?.node !== undefined && globalThis.Deno === undefined && globalThis.Bun === undefined
    ? (await import('node:worker_threads')).parentPort
    : undefined
if (port !== undefined) port.on('message', (value) => port.postMessage(value))
else globalThis.onmessage = ({ data }) => globalThis.postMessage(data)
