import { expect, test } from 'vitest'
import { AldisError } from '../src/errors.ts'
import { type ErrorCode, type ErrorMessage, type JsonObject, RETRYABLE_CODES, type Relayed } from '../src/generated/wire.ts'
import type { Lane } from '../src/lane.ts'
import { WAITING_MAX } from '../src/outgoing.ts'
import { StreamLane } from '../src/stream-lane.ts'
import { type Fates, letter, takeAll, texts } from './support/letters.ts'

/** A lane whose way is open. */
function openLane(isHidden = false): { lane: Lane; fates: Fates; post: (text: string, now?: number) => void } {
  const lane = new StreamLane('b', '7.', 5, () => isHidden)
  lane.connect('open', 0)
  const fates: Fates = []
  return { lane, fates, post: (text, now = 0) => lane.post(letter(fates, text), now) }
}

/** What the peer says. */
function from(text: string, x?: unknown): Relayed {
  return { type: 'message', from: 'b', data: text, ...(x !== undefined && { x: x as JsonObject }) }
}

function ack(x: unknown): Relayed {
  return { type: 'ack', from: 'b', x: x as JsonObject }
}

function refusal(code: ErrorCode, details: Partial<ErrorMessage> = {}): ErrorMessage {
  return { type: 'error', code, message: 'No.', ...details }
}

test('a letter gets a name and a place, and asks for no receipt', () => {
  const { lane, post } = openLane()
  post('one')
  post('two')
  expect(takeAll(lane, 0)).toEqual([
    { type: 'message', data: 'one', to: 'b', msg: '7.5.1', x: { s: { e: 5, n: 1 } } },
    { type: 'message', data: 'two', to: 'b', msg: '7.5.2', x: { s: { e: 5, n: 2 } } },
  ])
})

test('what a letter says in `x` stays there, beside the stream’s', () => {
  const { lane } = openLane()
  lane.post({ parcel: { type: 'offer', sdp: 'v=0', x: { g: 3, d: 1 } }, bytes: 10, settle: () => undefined }, 0)
  expect(lane.take(0)).toEqual({ type: 'offer', sdp: 'v=0', to: 'b', msg: '7.5.1', x: { g: 3, d: 1, s: { e: 5, n: 1 } } })
})

test('an acknowledgement settles everything up to it, in order', () => {
  const { lane, fates, post } = openLane()
  for (const text of ['one', 'two', 'three']) post(text)
  takeAll(lane, 0)
  expect(lane.receive(ack({ a: { e: 5, n: 2 } }), 10)).toEqual([])
  expect(fates).toEqual([
    ['one', 'delivered'],
    ['two', 'delivered'],
  ])
  lane.receive(ack({ a: { e: 5, n: 2 } }), 20)
  lane.receive(from('theirs', { s: { e: 9, n: 1 }, a: { e: 5, n: 3 } }), 20)
  expect(fates.slice(2)).toEqual([['three', 'delivered']])
  expect(lane.nextAt(20)).toBe(70)
})

test('what comes is handed on in order and once, and acknowledged with what goes the other way', () => {
  const { lane, post } = openLane()
  expect(texts(lane.receive(from('two', { s: { e: 9, n: 2 } }), 0))).toEqual([])
  expect(texts(lane.receive(from('one', { s: { e: 9, n: 1 } }), 0))).toEqual(['one', 'two'])
  expect(texts(lane.receive(from('one', { s: { e: 9, n: 1 } }), 0))).toEqual([])
  post('ours')
  expect(lane.take(0)).toMatchObject({ x: { s: { e: 5, n: 1 }, a: { e: 9, n: 2 } } })
  expect(lane.takeAck(10_000)).toBeUndefined()
})

test('a bare acknowledgement is none of the stream’s own messages', () => {
  const { lane } = openLane()
  lane.receive(from('one', { s: { e: 9, n: 1 } }), 0)
  expect(lane.takeAck(49)).toBeUndefined()
  expect(lane.takeAck(50)).toEqual({ type: 'ack', to: 'b', x: { a: { e: 9, n: 1 } } })
  expect(lane.takeAck(50)).toBeUndefined()
})

test('a hidden page, whose timers are late, acknowledges at once', () => {
  const { lane } = openLane(true)
  lane.receive(from('one', { s: { e: 9, n: 1 } }), 0)
  expect(lane.takeAck(0)).toMatchObject({ type: 'ack' })
})

test('what has no place in the stream is handed on as it is, and acknowledged by nothing', () => {
  const { lane } = openLane()
  expect(texts(lane.receive(from('to all'), 0))).toEqual(['to all'])
  expect(lane.receive(ack({}), 0)).toEqual([])
  expect(lane.receive(ack(undefined), 0)).toEqual([])
  expect(lane.takeAck(10_000)).toBeUndefined()
})

test.each<[string, unknown]>([
  ['a text', 'one'],
  ['a number', 1],
  ['null', null],
  ['an array', [9, 1]],
  ['empty', {}],
  ['a place of text', { e: 9, n: '1' }],
  ['an epoch of text', { e: '9', n: 1 }],
  ['an epoch that makes no number', { e: { valueOf: 1, toString: 1 }, n: 1 }],
  ['a place of nothing', { e: 9, n: null }],
  ['the place 0', { e: 9, n: 0 }],
  ['a place below 0', { e: 9, n: -1 }],
  ['half a place', { e: 9, n: 1.5 }],
  ['a place beyond counting', { e: 9, n: 2 ** 53 }],
  ['an epoch below 0', { e: -1, n: 1 }],
  ['half an epoch', { e: 0.5, n: 1 }],
  ['an epoch beyond a u32', { e: 2 ** 32, n: 1 }],
  ['no number', { e: Number.NaN, n: 1 }],
])('a position that is %s is none: what has it is no part of the stream', (_, s) => {
  const { lane } = openLane()
  expect(texts(lane.receive(from('odd', { s }), 0))).toEqual(['odd'])
  expect(lane.takeAck(10_000)).toBeUndefined()
})

test.each<[string, unknown]>([
  ['a text', 'all'],
  ['null', null],
  ['of another epoch', { e: 6, n: 1 }],
  ['a place of text', { e: 5, n: '1' }],
  ['half a place', { e: 5, n: 0.5 }],
  ['below 0', { e: 5, n: -1 }],
  ['of what was never sent', { e: 5, n: 2 }],
  ['beyond counting', { e: 5, n: 1e300 }],
  ['a reset of another epoch', { e: 6, reset: true }],
  ['a reset that is no yes', { e: 5, reset: 'true' }],
  ['a reset of no epoch', { reset: true }],
])('an acknowledgement that is %s settles nothing', (_, a) => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.receive(ack({ a }), 0)
  expect(fates).toEqual([])
})

test('a place far beyond what may fly is not held', () => {
  const { lane } = openLane()
  expect(lane.receive(from('far', { s: { e: 9, n: Number.MAX_SAFE_INTEGER } }), 0)).toEqual([])
  expect(texts(lane.receive(from('one', { s: { e: 9, n: 1 } }), 0))).toEqual(['one'])
})

test('a stream that the peer resets settles what flew as unknown, and goes on in the next epoch', () => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  post('two')
  lane.receive(ack({ a: { e: 5, reset: true } }), 0)
  expect(fates).toEqual([['one', 'timed-out unknown']])
  expect(lane.take(0)).toMatchObject({ data: 'two', msg: '7.6.1', x: { s: { e: 6, n: 1 } } })
})

test.each(RETRYABLE_CODES)('a letter refused with %s is sent again after a second, and again', (code) => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('5.1', refusal(code), 500)
  expect(lane.peek(1_499)).toBeUndefined()
  expect(texts(takeAll(lane, 1_500))).toEqual(['one'])
  lane.refuse('5.1', refusal(code, { outcome: 'unknown' }), 1_600)
  expect(lane.peek(3_499)).toBeUndefined()
  expect(texts(takeAll(lane, 3_500))).toEqual(['one'])
  expect(fates).toEqual([])
})

test('the server may ask for a longer pause', () => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('5.1', refusal('rate-limited', { retryAfterMs: 7_000 }), 0)
  expect(lane.peek(6_999)).toBeUndefined()
  expect(lane.peek(7_000)).toBeDefined()
})

test('a letter that is refused for good ends the epoch: it and what followed have not arrived, what was before may have', () => {
  const { lane, fates, post } = openLane()
  for (const text of ['one', 'two', 'three']) post(text)
  takeAll(lane, 0)
  post('four')
  lane.refuse('5.2', refusal('forbidden', { hint: 'Ask.', outcome: 'not-delivered' }), 0)
  expect(fates).toEqual([
    ['one', 'forbidden unknown'],
    ['two', 'forbidden not-delivered'],
    ['three', 'forbidden not-delivered'],
  ])
  expect(texts(takeAll(lane, 0))).toEqual(['four'])
})

test('a letter that was sent again and is refused for good may have arrived the first time, whatever the server knows of the last', () => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  takeAll(lane, 1_000)
  lane.refuse('5.1', refusal('forbidden', { outcome: 'not-delivered' }), 1_000)
  expect(fates).toEqual([['one', 'forbidden unknown']])
})

test.each(['', '5', '5.9', '6.1', '5.1.1.1', 'x.y', '5.-1', '__proto__.1'])(
  'a refusal of “%s”, which nothing is called, refuses nothing',
  (name) => {
    const { lane, fates, post } = openLane()
    if (name !== '5.1.1.1') post('one')
    takeAll(lane, 0)
    lane.refuse(name, refusal('forbidden'), 0)
    lane.refuse(name, refusal('queue-full'), 0)
    expect(fates).toEqual([])
  },
)

test('a receipt says nothing to a stream', () => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.written('5.1')
  expect(fates).toEqual([])
})

test('after 30 seconds what flew is unknown, and what waited has not arrived', () => {
  const { lane, fates, post } = openLane()
  post('flies')
  takeAll(lane, 0)
  lane.present('away', 1)
  post('waits', 1)
  lane.expire(29_999)
  expect(fates).toEqual([])
  lane.expire(30_001)
  expect(fates).toEqual([
    ['flies', 'timed-out unknown'],
    ['waits', 'timed-out not-delivered'],
  ])
})

test('at the end everything is settled with the reason, as far as it is known', () => {
  const { lane, fates, post } = openLane()
  post('flies')
  takeAll(lane, 0)
  lane.connect('shut', 0)
  post('waits')
  lane.end(new AldisError('peer-closed', 'Gone.'))
  expect(fates).toEqual([
    ['flies', 'peer-closed unknown'],
    ['waits', 'peer-closed not-delivered'],
  ])
})

test('of what waits no more is taken than there is room for, and the rest is told at once', () => {
  const { lane, fates, post } = openLane()
  lane.connect('shut', 0)
  for (let n = 0; n < WAITING_MAX; n += 1) post(String(n))
  expect(fates).toEqual([])
  post('too many')
  expect(fates).toEqual([['too many', 'queue-full not-delivered']])
})

test.each<[string, (lane: Lane) => void, (lane: Lane) => void]>([
  ['the connection', (lane) => lane.connect('shut', 100), (lane) => lane.connect('open', 600)],
  ['the peer', (lane) => lane.present('away', 100), (lane) => lane.present('here', 600)],
])('while %s is away nothing goes, and everything unacknowledged goes at once on its return', (_, away, back) => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  away(lane)
  post('two', 200)
  expect(lane.peek(9_000)).toBeUndefined()
  expect(lane.nextAt(9_000)).toBe(30_000)
  back(lane)
  expect(texts(takeAll(lane, 600))).toEqual(['one', 'two'])
})

test('one of the two being back is not enough', () => {
  const { lane, post } = openLane()
  lane.connect('shut', 0)
  lane.present('away', 0)
  post('one')
  lane.connect('open', 10)
  expect(lane.peek(10)).toBeUndefined()
  lane.connect('shut', 20)
  lane.present('here', 20)
  expect(lane.peek(20)).toBeUndefined()
  lane.connect('open', 30)
  expect(lane.peek(30)).toBeDefined()
})

test('a connection that takes over from one that stood sends everything again', () => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.connect('open', 10)
  expect(texts(takeAll(lane, 10))).toEqual(['one'])
})

test('a peer that is still here changes nothing', () => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.present('here', 10)
  expect(lane.peek(10)).toBeUndefined()
})

test('a connection that is over has nothing to forget: its numbers say that it is', () => {
  const { lane, fates, post } = openLane()
  post('one')
  lane.forget()
  expect(texts(takeAll(lane, 0))).toEqual(['one'])
  expect(fates).toEqual([])
})
