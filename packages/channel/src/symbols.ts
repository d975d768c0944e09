/** What `tryRecv` says instead of a value. */

/** Nothing is there now. */
export const EMPTY: unique symbol = Symbol('heddle.empty')
/** Nothing is there, and nothing will come: the channel is closed. */
export const CLOSED: unique symbol = Symbol('heddle.closed')
