/** `@heddle/sync`: locks alone and against each other, on one thread and on two. */
import { type Suite } from '../src/suite.js'
import { contended, contendedReadMostly, pingPong, rounds, woken } from './sync/contended.js'
import { fibers } from './sync/fibers.js'
import { locks, promises } from './sync/uncontended.js'

export const suite: Suite = { name: 'sync', cases: [locks, promises, fibers, contended, contendedReadMostly, pingPong, woken, rounds] }
