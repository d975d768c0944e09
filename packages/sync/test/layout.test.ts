/** Offsets that are written as plain numbers, so that bundlers can drop what is not used: they are what they say. */
import { expect, test } from 'vitest'
import { Mutex, RwLock } from '../src/index.js'
import { DEPTH } from '../src/reentrant-mutex.js'
import { CURRENT_AT } from '../src/shared.js'

test('a ReentrantMutex has its own words behind its mutex', () => {
  expect(DEPTH * 4).toBe(4 + Mutex.BYTES)
})

test('a Shared has its own words behind its lock', () => {
  expect(CURRENT_AT).toBe(8 + RwLock.BYTES)
})
