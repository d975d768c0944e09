/** `@heddle/channel`: numbers through channels. */
import { type Suite } from '../src/suite.js'
import { flavors, latest, toOne } from './channel/flavors.js'
import { crews } from './channel/crews.js'
import { same, threads } from './channel/through.js'

export const suite: Suite = { name: 'channel', cases: [same, threads, ...crews, flavors, latest, toOne] }
