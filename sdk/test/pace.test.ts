import { expect, test } from 'vitest'
import type { ClientLimits } from '../src/generated/wire.ts'
import { Pace } from '../src/pace.ts'
import { welcome } from './support/server.ts'

const limits: ClientLimits = {
  ...welcome().limits,
  messagesPerSecond: 10,
  messageBurst: 20,
  messageBurstPerPeer: 10,
  bytesPerSecond: 1_000,
  byteBurst: 10_000,
}

/** How many messages of a size go before one has to wait. */
function burst(pace: Pace, bytes: number, now: number): number {
  let count = 0
  while (pace.take(bytes, now) === 0) count += 1
  return count
}

test.each([
  { others: 0, messages: 18 },
  { others: 1, messages: 27 },
  { others: 8, messages: 90 },
])('with $others others a burst is nine tenths of what the server allows: $messages messages', ({ others, messages }) => {
  expect(burst(new Pace(limits, others, 0), 1, 0)).toBe(messages)
})

test('a burst of bytes is nine tenths of what the server allows', () => {
  expect(burst(new Pace(limits, 0, 0), 1_000, 0)).toBe(9)
})

test('after a burst messages go at nine tenths of the sustained rate', () => {
  const pace = new Pace(limits, 0, 0)
  burst(pace, 1, 0)
  expect(pace.take(1, 0)).toBe(112)
  expect(pace.take(1, 112)).toBe(0)
  expect(burst(pace, 1, 1_112)).toBe(9)
})

test('after a burst bytes go at nine tenths of the sustained rate', () => {
  const pace = new Pace(limits, 0, 0)
  expect(pace.take(9_000, 0)).toBe(0)
  expect(pace.take(450, 0)).toBe(500)
  expect(pace.take(450, 499)).toBe(1)
  expect(pace.take(450, 500)).toBe(0)
})

test('a message that has to wait takes nothing: asking is free', () => {
  const pace = new Pace(limits, 0, 0)
  burst(pace, 1, 0)
  for (let time = 0; time < 112; time += 1) expect(pace.take(1, time)).toBe(112 - time)
  expect(pace.take(1, 112)).toBe(0)
})

test('silence fills the buckets no further than a burst', () => {
  const pace = new Pace(limits, 0, 0)
  expect(burst(pace, 1, 3_600_000)).toBe(18)
})

test('a message that is larger than the whole burst goes when the bucket is full, and is paid for afterwards', () => {
  const pace = new Pace(limits, 0, 0)
  expect(pace.take(1, 0)).toBe(0)
  expect(pace.take(18_000, 0)).toBe(2)
  expect(pace.take(18_000, 2)).toBe(0)
  expect(pace.take(900, 2)).toBeGreaterThanOrEqual(10_999)
})
