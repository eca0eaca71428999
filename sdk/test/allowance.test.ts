import { expect, test } from 'vitest'
import { Allowance } from '../src/allowance.ts'
import { FakeClock } from './support/clock.ts'

/** How many of so many attempts are allowed. */
function taken(allowance: Allowance, attempts: number): number {
  return Array.from({ length: attempts }, () => allowance.take()).filter(Boolean).length
}

test.each([
  ['at once', 0, 3],
  ['just before there is one more', 999, 0],
  ['when there is one more', 1_000, 1],
  ['after two and a half intervals', 2_500, 2],
  ['after a long time, no more than at first', 60_000, 3],
])('of a burst of 3, one more each second: %s', async (_, waited, expected) => {
  const clock = new FakeClock()
  const allowance = new Allowance(clock, 3, 1_000)
  if (waited > 0) expect(taken(allowance, 10)).toBe(3)
  await clock.advance(waited)
  expect(taken(allowance, 10)).toBe(expected)
})

test('asking in vain costs nothing, and parts of an interval add up', async () => {
  const clock = new FakeClock()
  const allowance = new Allowance(clock, 1, 1_000)
  const results: boolean[] = []
  for (let n = 0; n < 9; n += 1) {
    results.push(allowance.take())
    await clock.advance(250)
  }
  expect(results).toEqual([true, false, false, false, true, false, false, false, true])
})
