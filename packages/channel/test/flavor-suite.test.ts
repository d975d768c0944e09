/** The list that every flavour of channel has to pass. */
import { channel, mpsc, oneshot, spsc } from '../src/index.js'
import { flavorSuite } from './support/flavor-suite.js'

flavorSuite({ name: 'channel', make: channel })
flavorSuite({ name: 'channel of capacity 0', make: (options) => channel({ ...options, capacity: 0 }), keeps: () => 0 })
flavorSuite({ name: 'spsc', make: spsc, senders: 'one', receivers: 'one' })
flavorSuite({ name: 'mpsc', make: mpsc, receivers: 'one' })
flavorSuite({ name: 'oneshot', make: oneshot, keeps: () => 1, once: true })
