// Checks that a trace is one in Chrome's trace-event format: every lane named, times in order, slices that nest and end.
import assert from 'node:assert/strict'

/** @returns by lane: its name and its events */
export function checkTrace(trace) {
  assert.deepEqual(Object.keys(trace).sort(), ['displayTimeUnit', 'traceEvents'])
  const lanes = new Map()
  let process
  const laneOf = (tid) => {
    if (!lanes.has(tid)) lanes.set(tid, { name: undefined, events: [], open: [], last: 0 })
    return lanes.get(tid)
  }
  for (const event of trace.traceEvents) {
    const { ph, name, ts, pid, tid } = event
    assert.ok(typeof name === 'string' && name !== '' && Number.isInteger(pid) && Number.isInteger(tid), JSON.stringify(event))
    if (ph === 'M') {
      if (name === 'process_name') process = event.args.name
      if (name === 'thread_name') laneOf(tid).name = event.args.name
      continue
    }
    const lane = laneOf(tid)
    assert.ok(Number.isFinite(ts) && ts >= lane.last, `${name} at ${ts}, after ${lane.last}`)
    lane.last = ts
    lane.events.push(event)
    if (ph === 'B') lane.open.push(name)
    else if (ph === 'E') assert.equal(lane.open.pop(), name, 'an end belongs to the slice that was begun last')
    else assert.deepEqual([ph, event.s], ['i', 't'])
  }
  assert.equal(typeof process, 'string')
  for (const [tid, lane] of lanes) {
    assert.equal(typeof lane.name, 'string', `lane ${tid} has a name`)
    assert.deepEqual(lane.open, [], `all slices of ${lane.name} end`)
  }
  return [...lanes.values()].map(({ name, events }) => ({ name, events }))
}
