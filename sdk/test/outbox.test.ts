import { expect, test } from 'vitest'
import type { AldisError } from '../src/errors.ts'
import { type ClientLimits, type ErrorCode, type ErrorMessage, RETRYABLE_CODES, type Signal } from '../src/generated/wire.ts'
import { Outbox } from '../src/outbox.ts'
import { FakeClock } from './support/clock.ts'
import { welcome } from './support/server.ts'

const generous = welcome().limits

/** An outbox whose peers recognise what they have seen, except those called `raw…`. */
class Post {
  readonly clock = new FakeClock()
  readonly sent: Signal[] = []
  readonly refused: { peer: string; error: AldisError }[] = []
  line: 'cut' | 'up' = 'up'
  readonly outbox: Outbox = new Outbox({
    clock: this.clock,
    send: (signal) => {
      if (this.line === 'up') this.sent.push(signal)
      return this.line === 'up'
    },
    recognises: (peer) => !peer.startsWith('raw'),
    refused: (peer, error) => this.refused.push({ peer, error }),
  })

  /** What went out since the last time, as `to:text`. */
  out(): string[] {
    return this.sent.splice(0).map((signal) => `${signal.to}:${signal.type === 'offer' ? signal.sdp : signal.type}`)
  }

  post(to: string, sdp: string): void {
    this.outbox.post(to, { type: 'offer', sdp })
  }

  refuse(re: string, code: ErrorCode, details: Partial<ErrorMessage> = {}): boolean {
    return this.outbox.refuse({ type: 'error', code, message: 'No.', re, ...details })
  }
}

function openPost(limits: Partial<ClientLimits> = {}): Post {
  const post = new Post()
  post.outbox.open({ ...generous, ...limits }, 0)
  return post
}

test('a signal goes out at once, with a name of its own and the wish for a receipt', () => {
  const post = openPost()
  post.outbox.post('a', { type: 'restart' })
  post.outbox.post('b', { type: 'offer', sdp: 'v=0', x: { g: 1 } })
  expect(post.sent).toEqual([
    { type: 'restart', to: 'a', msg: '1', receipt: true },
    { type: 'offer', sdp: 'v=0', x: { g: 1 }, to: 'b', msg: '2', receipt: true },
  ])
})

test('what is posted before there is a connection waits for it, in order', () => {
  const post = new Post()
  post.post('a', '1')
  post.post('b', '2')
  expect(post.out()).toEqual([])
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual(['a:1', 'b:2'])
})

test('beyond the pace signals wait, in order, and go as the pace allows', async () => {
  const post = openPost({ messagesPerSecond: 10, messageBurst: 2 })
  for (const text of '1234') post.post('a', text)
  expect(post.out()).toEqual(['a:1'])
  for (const [wait, next] of [
    [23, 'a:2'],
    [111, 'a:3'],
    [111, 'a:4'],
  ] as const) {
    await post.clock.advance(wait - 1)
    expect(post.out()).toEqual([])
    await post.clock.advance(1)
    expect(post.out()).toEqual([next])
  }
  expect(post.clock.planned).toBe(0)
})

test('the burst grows with the room', () => {
  const post = new Post()
  post.outbox.open({ ...generous, messageBurst: 1, messageBurstPerPeer: 1 }, 9)
  for (let n = 0; n < 20; n += 1) post.post('a', String(n))
  expect(post.out()).toHaveLength(9)
})

test('a large signal waits for its bytes, and nothing to the same peer overtakes it', async () => {
  const post = openPost({ bytesPerSecond: 1_000, byteBurst: 2_000 })
  post.post('a', 'x'.repeat(1_500))
  post.post('a', 'y'.repeat(1_500))
  post.post('a', 'z')
  expect(post.out()).toHaveLength(1)
  await post.clock.advance(2_000)
  expect(post.out().map((line) => line.slice(0, 3))).toEqual(['a:y', 'a:z'])
})

test('a receipt settles a signal: it is never sent again', () => {
  const post = openPost()
  post.post('a', '1')
  post.post('a', '2')
  post.outbox.settle('1')
  post.out()
  post.outbox.close()
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual(['a:2'])
})

test('after a broken connection, what has no receipt is sent again only to peers that recognise it', () => {
  const post = openPost()
  post.post('a', '1')
  post.post('raw', '2')
  post.out()
  post.outbox.close()
  post.post('raw', '3')
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual(['a:1', 'raw:3'])
  post.outbox.settle('1')
  post.outbox.settle('3')
  post.outbox.close()
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual([])
})

test('a signal that the connection did not take stays queued', () => {
  const post = openPost()
  post.line = 'cut'
  post.post('raw', '1')
  post.outbox.close()
  post.line = 'up'
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual(['raw:1'])
})

test('a connection that breaks ends the wait for the pace', async () => {
  const post = openPost({ messagesPerSecond: 1, messageBurst: 2 })
  post.post('a', '1')
  post.post('a', '2')
  expect(post.clock.planned).toBe(1)
  post.outbox.close()
  expect(post.clock.planned).toBe(0)
  await post.clock.advance(60_000)
  expect(post.out()).toEqual(['a:1'])
})

test.each(RETRYABLE_CODES)('a signal refused with %s is kept, and sent again after a second', async (code) => {
  const post = openPost()
  post.post('a', '1')
  post.out()
  expect(post.refuse('1', code, { outcome: 'not-delivered' })).toBe(true)
  await post.clock.advance(999)
  expect(post.out()).toEqual([])
  await post.clock.advance(1)
  expect(post.out()).toEqual(['a:1'])
  expect(post.refused).toEqual([])
})

test('the server may ask for a longer pause, not for a shorter one', async () => {
  const post = openPost()
  post.post('a', '1')
  post.post('b', '2')
  post.out()
  post.refuse('1', 'rate-limited', { retryAfterMs: 2_500 })
  post.refuse('2', 'rate-limited', { retryAfterMs: 3 })
  await post.clock.advance(999)
  expect(post.out()).toEqual([])
  await post.clock.advance(1)
  expect(post.out()).toEqual(['b:2'])
  await post.clock.advance(1_499)
  expect(post.out()).toEqual([])
  await post.clock.advance(1)
  expect(post.out()).toEqual(['a:1'])
})

test('while a peer is paused its signals keep their order, and other peers’ go on', async () => {
  const post = openPost()
  post.post('a', '1')
  post.out()
  post.refuse('1', 'queue-full')
  post.post('a', '2')
  post.post('b', '3')
  expect(post.out()).toEqual(['b:3'])
  await post.clock.advance(1_000)
  expect(post.out()).toEqual(['a:1', 'a:2'])
})

test('a second refusal makes the pause begin anew', async () => {
  const post = openPost()
  post.post('a', '1')
  post.post('a', '2')
  post.out()
  post.refuse('1', 'queue-full')
  await post.clock.advance(600)
  post.refuse('2', 'queue-full')
  await post.clock.advance(999)
  expect(post.out()).toEqual([])
  await post.clock.advance(1)
  expect(post.out()).toEqual(['a:1', 'a:2'])
  expect(post.clock.planned).toBe(0)
})

test('the return of a peer ends its pause', () => {
  const post = openPost()
  post.post('a', '1')
  post.out()
  post.refuse('1', 'unknown-peer')
  post.outbox.resume('a')
  expect(post.out()).toEqual(['a:1'])
  expect(post.clock.planned).toBe(0)
})

test('what may have arrived is not sent again by itself: whoever posted it is told', () => {
  const post = openPost()
  post.post('a', '1')
  expect(post.refuse('1', 'unavailable', { outcome: 'unknown' })).toBe(true)
  expect(post.refused).toMatchObject([{ peer: 'a', error: { code: 'unavailable', retryable: true } }])
})

test.each(['too-large', 'bad-envelope', 'unknown-type', 'too-deep'] as const)('%s refuses this signal and no other', (code) => {
  const post = openPost({ messagesPerSecond: 10, messageBurst: 2 })
  post.post('a', '1')
  post.post('a', '2')
  post.refuse('1', code, { hint: 'Mend it.' })
  expect(post.refused).toMatchObject([{ peer: 'a', error: { code, message: 'No.', hint: 'Mend it.' } }])
  post.outbox.close()
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual(['a:1', 'a:2'])
})

test.each(['peer-gone', 'forbidden'] as const)('%s ends everything that waits for this peer', (code) => {
  const post = openPost()
  post.post('a', '1')
  post.post('a', '2')
  post.post('b', '3')
  post.out()
  post.refuse('1', code)
  expect(post.refused).toMatchObject([{ peer: 'a', error: { code } }])
  post.outbox.close()
  post.outbox.open(generous, 0)
  expect(post.out()).toEqual(['b:3'])
})

test.each<[string, string | undefined]>([
  ['no signal', undefined],
  ['a signal of somebody else', '99'],
  ['a signal that was settled', '1'],
])('an error about %s is not the outbox’s', (_, re) => {
  const post = openPost()
  post.post('a', '1')
  post.outbox.settle('1')
  const error: ErrorMessage = { type: 'error', code: 'too-large', message: 'No.', ...(re !== undefined && { re }) }
  expect(post.outbox.refuse(error)).toBe(false)
  expect(post.refused).toEqual([])
})

test('a peer that is forgotten gets nothing more, and its pause ends', async () => {
  const post = openPost()
  post.post('a', '1')
  post.out()
  post.refuse('1', 'queue-full')
  post.post('a', '2')
  post.outbox.forget('a')
  expect(post.clock.planned).toBe(0)
  await post.clock.advance(10_000)
  expect(post.out()).toEqual([])
})

test('clearing leaves neither signals nor timers, and the outbox goes on', async () => {
  const post = openPost()
  post.post('a', '1')
  post.post('b', '2')
  post.out()
  post.refuse('1', 'queue-full')
  post.refuse('2', 'queue-full')
  post.outbox.clear()
  expect(post.clock.planned).toBe(0)
  post.post('a', '3')
  expect(post.out()).toEqual(['a:3'])
})

test('of more than 256 that wait for a peer the oldest makes room', () => {
  const post = new Post()
  for (let n = 0; n < 258; n += 1) post.post('a', String(n))
  post.outbox.open({ ...generous, messageBurst: 1e6, byteBurst: 1e9 }, 0)
  const out = post.out()
  expect(out).toHaveLength(256)
  expect(out.at(0)).toBe('a:2')
  expect(out.at(-1)).toBe('a:257')
})

test('what was sent and waits for its receipt makes no room: the oldest that is still queued does, and its sender is told', () => {
  const post = openPost()
  post.post('a', 'sent')
  post.line = 'cut'
  for (let n = 0; n <= 256; n += 1) post.post('a', String(n))
  expect(post.refused).toMatchObject([{ peer: 'a', error: { code: 'queue-full', retryable: true } }])
  expect(post.refuse('1', 'too-large')).toBe(true)
  post.outbox.close()
  post.line = 'up'
  post.outbox.open(generous, 0)
  expect(post.out().at(1)).toBe('a:1')
})
