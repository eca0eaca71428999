import { expect, test } from 'vitest'
import { eventParser } from '../src/event-stream.ts'
import { expectSilence, type Line, type LineOptions, newLine } from './support/line.ts'
import { last } from './support/lists.ts'
import { welcome } from './support/server.ts'
import { FakeStreams, refused } from './support/streams.ts'

// Events

type Event = readonly [name: string, data: string]

test.each<[string, string, Event[]]>([
  ['a message', 'data: {}\n\n', [['', '{}']]],
  [
    'CRLF',
    'data: a\r\n\r\ndata: b\r\n\r\n',
    [
      ['', 'a'],
      ['', 'b'],
    ],
  ],
  [
    'CR',
    'data: a\r\rdata: b\r\r',
    [
      ['', 'a'],
      ['', 'b'],
    ],
  ],
  [
    'all of them',
    'data: a\r\n\ndata: b\r\r\ndata: c\n\r',
    [
      ['', 'a'],
      ['', 'b'],
      ['', 'c'],
    ],
  ],
  [
    'a name',
    'event: ping\ndata: {}\n\ndata: a\n\n',
    [
      ['ping', '{}'],
      ['', 'a'],
    ],
  ],
  ['a name behind its data', 'data: {}\nevent: ping\n\n', [['ping', '{}']]],
  ['data of several lines', 'data: a\ndata\ndata:b\n\n', [['', 'a\n\nb']]],
  [
    'no space, and more than one',
    'data:a\n\ndata:  b\n\n',
    [
      ['', 'a'],
      ['', ' b'],
    ],
  ],
  ['colons', 'data: a:b: c\n\n', [['', 'a:b: c']]],
  ['comments and unknown fields', ': hello\n:\nid: 7\nretry: 5\nfoo\ndata: a\n\n', [['', 'a']]],
  ['a name without data', 'event: ping\n\ndata: a\n\n', [['', 'a']]],
  ['an event that is not over', 'data: a\n\ndata: b\n', [['', 'a']]],
  ['other separators in a line', 'data: a\u2028b\n\n', [['', 'a\u2028b']]],
  ['nothing', '\n\n\n', []],
])('%s is understood, however it comes apart', (_, text, events) => {
  for (let size = 1; size <= text.length; size += 1) {
    const seen: Event[] = []
    const parse = eventParser((name, data) => seen.push([name, data]))
    for (let at = 0; at < text.length; at += size) {
      parse(text.slice(at, at + size))
      parse('')
    }
    expect(seen).toEqual(events)
  }
})

// One connection

test('`hello` opens the stream at the URL of the probe, with the token, and `welcome` joins', async () => {
  const { line, server } = await streaming()
  expect(server.stream).toMatchObject({
    url: 'https://rtc.example.org/v1/signal?room=standup',
    token: 'token1',
    hello: { type: 'hello', protocol: 1 },
  })
  expect(line.statuses).toEqual([{ status: 'joined' }])
  expect(line.server.sockets).toEqual([])
})

test('a mark at the beginning, letters that come apart, comments and unknown events change nothing', async () => {
  const server = new FakeStreams()
  const line = await begin(server)
  const say = (message: object): string => `data: ${JSON.stringify(message)}\n\n`
  const first = say(welcome({ post: '/v1/signal/n1.secret' }))
  const text = `\uFEFF: hi\n\n${first}event: weather\ndata: rain\n\n${say({ type: 'peer-away', id: 'äß😀' })}`
  for (const byte of new TextEncoder().encode(text)) server.stream.bytes(Uint8Array.of(byte))
  await forward(line, 0)
  for (let wait = 0; wait < 100 && line.messages.length === 0; wait += 1) await rest()
  expect(line.messages).toEqual([{ type: 'peer-away', id: 'äß😀' }])
})

test('messages go up in their order, one POST at a time, with what was said meanwhile in the next one', async () => {
  const { line, server } = await streaming()
  let answer: (response: Response) => void = () => undefined
  server.answers.push(() => new Promise((resolve) => (answer = resolve)))
  line.signaling.send({ type: 'check', id: 'a' })
  await rest()
  for (const id of ['b', 'c']) line.signaling.send({ type: 'check', id })
  await rest()
  expect(server.posts).toMatchObject([
    { url: 'https://rtc.example.org/v1/signal/n1.secret', token: 'token1', seq: 1, messages: [{ type: 'check', id: 'a' }] },
  ])
  answer(new Response(null, { status: 204 }))
  await rest()
  expect(server.posts.slice(1)).toMatchObject([{ seq: 2, messages: [{ id: 'b' }, { id: 'c' }] }])
})

test('no POST is larger than the server takes', async () => {
  const { line, server } = await streaming()
  const id = 'ä'.repeat(25_000)
  for (let count = 0; count < 6; count += 1) line.signaling.send({ type: 'check', id })
  await rest()
  // 50 kB each, and 128 KiB in a POST.
  expect(server.posts.map(({ messages }) => messages.length)).toEqual([2, 2, 2])
})

test.each<[string, () => Response | Promise<Response>]>([
  ['nobody answers', () => Promise.reject(new TypeError('Failed to fetch'))],
  ['a proxy answers', () => new Response('<html>Bad gateway', { status: 502 })],
  ['its predecessor is missing', refused(425, 'out-of-order')],
  ['the server fails', refused(500, 'internal')],
  ['there are too many requests', refused(429, 'address-limit')],
])('where %s, the same POST goes again', async (_, answer) => {
  const { line, server } = await streaming()
  server.answers.push(answer, answer)
  line.signaling.send({ type: 'check', id: 'a' })
  await rest()
  line.signaling.send({ type: 'check', id: 'b' })
  await forward(line, 1_500)
  const sent = server.posts.map(({ seq, messages }) => [seq, messages])
  const first = [1, [{ type: 'check', id: 'a' }]]
  expect(sent).toEqual([first, first, first, [2, [{ type: 'check', id: 'b' }]]])
})

test('a busy server is given the time that it asks for', async () => {
  const { line, server } = await streaming()
  server.answers.push(refused(503, 'unavailable', 1_500))
  line.signaling.send({ type: 'check', id: 'a' })
  await forward(line, 1_499)
  expect(server.posts).toHaveLength(1)
  await forward(line, 300)
  expect(server.posts.map(({ seq }) => seq)).toEqual([1, 1])
})

test('a token that has expired is replaced, and the POST goes again', async () => {
  const { line, server } = await streaming()
  server.answers.push(refused(401, 'token-expired'))
  line.signaling.send({ type: 'check', id: 'a' })
  await forward(line, 1_000)
  expect(server.posts.map(({ seq, token }) => [seq, token])).toEqual([
    [1, 'token1'],
    [1, 'token2'],
  ])
})

test.each([
  [410, 'gone'],
  [409, 'superseded'],
  [413, 'too-large'],
  [403, 'origin-forbidden'],
])('after %i the session goes on with a new connection, whose POSTs begin at 1', async (status, code) => {
  const { line, server } = await streaming()
  server.answers.push(refused(status, code))
  line.signaling.send({ type: 'check', id: 'a' })
  await forward(line, 1_600)
  expect(server.streams.map(({ dropped }) => dropped)).toEqual([true, false])
  expect(server.stream.hello).toMatchObject({ resume: expect.any(String) })
  server.stream.welcome()
  await rest()
  line.signaling.send({ type: 'check', id: 'b' })
  await rest()
  expect(last(server.posts)).toMatchObject({ seq: 1, messages: [{ id: 'b' }] })
})

test('where a POST is told that it is over, the stream may still say why', async () => {
  const { line, server } = await streaming()
  server.answers.push(refused(410, 'gone'))
  line.signaling.send({ type: 'check', id: 'a' })
  await rest()
  server.stream.say({ type: 'error', code: 'removed', message: 'Out.' })
  server.stream.event('close', { code: 4410, reason: '' })
  await rest()
  expect(line.status()).toMatchObject({ status: 'failed', error: { code: 'removed' } })
  await expectSilence(line)
})

test('a `ping` is answered, also while a POST is under way', async () => {
  const { server } = await streaming()
  server.stream.event('ping', {})
  await rest()
  expect(server.posts).toMatchObject([{ seq: 1, messages: [{ type: 'ping' }] }])
})

test.each<[string, (server: FakeStreams) => void, object]>([
  ['`close` is a close code', ({ stream }) => stream.event('close', { code: 4420, reason: '' }), { status: 'reconnecting' }],
  ['`close` for good is one too', ({ stream }) => stream.event('close', { code: 4409, reason: '' }), { status: 'failed' }],
  ['an end without `close` is a broken connection', ({ stream }) => stream.end(), { status: 'reconnecting', retryInMs: 250 }],
  ['nonsense in `close` is one too', ({ stream }) => stream.write('event: close\ndata: ?\n\n'), { status: 'reconnecting' }],
])('%s', async (_, happen, status) => {
  const { line, server } = await streaming()
  happen(server)
  await rest()
  expect(line.status()).toMatchObject(status)
})

test('a stream that is held back is given up, and the error says so', async () => {
  const server = new FakeStreams()
  const line = await begin(server)
  await forward(line, 10_000)
  expect(server.stream.dropped).toBe(true)
  expect(line.status()).toMatchObject({ error: { code: 'timed-out', hint: expect.stringContaining('proxy') } })
})

test('a stream that is held back later is noticed because no `pong` comes', async () => {
  const { line, server } = await streaming()
  await forward(line, 25_000)
  expect(server.posts).toMatchObject([{ messages: [{ type: 'ping' }] }])
  expect(server.streams[0]?.dropped).toBe(true)
  expect(line.statuses[1]).toMatchObject({ status: 'reconnecting', error: { code: 'timed-out' } })
})

test('a goodbye goes up before the stream is dropped, and outlives the page', async () => {
  const { line, server } = await streaming()
  let answer: (response: Response) => void = () => undefined
  server.answers.push(() => new Promise((resolve) => (answer = resolve)))
  line.signaling.send({ type: 'check', id: 'a' })
  await rest()
  line.signaling.send({ type: 'check', id: 'b' })
  line.signaling.leave()
  expect(server.stream.dropped).toBe(false)
  answer(new Response(null, { status: 204 }))
  await rest()
  const said = server.posts.map(({ seq, messages, keepalive }) => [seq, messages.map(({ type }) => type), keepalive])
  // The first may not have left yet: it goes again, and is handled once.
  expect(said).toEqual([
    [1, ['check'], false],
    [1, ['check'], true],
    [2, ['check', 'leave'], true],
  ])
  expect(server.stream.dropped).toBe(true)
  // A timer of its own would keep a process alive.
  expect(line.clock.planned).toBe(0)
})

test('what is said in one breath is one POST, and a goodbye behind it is the only one', async () => {
  const { line, server } = await streaming()
  for (const id of ['a', 'b']) line.signaling.send({ type: 'check', id })
  await rest()
  line.signaling.send({ type: 'check', id: 'c' })
  line.signaling.leave()
  await rest()
  const said = server.posts.map(({ seq, messages, keepalive }) => [seq, messages.map(({ type }) => type), keepalive])
  expect(said).toEqual([
    [1, ['check', 'check'], false],
    [2, ['check', 'leave'], true],
  ])
})

test.each([
  [403, 'forbidden', 'failed'],
  [409, 'room-full', 'failed'],
  [503, 'draining', 'connecting'],
  [400, 'protocol-unsupported', 'failed'],
])('a refusal of the stream with %i `%s` is one: %s', async (status, code, is) => {
  const server = new FakeStreams()
  server.refusal = refused(status, code)
  const line = await begin(server)
  const said = code === 'protocol-unsupported' ? 'server-incompatible' : code
  expect(line.status()).toMatchObject({ status: is, error: { code: said } })
})

// Which transport

test('two WebSockets that do not open although the server answers select the event stream', async () => {
  const { line, server } = await blocked()
  expect([line.server.sockets.length, server.probes, server.streams.length]).toEqual([2, 2, 1])
  server.stream.welcome()
  await rest()
  expect(line.status()).toEqual({ status: 'joined' })
})

test('a stream that breaks is followed by a stream; after ten minutes, and on another network, by a WebSocket that resumes', async () => {
  const { line, server } = await blocked()
  server.stream.welcome()
  await forward(line, 5_000)
  server.stream.end()
  await forward(line, 500)
  expect([line.server.sockets.length, server.streams.length]).toEqual([2, 2])
  server.stream.welcome()
  await rest()
  line.signaling.hear('network-changed')
  server.stream.end()
  await forward(line, 500)
  expect([line.server.sockets.length, server.streams.length]).toEqual([3, 2])
  line.server.socket.open()
  expect(line.server.socket.of('hello')).toMatchObject([{ resume: expect.any(String) }])
})

test('after ten minutes one more WebSocket that does not open is enough', async () => {
  const { line, server } = await blocked()
  server.stream.welcome()
  for (let minute = 0; minute < 60; minute += 1) {
    await forward(line, 10_000)
    server.stream.say({ type: 'pong' })
    await rest()
  }
  server.stream.end()
  await forward(line, 500)
  expect(line.server.sockets).toHaveLength(3)
  const { length } = server.streams
  line.server.socket.drop(1006)
  await rest()
  expect(server.streams).toHaveLength(length + 1)
})

test('a server without event streams is told from one that is away', async () => {
  const server = new FakeStreams()
  server.refusal = refused(405, 'method-not-allowed')
  const { line } = await blocked(server)
  expect(line.status()).toMatchObject({ status: 'connecting', error: { code: 'websocket-blocked', retryable: true } })
  await forward(line, 1_000)
  expect(line.server.sockets).toHaveLength(3)
})

test('a second WebSocket is not waited for as long as the first', async () => {
  const server = new FakeStreams()
  const line = await begin(server, { transport: 'auto', joinTimeoutMs: 15_000 })
  await forward(line, 10_000)
  await forward(line, 250)
  expect(line.server.sockets).toHaveLength(2)
  await forward(line, 3_000)
  expect(server.streams).toHaveLength(1)
})

test('whoever wants WebSockets alone gets nothing else', async () => {
  const server = new FakeStreams()
  const line = await begin(server, { transport: 'websocket' })
  for (let count = 0; count < 4; count += 1) {
    line.server.socket.drop(1006)
    await forward(line, 2_000)
  }
  expect(server.streams).toEqual([])
  expect(line.status()).toMatchObject({ error: { code: 'websocket-blocked' } })
})

/** Lets everything settle, also what streams do in tasks of their own, and code that is loaded. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0))
}

async function forward(line: Line, ms: number): Promise<void> {
  await rest()
  await line.clock.advance(ms)
  await rest()
}

/** A way to a server of event streams that has begun. */
async function begin(server: FakeStreams, options: LineOptions = {}): Promise<Line> {
  const line = newLine({ transport: 'sse', joinTimeoutMs: 60_000, fetch: server.fetch, ...options })
  line.signaling.start()
  await rest()
  return line
}

async function streaming(): Promise<{ line: Line; server: FakeStreams }> {
  const server = new FakeStreams()
  const line = await begin(server)
  server.stream.welcome()
  await rest()
  return { line, server }
}

/** Where no WebSocket opens: the second has failed. */
async function blocked(server: FakeStreams = new FakeStreams()): Promise<{ line: Line; server: FakeStreams }> {
  const line = await begin(server, { transport: 'auto' })
  line.server.socket.drop(1006)
  await forward(line, 250)
  line.server.socket.drop(1006)
  await rest()
  return { line, server }
}
