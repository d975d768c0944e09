import { expect, test } from 'vitest'
import { check } from '../src/index.js'

test('a body that uses a region is refused where its operations could not be seen', () => {
  expect(() =>
    check('blind', ({ region, spawn }) => {
      spawn(() => region.alloc(8))
    }),
  ).toThrow(/import condition 'heddle-model'/)
})
