import { ThreadWorker } from 'poolifier'
import { echo, work } from './plain-calls.worker.js'

export default new ThreadWorker({ echo: (value?: unknown) => echo(value), work: (rounds?: unknown) => work(rounds as number) })
