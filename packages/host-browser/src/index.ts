export { announce } from './announce.js'
export { browserHost } from './browser-host.js'
