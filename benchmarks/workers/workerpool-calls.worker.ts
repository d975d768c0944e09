import workerpool from 'workerpool'
import { echo, work } from './plain-calls.worker.js'

workerpool.worker({ echo, work })
