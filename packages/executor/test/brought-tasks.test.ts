/** How a worker finds a task: by its URL; by family and name, where the worker's script brought it under another one. */
import { Region } from '@heddle/atomics'
import { describe, expect, it } from 'vitest'
import { Loader } from '../src/loader.js'
import { Pool } from '../src/pool.js'
import { TaskTable } from '../src/task-table.js'
import { findTask, type TaskName, TaskRef, tasks } from '../src/tasks.js'

const pool = new Pool({ region: Region.create({ bytes: 1 << 22 }), maxWorkers: 1 })
const table = new TaskTable(pool)
const loader = (bringsTasks: boolean): Loader => new Loader(table, bringsTasks)
/** A task as a caller names it whose bundle has another URL. */
const elsewhere = ({ name, family }: TaskName, module = 'https://example.org/main.js'): TaskName => ({ module, name, family })

const images = { blur: () => 'blur', crop: () => 'crop' }
const brought = tasks('app:images', images)
const [twin, otherTwin] = [tasks('app:one', { twin: () => 1 }), tasks('app:two', { twin: () => 2 })]

describe('tasks', () => {
  it('takes several modules of one URL, as bundlers make them, unless they define the same names', () => {
    const first = tasks('app:bundle', { add: () => 1, sub: () => 2 })
    const second = tasks('app:bundle', { add: () => 3, mul: () => 4 })
    expect([findTask(first.add)!(), findTask(second.add)!()]).toEqual([1, 3])
    expect(() => tasks('app:bundle', { mul: () => 5, add: () => 6 })).toThrow(/defines two tasks named 'mul'/)
  })

  it('has the same family whatever the order of the names', () => {
    expect(tasks('app:a', { x: () => 1, y: () => 2 }).x.family).toBe(tasks('app:b', { y: () => 2, x: () => 1 }).x.family)
    expect(tasks('app:c', { x: () => 1 }).x.family).not.toBe(tasks('app:d', { x: () => 1, z: () => 2 }).x.family)
  })
})

describe('a worker whose script brought its tasks', () => {
  it('finds them under another URL', async () => {
    expect(await loader(true).loadNamed(elsewhere(brought.crop))).toBe(images.crop)
    const number = table.numberOf(new TaskRef('https://example.org/main.js', 'blur', images.blur, brought.blur.family))
    expect(loader(true).loaded(number)).toBe(images.blur)
  })

  it('prefers the URL', async () => {
    expect((await loader(true).loadNamed(otherTwin.twin))()).toBe(2)
  })

  it('refuses to choose between two', async () => {
    const call = loader(true).loadNamed(elsewhere(twin.twin))
    await expect(call).rejects.toMatchObject({ code: 'ERR_TASK_NOT_FOUND', message: expect.stringContaining(`tasks('app:one', { twin })`) as string })
  })

  it('does not take a task of the same name that was defined among others', async () => {
    const call = loader(true).loadNamed(elsewhere({ module: '', name: 'blur', family: 1 }, 'data:text/javascript,throw new Error("a page")'))
    await expect(call).rejects.toMatchObject({ code: 'ERR_WORKER_START', message: expect.stringContaining('brings no such task') as string })
  })
})

it('a worker of heddle’s own knows a task by its URL alone', async () => {
  const call = loader(false).loadNamed(elsewhere(brought.crop, 'data:text/javascript,export {}'))
  await expect(call).rejects.toMatchObject({ code: 'ERR_TASK_NOT_FOUND' })
})
