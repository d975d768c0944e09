/** `@heddle/sync`: locks alone and against each other, on one thread and on two. */
import { type Suite } from '../src/suite.js'
import { contended, contendedReadMostly, pingPong, rounds } from './sync/contended.js'
import { locks, promises } from './sync/uncontended.js'

export const suite: Suite = { name: 'sync', cases: [locks, promises, contended, contendedReadMostly, pingPong, rounds] }
