/** Drills of what is counted: permits, rounds, things under way, and who was let through. */
import { type AtomicInt32 } from '@heddle/atomics'
import { Barrier, type BarrierPassage, Event, Latch, Semaphore, WaitGroup } from '../../../src/index.js'
import type { Drill, Props } from './drill.js'
import { Published } from './published.js'

const PERMITS = 4
const PARTIES = 2
/** Generations of a barrier that are remembered. */
const GENERATIONS = 256

export const semaphores: Drill = {
  name: 'Semaphore',
  make(props) {
    props.add('semaphore', new Semaphore(PERMITS, { region: props.region, ...(!props.kills && { max: PERMITS }) }))
    // With kills, permits die with their holders: then their number is only bounded.
    props.cell('permits', props.kills ? 1 << 20 : PERMITS)
  },
  open(tools) {
    const semaphore = Semaphore.fromHandle(tools.handles['semaphore']!)
    const permits = tools.cell('permits')
    return async () => {
      const mode = tools.mode()
      const k = 1 + tools.random(3)
      if (tools.chance(4)) {
        if (!semaphore.tryAcquire(k)) return
      } else if ((await tools.call<void>(mode, semaphore, 'acquire', [k], !tools.kills)) === undefined) return
      tools.expect(permits.sub(k) >= k, 'more permits than there are')
      tools.spend()
      await tools.turn(mode)
      permits.add(k)
      semaphore.release(k)
    }
  },
  kick(props) {
    // Who waits without a limit needs what the dead have taken along.
    const semaphore = props.get<Semaphore>('semaphore')
    if (props.kills && semaphore.available < PERMITS) semaphore.release(1)
  },
  faults(props) {
    const { available } = props.get<Semaphore>('semaphore')
    return props.kills || available === PERMITS ? [] : [`${available} permits instead of ${PERMITS}`]
  },
}

export const events: Drill = {
  name: 'Event',
  make(props) {
    props.add('event', new Event({ region: props.region }))
    props.add('auto', new Event({ region: props.region, auto: true }))
    props.cell('sets')
    props.cell('passes')
  },
  open(tools) {
    const event = Event.fromHandle(tools.handles['event']!)
    const auto = Event.fromHandle(tools.handles['auto']!)
    const [sets, passes] = [tools.cell('sets'), tools.cell('passes')]
    return async () => {
      const what = tools.random(6)
      const mode = tools.mode()
      if (what === 0) event.set()
      else if (what === 1) event.reset()
      else if (what === 2) await tools.call<void>(mode, event, 'wait', [], true)
      else if (what === 3) {
        sets.add(1)
        auto.set()
      } else if ((await tools.call<void>(mode, auto, 'wait', [], true)) !== undefined) {
        const passed = passes.add(1) + 1
        tools.expect(passed <= sets.load(), `an auto-reset event was passed ${passed} times`)
      }
    }
  },
  kick(props) {
    props.get<Event>('event').set()
    props.get<AtomicInt32>('sets').add(1)
    props.get<Event>('auto').set()
  },
}

export const groups: Drill = {
  name: 'WaitGroup',
  make(props) {
    props.add('group', new WaitGroup({ region: props.region }))
  },
  open(tools) {
    const group = WaitGroup.fromHandle(tools.handles['group']!)
    return async () => {
      const mode = tools.mode()
      if (tools.chance(3)) {
        // What the dead had under way is never done.
        await tools.call<void>(mode, group, 'wait', [], !tools.kills)
        return
      }
      const k = 1 + tools.random(3)
      group.add(k)
      tools.spend()
      await tools.turn(mode)
      tools.expect(group.count >= k, 'the count is below what is under way')
      for (let i = 0; i < k; i++) group.done()
    }
  },
  faults(props) {
    const { count } = props.get<WaitGroup>('group')
    return props.kills || count === 0 ? [] : [`${count} are under way`]
  },
}

export const barriers: Drill = {
  name: 'Barrier',
  make(props) {
    props.add('barrier', new Barrier(PARTIES, { region: props.region }))
    for (let i = 0; i < GENERATIONS; i++) props.cell(`generation${i}`)
  },
  open(tools) {
    const barrier = Barrier.fromHandle(tools.handles['barrier']!)
    // Of each generation: how many came through, and whether its leader did. The generation is in the upper bits.
    const through = Array.from({ length: GENERATIONS }, (_, i) => tools.cell(`generation${i}`))
    const note = ({ generation, isLeader }: BarrierPassage): void => {
      const cell = through[generation % GENERATIONS]!
      for (;;) {
        const word = cell.load()
        const known = word >>> 8 === generation ? word : generation << 8
        const parties = (known & 15) + 1
        const leaders = ((known >> 4) & 15) + (isLeader ? 1 : 0)
        tools.expect(parties <= PARTIES && leaders <= 1, `generation ${generation}: ${parties} parties, ${leaders} leaders`)
        if (cell.compareExchange(word, (generation << 8) | (leaders << 4) | parties)) return
      }
    }
    return async () => {
      const what = tools.random(24)
      if (what === 0) barrier.abort()
      else if (what === 1 || barrier.isBroken) barrier.reset()
      else {
        const ended = await tools.call<BarrierPassage>(tools.mode(), barrier, 'wait', [], true)
        if (ended !== undefined) note(ended.value)
      }
    }
  },
  kick: (props) => props.get<Barrier>('barrier').reset(),
  faults(props) {
    const { waiting } = props.get<Barrier>('barrier')
    return waiting === 0 ? [] : [`${waiting} wait at the barrier`]
  },
}

export const latches: Drill = {
  name: 'Latch',
  make: (props: Props) => Published.make(props, 'latch'),
  open(tools) {
    const current = new Published<Latch>(
      tools,
      'latch',
      (at) => Latch.at(tools.region, at),
      () => new Latch(1 + tools.random(3), { region: tools.region }),
    )
    return () =>
      current.use(async (latch) => {
        const mode = tools.mode()
        if (tools.chance(2)) latch.countDown(1 + tools.random(2))
        else if ((await tools.call<void>(mode, latch, 'wait', [], false)) !== undefined)
          tools.expect(latch.tryWait(), 'a latch let through and is closed')
        return latch.count === 0
      })
  },
}
