/** `server.mjs [ms]`: the rows on Node, Deno or Bun, one line of JSON for each. */
import { measure } from './transport.mjs'

await measure((row) => console.log(JSON.stringify(row)), Number(process.argv[2] ?? 200))
