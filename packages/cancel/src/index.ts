export { CancelledError, TimeoutError } from '@heddle/park'
export { CancelSource, type CancelSourceOptions, CancelToken, type ChildOptions, type TokenOptions } from './cancel-token.js'
