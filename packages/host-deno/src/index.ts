export { denoHost } from './deno-host.js'
