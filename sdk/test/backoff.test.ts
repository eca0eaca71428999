import { expect, test } from 'vitest'
import { backoff } from '../src/backoff.ts'

test.each([
  { failures: 1, longest: 500 },
  { failures: 2, longest: 1_000 },
  { failures: 3, longest: 2_000 },
  { failures: 5, longest: 8_000 },
  { failures: 6, longest: 15_000 },
  { failures: 7, longest: 15_000 },
  { failures: 5_000, longest: 15_000 },
])('after $failures failures the wait is anything up to $longest ms', ({ failures, longest }) => {
  expect(backoff(failures, 0)).toBe(0)
  expect(backoff(failures, 0.5)).toBe(longest / 2)
  expect(backoff(failures, 0.999)).toBe(Math.round(longest * 0.999))
})

test('what the server asks for is a floor under the jitter, so that those who were asked together do not return together', () => {
  expect(backoff(1, 0, 3_000)).toBe(3_000)
  expect(backoff(1, 0.5, 3_000)).toBe(3_250)
  expect(backoff(9, 0.999, 60_000)).toBe(74_985)
})
