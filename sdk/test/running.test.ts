import { expect, test } from 'vitest'
import { RunningClock } from '../src/running.ts'
import { FakeClock } from './support/clock.ts'

function clocks(): { system: FakeClock; clock: RunningClock } {
  const system = new FakeClock()
  return { system, clock: new RunningClock(system) }
}

test('time passes as ever while the page runs', async () => {
  const { system, clock } = clocks()
  let runs = 0
  clock.after(10, () => {
    runs += 1
  })
  await system.advance(9)
  expect([clock.now(), runs]).toEqual([9, 0])
  await system.advance(100)
  expect([clock.now(), runs]).toEqual([109, 1])
})

test.each(['frozen', 'stowed'] as const)('it stands still while the page is %s, and so do its timers', async (event) => {
  const { system, clock } = clocks()
  const fired: number[] = []
  clock.after(10, () => fired.push(clock.now()))
  await system.advance(4)
  clock.hear(event)
  clock.after(3, () => fired.push(clock.now()))
  await system.advance(1_000)
  expect([clock.now(), fired, system.planned]).toEqual([4, [], 0])
  clock.hear('thawed')
  expect(clock.now()).toBe(4)
  await system.advance(6)
  expect([clock.now(), fired]).toEqual([10, [7, 10]])
  clock.hear(event)
  clock.hear('thawed')
  expect(system.planned).toBe(0)
})

test('an event that comes twice is one', async () => {
  const { system, clock } = clocks()
  let runs = 0
  clock.after(10, () => {
    runs += 1
  })
  clock.hear('thawed')
  clock.hear('stowed')
  await system.advance(5)
  clock.hear('frozen')
  await system.advance(5)
  clock.hear('thawed')
  clock.hear('thawed')
  expect([clock.now(), system.planned]).toEqual([0, 1])
  await system.advance(10)
  expect([clock.now(), runs]).toEqual([10, 1])
})

test('it stands still as often as the page does', async () => {
  const { system, clock } = clocks()
  for (let round = 1; round <= 3; round += 1) {
    await system.advance(1)
    clock.hear('frozen')
    await system.advance(100)
    clock.hear('thawed')
    expect(clock.now()).toBe(round)
  }
})

test('a page that somebody sees runs, whatever its browser forgot to say', async () => {
  const { system, clock } = clocks()
  clock.hear('frozen')
  clock.hear('hidden')
  await system.advance(10)
  expect(clock.now()).toBe(0)
  clock.hear('visible')
  await system.advance(10)
  expect(clock.now()).toBe(10)
})

test('a timer that is cancelled never runs, whenever that was', async () => {
  const { system, clock } = clocks()
  let runs = 0
  const cancels = [1, 2, 3].map((ms) =>
    clock.after(ms, () => {
      runs += 1
    }),
  )
  cancels[0]?.()
  clock.hear('frozen')
  cancels[1]?.()
  clock.hear('thawed')
  cancels[2]?.()
  cancels[2]?.()
  await system.drain()
  expect([runs, system.planned]).toEqual([0, 0])
})
