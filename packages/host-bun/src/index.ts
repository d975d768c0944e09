export { bunHost } from './bun-host.js'
