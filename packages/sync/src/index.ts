export * from './errors.js'
export { type Guard, Mutex, MutexGuard, type MutexOptions } from './mutex.js'
