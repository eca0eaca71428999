import { expect, test } from 'vitest'
import { Scope } from '../src/scope.ts'
import { FakeClock } from './support/clock.ts'

test('what was planned happens while the state is', async () => {
  const clock = new FakeClock()
  const scope = new Scope(clock)
  const happened: number[] = []
  scope.after(100, () => happened.push(clock.now()))
  scope.after(50, () => happened.push(clock.now()))
  expect(scope.live).toBe(true)
  await clock.advance(1_000)
  expect(happened).toEqual([50, 100])
})

test('when the state is left its timers are cancelled, its listeners are told once, and it is not live', async () => {
  const clock = new FakeClock()
  const scope = new Scope(clock)
  const happened: string[] = []
  scope.after(100, () => happened.push('timer'))
  scope.defer(() => happened.push('cancelled'))
  scope.end()
  scope.end()
  await clock.advance(1_000)
  expect(happened).toEqual(['cancelled'])
  expect(scope.live).toBe(false)
  expect(clock.planned).toBe(0)
})

test('the state that comes next has a scope of its own, and the one before is over', async () => {
  const clock = new FakeClock()
  const scope = new Scope(clock)
  const happened: string[] = []
  scope.after(100, () => happened.push('before'))
  const next = scope.next()
  next.after(100, () => happened.push('next'))
  await clock.advance(1_000)
  expect(happened).toEqual(['next'])
  expect([scope.live, next.live]).toEqual([false, true])
})
