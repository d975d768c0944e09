/** What the suite asserts with: nothing of any runtime. */

const show = (value) => {
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Error) return `${value.name} ${value.code ?? ''}: ${value.message}`
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

export function ok(value, what) {
  if (!value) throw new Error(`expected ${what}`)
}

/** Whether two values are alike in all that a call can carry. */
function alike(a, b) {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (a instanceof Date) return a.getTime() === b.getTime()
  if (a instanceof Map) return a.size === b.size && alike([...a], [...b])
  if (a instanceof Set) return a.size === b.size && alike([...a], [...b])
  if (ArrayBuffer.isView(a)) return a.length === b.length && Array.prototype.every.call(a, (x, i) => Object.is(x, b[i]))
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && alike(a[key], b[key]))
}

export function equal(actual, expected) {
  if (!alike(actual, expected)) throw new Error(`expected ${show(expected)}, got ${show(actual)}`)
}

function checkError(error, code, message) {
  if (error?.code !== code) throw new Error(`expected ${code}, got ${show(error)}`, { cause: error })
  if (message !== undefined && !error.message.includes(message)) throw new Error(`expected a message with ‘${message}’, got ‘${error.message}’`)
  return error
}

export async function rejects(promise, code, message) {
  let value
  try {
    value = await promise
  } catch (error) {
    return checkError(error, code, message)
  }
  throw new Error(`expected ${code}, got the value ${show(value)}`)
}

export function throws(body, code, message) {
  let value
  try {
    value = body()
  } catch (error) {
    return checkError(error, code, message)
  }
  throw new Error(`expected ${code}, got the value ${show(value)}`)
}

/** Lets the event loop turn. */
export const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms))

/** Until another thread has brought about a state; the case's own limit ends it when that never comes. */
export async function until(condition) {
  while (!condition()) await turn(1)
}
