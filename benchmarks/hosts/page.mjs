/** The rows in a browser's window: `page.html?ms=200`. */
import { measure } from './transport.mjs'

const say = (value) => console.log(`heddle ${JSON.stringify(value)}`)
measure(say, Number(new URL(globalThis.location.href).searchParams.get('ms') ?? 200)).then(
  () => say({ done: true }),
  (error) => say({ done: true, error: String(error) }),
)
