/** Numbers of the operations, as logs have them, and their names, as reports have them. */
export const LOAD = 1
export const STORE = 2
export const ADD = 3
export const SUB = 4
export const AND = 5
export const OR = 6
export const XOR = 7
export const EXCHANGE = 8
export const CAS = 9
export const WAIT = 10
export const NOTIFY = 11
export const WAIT_ASYNC = 12
export const PAUSE = 13
export const GET = 14
export const SET = 15
export const PEEK = 16
export const COPY = 17
export const FILL = 18
export const NOW = 19
export const RANDOM = 20
export const BUFFER = 21
export const EFFECT = 22
export const TIMER = 23
export const CHOOSE = 24
export const MARK = 25
/** A turn of a thread's event loop. */
export const TURN = 26

export const NAMES = ['', 'load', 'store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange', 'wait', 'notify', 'waitAsync', 'pause', 'get', 'set', 'peek', 'copy', 'fill', 'now', 'random', 'createBuffer', 'effect', 'timer', 'choose', 'mark', 'turn'] // prettier-ignore
