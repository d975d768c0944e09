import { type Case, type Contender, contender } from '../../src/suite.js'
import { ITERATIONS } from './bare.js'

/** The name of the floor in this suite. */
export const BARE = 'bare Atomics'
/** The most that a cell's operation may cost. */
const CELL_TARGET = { ratio: 1.15 }

/** A case of two: the bare call, and the class around it doing the same work. */
export function pair<Bare, Cell, Result>(
  name: string,
  bare: Pick<Contender<Bare, Result>, 'setup' | 'run'>,
  cell: Pick<Contender<Cell, Result>, 'setup' | 'run' | 'target'>,
  check: Contender<unknown, Result>['check'],
): Case {
  return {
    name,
    unit: 'operation',
    isolation: 'shared',
    iterations: ITERATIONS,
    floor: BARE,
    contenders: [contender({ ...bare, name: BARE, check }), contender({ target: CELL_TARGET, ...cell, name: 'heddle', check })],
  }
}
