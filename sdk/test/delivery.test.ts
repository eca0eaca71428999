import { expect, test } from 'vitest'
import { Delivery } from '../src/delivery.ts'
import { AldisError } from '../src/errors.ts'
import type { ClientLimits, ErrorCode, ErrorMessage, JsonObject, Relayed, Signal } from '../src/generated/wire.ts'
import { FakeClock } from './support/clock.ts'
import { type Fates, texts } from './support/letters.ts'
import { at } from './support/lists.ts'
import { outcome } from './support/outcome.ts'
import { welcome, wirePeer } from './support/server.ts'

const generous: ClientLimits = { ...welcome().limits, messageBurst: 1e6, byteBurst: 1e9 }

const left = (): AldisError => new AldisError('peer-closed', 'Gone.')

/** Deliveries to the peers that it is made with; those called `raw…` speak no streams. */
class Post {
  readonly clock = new FakeClock()
  readonly sent: Signal[] = []
  readonly fates: Fates = []
  readonly heard: unknown[] = []
  line: 'cut' | 'up' = 'up'
  visibility: 'hidden' | 'visible' = 'visible'
  readonly delivery: Delivery = new Delivery({
    clock: this.clock,
    random: () => 0.5,
    isHidden: () => this.visibility === 'hidden',
    send: (signal) => {
      if (this.line === 'up') this.sent.push(signal)
      return this.line === 'up'
    },
  })

  constructor(...ids: string[]) {
    for (const id of ids) this.delivery.add(wirePeer(id, { features: id.startsWith('raw') ? [] : ['streams'] }))
  }

  open(limits: Partial<ClientLimits> = {}): this {
    this.delivery.open({ ...generous, ...limits }, 0)
    return this
  }

  /** Posts a text whose fate is noted. */
  post(to: string, text: string): void {
    this.delivery.post(to, { type: 'message', data: text }, (failure) => {
      this.fates.push([text, failure ? `${failure.code} ${failure.outcome}` : 'delivered'])
    })
  }

  /** What went out since the last time, as `to:text`. */
  out(): string[] {
    return this.sent.splice(0).map((signal) => `${signal.to}:${texts([signal])}`)
  }

  /** A peer acknowledges everything up to what was last sent to it. */
  acknowledge({ to = '', x }: Signal): void {
    const { s } = x as { s: JsonObject }
    this.delivery.receive({ type: 'ack', from: to, x: { a: s } }, () => undefined)
  }

  hear(from: string, text: string, n: number, e = 9): void {
    const message: Relayed = { type: 'message', from, data: text, x: { s: { e, n } } }
    this.delivery.receive(message, (due) => this.heard.push(...texts([due])))
  }

  refuse(re: string | undefined, code: ErrorCode, details: Partial<ErrorMessage> = {}): boolean {
    return this.delivery.refuse({ type: 'error', code, message: 'No.', ...(re !== undefined && { re }), ...details })
  }
}

// On the way

test('what is posted before there is a connection waits for it, in order', () => {
  const post = new Post('a', 'raw')
  post.post('a', '1')
  post.post('raw', '2')
  post.post('a', '3')
  expect(post.out()).toEqual([])
  post.open()
  expect(post.out()).toEqual(['a:1', 'raw:2', 'a:3'])
})

test('names say whose lane a message is of, so that what is said of one harms no other', () => {
  const post = new Post('a', 'b', 'raw').open()
  for (const id of ['a', 'b', 'raw']) post.post(id, id)
  expect(post.sent.map(({ msg }) => msg)).toEqual(['1.2147483648.1', '2.2147483648.1', '3.1'])
  expect(post.refuse('2.2147483648.1', 'too-large')).toBe(true)
  expect(post.fates).toEqual([['b', 'too-large not-delivered']])
})

test.each([undefined, '', '9.1', '1', 'x', '01.1', '1 .1', '-1.1'])(
  'an error about “%s”, which is none of a lane’s, is somebody else’s',
  (re) => {
    const post = new Post('a').open()
    post.post('a', '1')
    expect(post.refuse(re, 'forbidden')).toBe(re === '1')
    expect(post.fates).toEqual([])
  },
)

test('an error about a message of somebody who has left is somebody else’s', () => {
  const post = new Post('a').open()
  post.post('a', '1')
  const { msg } = at(post.sent, 0)
  post.delivery.remove('a', left())
  expect(post.refuse(msg, 'peer-gone')).toBe(false)
})

test('peers take turns, so that none keeps the others waiting', async () => {
  const post = new Post('a', 'b', 'c').open({ messagesPerSecond: 10, messageBurst: 0 })
  post.delivery.open({ ...generous, messagesPerSecond: 10, messageBurst: 10 }, 0)
  for (let n = 1; n <= 20; n += 1) post.post('a', String(n))
  for (const id of ['b', 'c']) for (const n of '12') post.post(id, n)
  expect(post.out()).toHaveLength(9)
  await post.clock.advance(1_000)
  expect(post.out().slice(0, 6)).toEqual(['b:1', 'c:1', 'a:10', 'b:2', 'c:2', 'a:11'])
})

test('beyond the pace messages wait, in order, and go as it allows', async () => {
  const post = new Post('raw').open({ messagesPerSecond: 10, messageBurst: 2 })
  for (const text of '1234') post.post('raw', text)
  expect(post.out()).toEqual(['raw:1'])
  for (const [wait, next] of [
    [23, 'raw:2'],
    [111, 'raw:3'],
    [111, 'raw:4'],
  ] as const) {
    await post.clock.advance(wait - 1)
    expect(post.out()).toEqual([])
    await post.clock.advance(1)
    expect(post.out()).toEqual([next])
  }
})

test('the burst grows with the room', () => {
  const post = new Post('a')
  for (let n = 0; n < 20; n += 1) post.post('a', String(n))
  post.delivery.open({ ...generous, messageBurst: 1, messageBurstPerPeer: 1 }, 9)
  expect(post.out()).toHaveLength(9)
})

test('a large message waits for its bytes, and nothing overtakes it', async () => {
  const post = new Post('raw').open({ bytesPerSecond: 1_000, byteBurst: 3_000 })
  for (const text of ['x'.repeat(2_000), 'y'.repeat(2_000), 'z']) post.post('raw', text)
  expect(post.out()).toHaveLength(1)
  await post.clock.advance(900)
  expect(post.out()).toEqual([])
  await post.clock.advance(3_000)
  expect(post.out().map((line) => line.slice(0, 5))).toEqual(['raw:y', 'raw:z'])
})

// Acknowledgements

test('what comes is handed on in order and once, and acknowledged after 50 ms', async () => {
  const post = new Post('a').open()
  post.hear('a', '2', 2)
  post.hear('a', '1', 1)
  post.hear('a', '1', 1)
  expect(post.heard).toEqual(['1', '2'])
  await post.clock.advance(49)
  expect(post.sent).toEqual([])
  await post.clock.advance(1)
  expect(post.sent).toEqual([{ type: 'ack', to: 'a', x: { a: { e: 9, n: 2 } } }])
  expect(post.clock.planned).toBe(0)
})

test('the sixteenth message is acknowledged at once', () => {
  const post = new Post('a').open()
  for (let n = 1; n <= 16; n += 1) post.hear('a', String(n), n)
  expect(post.sent).toMatchObject([{ type: 'ack', x: { a: { n: 16 } } }])
})

test('a hidden page acknowledges at once', () => {
  const post = new Post('a').open()
  post.visibility = 'hidden'
  post.hear('a', '1', 1)
  expect(post.sent).toMatchObject([{ type: 'ack', x: { a: { n: 1 } } }])
})

test('an acknowledgement does not wait for the pace', async () => {
  const post = new Post('a', 'b').open({ messagesPerSecond: 0.1, messageBurst: 2 })
  for (const text of '123') post.post('b', text)
  expect(post.out()).toEqual(['b:1'])
  post.hear('a', '1', 1)
  await post.clock.advance(50)
  expect(post.out()).toEqual(['a:ack'])
})

test('what is too late is told in time, whatever the pace', async () => {
  const post = new Post('a', 'raw').open({ messagesPerSecond: 0.001, messageBurst: 2 })
  for (const text of '12') post.post('raw', text)
  post.post('a', '3')
  await post.clock.advance(30_000)
  expect(new Map(post.fates)).toEqual(
    new Map([
      ['2', 'timed-out not-delivered'],
      ['3', 'timed-out not-delivered'],
    ]),
  )
})

test('what was handled is acknowledged, and what was not is not', () => {
  const post = new Post('a').open()
  post.visibility = 'hidden'
  const order: string[] = []
  const message: Relayed = { type: 'message', from: 'a', data: 1, x: { s: { e: 9, n: 1 } } }
  post.delivery.receive(message, () => order.push(`handled, ${post.sent.length} sent`))
  expect(order).toEqual(['handled, 0 sent'])
  expect(post.sent).toHaveLength(1)
})

test('of somebody who is not there nothing is handled', () => {
  const post = new Post('a').open()
  post.hear('x', '1', 1)
  expect(post.heard).toEqual([])
  expect(post.clock.planned).toBe(0)
})

// What becomes of messages

test('what is not acknowledged is sent again after 1, 2, 4 and 8 seconds, and is late after 30', async () => {
  const post = new Post('a').open()
  post.post('a', '1')
  const times: number[] = []
  for (let ms = 0; ms < 31_000; ms += 500) {
    if (post.out().length > 0) times.push(post.clock.now())
    await post.clock.advance(500)
  }
  expect(times).toEqual([0, 1_000, 3_000, 7_000, 15_000, 23_000])
  expect(post.fates).toEqual([['1', 'timed-out unknown']])
  expect(post.clock.planned).toBe(0)
})

test('an acknowledgement settles it, and it is never sent again', async () => {
  const post = new Post('a').open()
  post.post('a', '1')
  post.acknowledge(at(post.sent, 0))
  expect(post.fates).toEqual([['1', 'delivered']])
  expect(post.clock.planned).toBe(0)
})

test('to a peer that is away nothing is sent, and everything at once when it is back', async () => {
  const post = new Post('a', 'b').open()
  post.post('a', '1')
  post.out()
  post.delivery.present('a', 'away')
  post.post('a', '2')
  post.post('b', '3')
  await post.clock.advance(20_000)
  expect(new Set(post.out())).toEqual(new Set(['b:3']))
  post.delivery.present('a', 'here')
  expect(post.out()).toEqual(['a:1', 'a:2'])
})

test('a peer that joins away is written to when it is back', () => {
  const post = new Post().open()
  post.delivery.add(wirePeer('a', { presence: 'away' }))
  post.post('a', '1')
  expect(post.out()).toEqual([])
  post.delivery.present('a', 'here')
  expect(post.out()).toEqual(['a:1'])
})

test('after a broken connection everything unacknowledged goes again at once, and to raw peers only what was not sent', () => {
  const post = new Post('a', 'raw').open()
  for (const [to, text] of [
    ['a', '1'],
    ['a', '2'],
    ['raw', '3'],
  ] as const)
    post.post(to, text)
  post.acknowledge(at(post.sent, 0))
  post.out()
  post.delivery.close()
  expect(post.fates.slice(1)).toEqual([['3', 'timed-out unknown']])
  post.post('raw', '4')
  expect(post.out()).toEqual([])
  post.open()
  expect(post.out()).toEqual(['a:2', 'raw:4'])
})

test('without a connection deadlines go on', async () => {
  const post = new Post('a', 'raw').open()
  post.post('a', '1')
  post.delivery.close()
  post.post('a', '2')
  post.post('raw', '3')
  await post.clock.advance(30_000)
  expect(new Map(post.fates)).toEqual(
    new Map([
      ['1', 'timed-out unknown'],
      ['2', 'timed-out not-delivered'],
      ['3', 'timed-out not-delivered'],
    ]),
  )
  expect(post.clock.planned).toBe(0)
})

test('a letter to a raw peer that is refused again and again is late after 30 seconds', async () => {
  const post = new Post('raw').open()
  post.post('raw', '1')
  for (let n = 0; n < 60 && post.fates.length === 0; n += 1) {
    for (const { msg } of post.sent.splice(0)) post.refuse(msg, 'unknown-peer', { outcome: 'not-delivered' })
    await post.clock.advance(1_000)
  }
  expect(post.fates).toEqual([['1', 'timed-out not-delivered']])
  expect(post.clock.now()).toBeLessThanOrEqual(31_000)
})

test('a refusal that may pass is tried again after a second, and others’ messages go on', async () => {
  const post = new Post('a', 'raw', 'b').open()
  post.post('a', '1')
  post.post('raw', '2')
  for (const { msg } of post.sent.splice(0)) post.refuse(msg, 'queue-full')
  post.post('b', '3')
  expect(post.out()).toEqual(['b:3'])
  await post.clock.advance(999)
  expect(post.out()).toEqual([])
  await post.clock.advance(1)
  expect(post.out()).toContain('raw:2')
  expect(post.fates).toEqual([])
})

test('a peer that leaves settles everything, and what is posted after that has not arrived', () => {
  const post = new Post('a', 'raw').open()
  for (const id of ['a', 'raw']) {
    post.post(id, `${id} sent`)
    post.delivery.remove(id, left())
    post.post(id, `${id} late`)
  }
  expect(post.fates).toEqual([
    ['a sent', 'peer-closed unknown'],
    ['a late', 'peer-closed not-delivered'],
    ['raw sent', 'peer-closed unknown'],
    ['raw late', 'peer-closed not-delivered'],
  ])
})

test('what still waits for a peer that leaves has not arrived', () => {
  const post = new Post('a', 'raw')
  for (const id of ['a', 'raw']) {
    post.post(id, id)
    post.delivery.remove(id, left())
  }
  expect(post.fates).toEqual([
    ['a', 'peer-closed not-delivered'],
    ['raw', 'peer-closed not-delivered'],
  ])
})

test('at the end everything is settled, nothing is planned, and nothing goes any more', async () => {
  const post = new Post('a', 'raw').open()
  post.post('a', '1')
  post.post('raw', '2')
  post.hear('a', 'theirs', 1)
  post.out()
  post.delivery.clear(new AldisError('left', 'Left.'))
  expect(post.fates).toEqual([
    ['1', 'left unknown'],
    ['2', 'left unknown'],
  ])
  expect(post.clock.planned).toBe(0)
  post.post('a', '3')
  expect(post.out()).toEqual([])
})

test('a peer that comes back under its id goes on with its stream: nothing is heard twice, and nothing settles what is over', () => {
  const post = new Post('a').open()
  post.hear('a', 'one', 1)
  post.post('a', '1')
  const old = at(post.sent.splice(0), 0)
  post.delivery.remove('a', left())
  post.hear('a', 'two', 2)
  post.delivery.add(wirePeer('a'))
  post.post('a', '2')
  post.acknowledge(old)
  expect(post.refuse(old.msg, 'forbidden')).toBe(true)
  expect(post.fates).toEqual([['1', 'peer-closed unknown']])
  post.hear('a', 'one', 1)
  post.hear('a', 'two', 2)
  expect(post.heard).toEqual(['one', 'two'])
})

test('after the end even a peer of the same id has a stream of its own', () => {
  const post = new Post('a').open()
  post.hear('a', 'one', 1)
  post.post('a', '1')
  const old = at(post.sent.splice(0), 0)
  post.delivery.clear(left())
  post.delivery.add(wirePeer('a'))
  post.open()
  post.post('a', '2')
  expect(at(post.sent, 0).msg).not.toBe(old.msg)
  expect(post.refuse(old.msg, 'forbidden')).toBe(false)
  post.hear('a', 'another one', 1)
  expect(post.heard).toEqual(['one', 'another one'])
})

// From within

test('what is posted while something is settled goes out, in every case', async () => {
  const post = new Post('a', 'raw').open()
  const again = (to: string, text: string): void => {
    post.delivery.post(to, { type: 'message', data: text }, () => post.post(to, `after ${text}`))
  }
  again('a', 'acknowledged')
  post.acknowledge(at(post.sent, 0))
  expect(post.out()).toContain('a:after acknowledged')
  again('a', 'refused')
  post.refuse(at(post.sent, -1).msg, 'too-large')
  expect(post.out()).toContain('a:after refused')
  again('raw', 'written')
  post.delivery.written({ type: 'receipt', re: at(post.sent, -1).msg ?? '', status: 'written' })
  expect(post.out()).toContain('raw:after written')
  again('a', 'late')
  await post.clock.advance(30_000)
  expect(post.out()).toContain('a:after late')
  again('raw', 'broken')
  post.delivery.close()
  post.open()
  expect(post.out()).toContain('raw:after broken')
  again('a', 'left')
  post.delivery.remove('a', left())
  expect(post.fates.at(-1)).toEqual(['after left', 'peer-closed not-delivered'])
})

test('whoever closes everything while a message is handled ends it', () => {
  const post = new Post('a', 'b').open()
  post.post('b', '1')
  const message: Relayed = { type: 'message', from: 'a', data: 1, x: { s: { e: 9, n: 1 } } }
  post.delivery.receive(message, () => post.delivery.clear(left()))
  expect(post.fates).toEqual([['1', 'peer-closed unknown']])
  expect(post.clock.planned).toBe(0)
})

test('whoever sends while a message is handled sends its acknowledgement along', () => {
  const post = new Post('a').open()
  const message: Relayed = { type: 'message', from: 'a', data: 1, x: { s: { e: 9, n: 1 } } }
  post.delivery.receive(message, () => post.post('a', 'reply'))
  expect(post.sent).toMatchObject([{ data: 'reply', x: { a: { e: 9, n: 1 } } }])
})

test('a receipt that says no more than that a message is parked settles nothing', () => {
  const post = new Post('raw').open()
  post.post('raw', '1')
  const re = at(post.sent, 0).msg ?? ''
  post.delivery.written({ type: 'receipt', re, status: 'parked' })
  expect(post.fates).toEqual([])
  post.delivery.written({ type: 'receipt', re, status: 'written' })
  expect(post.fates).toEqual([['1', 'delivered']])
})

// What the application sends

const circle: { self?: unknown } = {}
circle.self = circle

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
  ['a BigInt', 1n],
  ['a circle', circle],
  ['half a character', 'a\ud800'],
  ['half a character within', { deep: ['\udfff!'] }],
  ['half a character as a name', { '\udbff': 1 }],
  ['what throws', { toJSON: () => at([], 0) }],
])('what is no JSON is refused as `invalid-option`: %s', async (_, data) => {
  const post = new Post('a').open()
  const failure = await outcome(post.delivery.send('a', data))
  expect(failure).toBeInstanceOf(AldisError)
  expect(failure).toMatchObject({ code: 'invalid-option' })
  expect(post.out()).toEqual([])
})

test.each<[unknown]>([[null], [0], [''], [false], [[]], ['\\ud800'], ['\\\\ud800'], ['😀'], [{ a: [{}] }], ['\u2028\u0000']])(
  'what is JSON is sent as it is: %j',
  async (data) => {
    const post = new Post('a').open()
    const sending = post.delivery.send('a', data)
    const [signal] = post.sent
    expect(signal).toMatchObject({ type: 'message', to: 'a', data })
    post.acknowledge(at(post.sent, 0))
    expect(await outcome(sending)).toBe('done')
  },
)

test('what the server would take for too large is refused by name, counted in bytes', async () => {
  const post = new Post('a').open({ messageBytes: 1_000 })
  expect(await outcome(post.delivery.send('a', 'x'.repeat(798)))).toBe('pending')
  for (const data of ['x'.repeat(799), 'ä'.repeat(400), '"'.repeat(400)]) {
    expect(await outcome(post.delivery.send('a', data))).toMatchObject({ code: 'message-too-large' })
  }
  expect(post.out()).toHaveLength(1)
})

test('what the server would take for too deep is refused by name', async () => {
  const nested = (depth: number): unknown => {
    let data: unknown = 1
    for (let level = 0; level < depth; level += 1) data = level % 2 === 0 ? [data] : { a: data }
    return data
  }
  const post = new Post('a').open({ jsonDepth: 4 })
  expect(await outcome(post.delivery.send('a', nested(3)))).toBe('pending')
  expect(await outcome(post.delivery.send('a', nested(4)))).toMatchObject({ code: 'invalid-option' })
  expect(await outcome(post.delivery.send('a', nested(100_000)))).toMatchObject({ code: 'invalid-option' })
})

test('depth is that of what is sent', async () => {
  const post = new Post('a').open({ jsonDepth: 4 })
  const shallow = { toJSON: () => 1, a: { b: { c: { d: 1 } } } }
  const deep = { toJSON: () => [[[[1]]]] }
  expect(await outcome(post.delivery.send('a', shallow))).toBe('pending')
  expect(await outcome(post.delivery.send('a', deep))).toMatchObject({ code: 'invalid-option' })
})

test('what is changed after it was sent goes as it was, also when it is sent again', async () => {
  const post = new Post('a')
  const data = { list: [1] }
  const sending = outcome(post.delivery.send('a', data))
  data.list.push(2)
  post.open()
  data.list.push(3)
  await post.clock.advance(1_000)
  expect(post.sent).toMatchObject([{ data: { list: [1] } }, { data: { list: [1] } }])
  expect(await sending).toBe('pending')
})

test('every `send` settles: delivered, or with what became of the message', async () => {
  const post = new Post('a', 'b', 'c').open()
  const sent = outcome(post.delivery.send('a', 1))
  post.acknowledge(at(post.sent, 0))
  expect(await sent).toBe('done')
  const refused = post.delivery.send('b', 1)
  post.refuse(at(post.sent, -1).msg, 'forbidden', { hint: 'Ask.' })
  expect(await outcome(refused)).toMatchObject({ code: 'forbidden', outcome: 'not-delivered', hint: 'Ask.' })
  const reset = post.delivery.send('c', 1)
  post.delivery.receive({ type: 'ack', from: 'c', x: { a: { e: 2 ** 31, reset: true } } }, () => undefined)
  expect(await outcome(reset)).toMatchObject({ code: 'timed-out', outcome: 'unknown' })
  const late = post.delivery.send('c', 2)
  const gone = post.delivery.send('nobody', 2)
  expect(await outcome(gone)).toMatchObject({ code: 'peer-closed', outcome: 'not-delivered' })
  const ending = outcome(late)
  await post.clock.advance(30_000)
  await ending
  expect(await outcome(late)).toMatchObject({ code: 'timed-out', outcome: 'unknown', retryable: true })
})
