import { expect, test } from 'vitest'
import { AldisError } from '../src/errors.ts'
import { type ErrorCode, type ErrorMessage, RETRYABLE_CODES, type Relayed } from '../src/generated/wire.ts'
import { PlainLane } from '../src/plain-lane.ts'
import { type Fates, letter, takeAll, texts } from './support/letters.ts'

/** A lane whose way is open. */
function openLane(): { lane: PlainLane; fates: Fates; post: (text: string, now?: number) => void } {
  const lane = new PlainLane('raw', '7.')
  lane.connect('open', 0)
  const fates: Fates = []
  return { lane, fates, post: (text, now = 0) => lane.post(letter(fates, text), now) }
}

function refusal(code: ErrorCode, details: Partial<ErrorMessage> = {}): ErrorMessage {
  return { type: 'error', code, message: 'No.', ...details }
}

test('a letter goes as it is, with a name, and asks for a receipt', () => {
  const { lane } = openLane()
  lane.post({ parcel: { type: 'offer', sdp: 'v=0', x: { own: 1 } }, bytes: 10, settle: () => undefined }, 0)
  lane.post({ parcel: { type: 'restart' }, bytes: 10, settle: () => undefined }, 0)
  expect(takeAll(lane, 0)).toEqual([
    { type: 'offer', sdp: 'v=0', x: { own: 1 }, to: 'raw', msg: '7.1', receipt: true },
    { type: 'restart', to: 'raw', msg: '7.2', receipt: true },
  ])
})

test('the receipt settles it, whatever order receipts come in', () => {
  const { lane, fates, post } = openLane()
  post('one')
  post('two')
  takeAll(lane, 0)
  lane.written('2')
  lane.written('2')
  lane.written('3')
  lane.written('1')
  expect(fates).toEqual([
    ['two', 'delivered'],
    ['one', 'delivered'],
  ])
  expect(lane.nextAt(0)).toBeUndefined()
})

test('it is sent once, however long the receipt takes', () => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  expect(lane.peek(35_999)).toBeUndefined()
})

test.each(RETRYABLE_CODES)('a letter refused with %s is sent again after a second, before those that follow', (code) => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('1', refusal(code, { outcome: 'not-delivered' }), 500)
  post('two')
  expect(lane.peek(1_499)).toBeUndefined()
  expect(lane.nextAt(500)).toBe(1_500)
  expect(texts(takeAll(lane, 1_500))).toEqual(['one', 'two'])
  expect(fates).toEqual([])
})

test.each([
  [2_500, 2_500],
  [3, 1_000],
])('where the server asks for a pause of %i ms it is one of %i', (retryAfterMs, pause) => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('1', refusal('rate-limited', { retryAfterMs }), 0)
  expect(lane.peek(pause - 1)).toBeUndefined()
  expect(lane.peek(pause)).toBeDefined()
})

test('the return of the peer ends its pause, and its going changes nothing: the server keeps messages for it', () => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('1', refusal('unknown-peer'), 0)
  lane.present('away', 10)
  expect(lane.peek(10)).toBeUndefined()
  lane.present('here', 20)
  expect(texts(takeAll(lane, 20))).toEqual(['one'])
  lane.present('away', 30)
  post('two', 30)
  expect(texts(takeAll(lane, 30))).toEqual(['two'])
})

test('what may have arrived is not sent again, whatever the code', () => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('1', refusal('unavailable', { outcome: 'unknown' }), 0)
  expect(fates).toEqual([['one', 'unavailable unknown']])
  expect(lane.peek(60_000)).toBeUndefined()
})

test.each(['too-large', 'bad-envelope', 'forbidden', 'peer-gone'] as const)('%s refuses this letter and no other', (code) => {
  const { lane, fates, post } = openLane()
  post('one')
  post('two')
  takeAll(lane, 0)
  lane.refuse('1', refusal(code), 0)
  expect(fates).toEqual([['one', `${code} not-delivered`]])
  lane.written('2')
  expect(fates.slice(1)).toEqual([['two', 'delivered']])
})

test.each(['', '0', '3', '1.1'])('a refusal of “%s”, which nothing is called, refuses nothing', (name) => {
  const { lane, fates, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse(name, refusal('forbidden'), 0)
  expect(fates).toEqual([])
})

test('what was on the way when the connection broke may have arrived and is given up; what still waited goes on the next one', () => {
  const { lane, fates, post } = openLane()
  post('sent')
  takeAll(lane, 0)
  post('waits')
  lane.connect('shut', 100)
  expect(fates).toEqual([['sent', 'timed-out unknown']])
  expect(lane.peek(100)).toBeUndefined()
  lane.connect('open', 200)
  expect(texts(takeAll(lane, 200))).toEqual(['waits'])
})

test('a new connection ends the pause', () => {
  const { lane, post } = openLane()
  post('one')
  takeAll(lane, 0)
  lane.refuse('1', refusal('unknown-peer', { retryAfterMs: 20_000 }), 0)
  lane.connect('shut', 10)
  lane.connect('open', 20)
  expect(texts(takeAll(lane, 20))).toEqual(['one'])
})

test('what waits for 30 seconds has not arrived, and what has no receipt within 36 is unknown', () => {
  const { lane, fates, post } = openLane()
  post('sent')
  takeAll(lane, 0)
  lane.refuse('1', refusal('queue-full', { retryAfterMs: 60_000 }), 0)
  expect(lane.nextAt(0)).toBe(30_000)
  lane.expire(29_999)
  expect(fates).toEqual([])
  lane.expire(30_000)
  expect(fates).toEqual([['sent', 'timed-out not-delivered']])
  lane.connect('open', 40_000)
  post('lost', 40_000)
  takeAll(lane, 50_000)
  lane.expire(85_999)
  expect(fates).toHaveLength(1)
  lane.expire(86_000)
  expect(fates.slice(1)).toEqual([['lost', 'timed-out unknown']])
  expect(lane.nextAt(86_000)).toBeUndefined()
})

test('at the end everything is settled with the reason, as far as it is known', () => {
  const { lane, fates, post } = openLane()
  post('sent')
  takeAll(lane, 0)
  post('waits')
  lane.end(new AldisError('peer-closed', 'Gone.'))
  expect(fates).toEqual([
    ['waits', 'peer-closed not-delivered'],
    ['sent', 'peer-closed unknown'],
  ])
})

test('of what waits no more is taken than 256, and the rest is told at once', () => {
  const { fates, post } = openLane()
  for (let n = 0; n < 256; n += 1) post(String(n))
  expect(fates).toEqual([])
  post('too many')
  expect(fates).toEqual([['too many', 'queue-full not-delivered']])
})

test('of a connection that is over nothing more is said, except what the application says', () => {
  const { lane, fates, post } = openLane()
  const said: string[] = []
  lane.post({ parcel: { type: 'restart' }, bytes: 10, settle: () => said.push('restart') }, 0)
  post('hello')
  lane.forget()
  expect(texts(takeAll(lane, 0))).toEqual(['hello'])
  lane.written('2')
  expect(fates).toEqual([['hello', 'delivered']])
})

test('whatever the peer says is handed on, and never acknowledged', () => {
  const { lane } = openLane()
  const message: Relayed = { type: 'message', from: 'raw', data: 1, x: { s: { e: 1, n: 1 }, a: { e: 1, n: 1 } } }
  expect(lane.receive(message)).toEqual([message])
  expect(lane.receive(message)).toEqual([message])
  expect(lane.takeAck()).toBeUndefined()
})
