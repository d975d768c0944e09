// A worker that the page starts: it says who it is, takes a lock, and keeps it.
import { announce } from '../../dist/index.js'
import { Mutex } from '../../../heddle/dist/browser.js'

let guard
addEventListener('message', async ({ data }) => {
  if (data === 'close') return close()
  await announce()
  guard = Mutex.fromHandle(data).lock()
  postMessage('holds')
})
export const held = () => guard
