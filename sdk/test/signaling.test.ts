import { expect, test } from 'vitest'
import { endpointOf } from '../src/endpoint.ts'
import type { ServerMessage } from '../src/generated/wire.ts'
import { Signaling, type StatusEvent } from '../src/signaling.ts'
import { tokenSource } from '../src/token.ts'
import { settle } from './support/clock.ts'
import { expectSilence, joined, type Line, newLine, started, tokens } from './support/line.ts'
import { last } from './support/lists.ts'
import { problem, welcome } from './support/server.ts'
import { newWorld } from './support/world.ts'

test('nothing happens before the start', async () => {
  const line = newLine()
  await expectSilence(line)
  expect(line.server.sockets).toEqual([])
})

test('the socket is the room’s, and offers the subprotocol and the token', async () => {
  const { server } = await started()
  expect(server.socket.url).toBe('wss://rtc.example.org/v1/signal?room=standup')
  expect(server.socket.protocols).toEqual(['aldis.v1', 'aldis.bearer.token1'])
})

test('the first message is `hello` with the version and what this client understands; before a session there is nothing to resume', async () => {
  const { server } = await started({ features: ['streams', 'captions'] })
  expect(server.socket.sent).toEqual([])
  server.socket.open()
  expect(server.socket.sent).toEqual([{ type: 'hello', protocol: 1, features: ['streams', 'captions'] }])
})

test('`welcome` joins: it is told first, then the status', async () => {
  const line = newLine()
  const order: string[] = []
  line.signaling.on('welcome', () => order.push('welcome'))
  line.signaling.on('status', ({ status }) => order.push(status))
  line.signaling.start()
  await line.server.welcome()
  expect(order).toEqual(['welcome', 'joined'])
  expect(line.statuses).toEqual([{ status: 'joined' }])
  expect(line.welcomes).toEqual([welcome()])
})

test('what is said before `welcome` is not passed on, and a `welcome` before `hello` joins nobody', async () => {
  const line = await started()
  line.server.socket.say(welcome(), { type: 'pong' })
  line.server.socket.open()
  line.server.socket.say({ type: 'pong' })
  expect(line.welcomes).toEqual([])
  expect(line.messages).toEqual([])
  line.server.socket.say(welcome())
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('messages are sent while joined, and refused before and after', async () => {
  const line = newLine()
  expect(line.signaling.send({ type: 'ping' })).toBe(false)
  line.signaling.start()
  await settle()
  line.server.socket.open()
  expect(line.signaling.send({ type: 'ping' })).toBe(false)
  line.server.socket.say(welcome())
  expect(line.signaling.send({ type: 'check', id: 'a' })).toBe(true)
  expect(last(line.server.socket.sent)).toEqual({ type: 'check', id: 'a' })
  line.server.socket.drop(1006)
  expect(line.signaling.send({ type: 'ping' })).toBe(false)
})

test('everything that the server says to a joined client is passed on, except what concerns the connection', async () => {
  const line = await joined()
  const passed: ServerMessage[] = [
    { type: 'peer-away', id: 'a' },
    { type: 'offer', from: 'a', sdp: 'v=0' },
    { type: 'error', code: 'too-large', message: 'Too large.' },
    { type: 'pong' },
  ]
  line.server.socket.say({ type: 'resume', token: 'r' }, { type: 'token-expiring', tokenExpiresAt: 1 }, ...passed)
  expect(line.messages).toEqual(passed)
})

// A socket that never opens

test.each(['refused', 'silent'] as const)('a socket that is %s is probed with the same token', async (how) => {
  const line = await started({ joinTimeoutMs: 60_000 })
  if (how === 'refused') line.server.socket.drop(1006)
  else await line.clock.advance(10_000)
  await settle()
  expect(line.server.requests).toEqual([
    { url: 'https://rtc.example.org/v1/signal?room=standup', authorization: 'Bearer token1' },
  ])
  expect(line.server.sockets[0]?.closedWith).toBe(how === 'refused' ? undefined : 3001)
})

const unreachable = { code: 'server-unreachable', retryable: true }
test.each<[string, () => Response | Promise<Response>, object]>([
  ['200', () => new Response('{}'), { code: 'websocket-blocked', retryable: true }],
  ['a refusal that may go away', () => problem(503, { code: 'draining', message: 'Bye.' }), { code: 'draining' }],
  ['the page of a proxy', () => new Response('<html>Bad gateway', { status: 502 }), unreachable],
  ['nothing', () => Promise.reject(new TypeError('Failed to fetch')), { ...unreachable, cause: expect.any(TypeError) }],
])('where the probe is answered with %s another attempt follows', async (_, answer, error) => {
  const line = await started()
  line.server.answer = answer
  line.server.socket.drop(1006)
  await settle()
  expect(line.status()).toMatchObject({ status: 'connecting', error, retryInMs: 250 })
  await line.clock.advance(250)
  expect(tokens(line)).toEqual(['token1', 'token2'])
})

test.each<[string, () => Response, object]>([
  [
    'a refusal that stays',
    () => problem(403, { code: 'origin-forbidden', message: 'No.', hint: 'Add it.' }),
    { hint: 'Add it.' },
  ],
  ['the page of another server', () => new Response('<html>Not found', { status: 404 }), { code: 'server-unreachable' }],
  [
    'the one page of another server',
    () => new Response('<html>', { headers: { 'content-type': 'text/html; charset=utf-8' } }),
    { code: 'server-unreachable' },
  ],
  ['a code of the future', () => problem(400, { code: 'new-code', message: 'New.' }), { code: 'new-code' }],
])('where the probe is answered with %s it is given up', async (_, answer, error) => {
  const line = await started()
  line.server.answer = answer
  line.server.socket.drop(1006)
  await settle()
  expect(line.statuses).toMatchObject([{ status: 'failed', error }])
  await expectSilence(line)
})

test.each(['token-invalid', 'token-expired'] as const)(
  'where the probe is answered with %s a new token is tried at once',
  async (code) => {
    const line = await started()
    line.server.answer = () => problem(401, { code, message: 'No.' })
    line.server.socket.drop(1006)
    await settle()
    expect(tokens(line)).toEqual(['token1', 'token2'])
    expect(line.statuses).toEqual([])
  },
)

test('what a probe answers to a page that has left is nobody’s business', async () => {
  const line = await started()
  let answered: (answer: Response) => void = () => undefined
  line.server.answer = () =>
    new Promise((resolve) => {
      answered = resolve
    })
  line.server.socket.drop(1006)
  await settle()
  line.signaling.leave()
  answered(problem(403, { code: 'forbidden', message: 'No.' }))
  await settle()
  expect(line.statuses).toEqual([{ status: 'left' }])
  await expectSilence(line)
})

// Leaving

interface Stage {
  readonly stage: string
  /** How a line that was started gets there. */
  readonly go: (line: Line) => unknown
  readonly closedWith?: number
}

const stages: readonly Stage[] = [
  { stage: 'while a token is got', go: () => undefined },
  { stage: 'while the socket opens', go: settle, closedWith: 1000 },
  { stage: 'before the welcome', go: ({ server }) => settle().then(() => server.socket.open()), closedWith: 1000 },
  { stage: 'when joined', go: ({ server }) => server.welcome(), closedWith: 1000 },
  {
    stage: 'when the server is silent',
    go: ({ server, clock }) => server.welcome().then(() => clock.advance(16_000)),
    closedWith: 1000,
  },
  { stage: 'while waiting', go: ({ server }) => server.welcome().then((socket) => socket.drop(1006)) },
  { stage: 'while probing', go: ({ server }) => settle().then(() => server.socket.drop(1006)) },
]

test('leaving before the start is final', async () => {
  const line = newLine()
  line.signaling.leave()
  expect(line.statuses).toEqual([{ status: 'left' }])
  await expectSilence(line)
})

test.each(stages)('leaving $stage is final', async ({ go, closedWith }) => {
  const line = newLine()
  line.signaling.start()
  await go(line)
  line.signaling.leave()
  line.signaling.leave()
  await settle()
  expect(line.status()).toEqual({ status: 'left' })
  expect(line.statuses.filter(({ status }) => status === 'left')).toHaveLength(1)
  expect(line.server.sockets.at(-1)?.closedWith).toBe(closedWith)
  expect(line.signaling.send({ type: 'ping' })).toBe(false)
  await expectSilence(line)
})

test('whoever leaves says so first, if there is somebody to say it to', async () => {
  const line = await joined()
  line.signaling.leave()
  expect(last(line.server.socket.sent)).toEqual({ type: 'leave' })
  expect(line.lost()).toBe(1)
})

// Garbage

test.each([
  ['no JSON', 'hello?'],
  ['no object', '7'],
  ['null', 'null'],
  ['a list', '[]'],
  ['no type', '{}'],
  ['a binary message', new Uint8Array([1, 2])],
])('a server that says %s speaks another protocol', async (_, data) => {
  for (const line of [await started(), await joined()]) {
    line.server.socket.open()
    line.server.socket.utter(data)
    await settle()
    expect(line.status()).toMatchObject({ status: 'failed', error: { code: 'server-incompatible', retryable: false } })
    expect(line.server.socket.closedWith).toBeDefined()
    await expectSilence(line)
  }
})

test('messages and fields that this version does not know are passed on without harm', async () => {
  const line = await joined()
  line.server.socket.utter('{"type":"new-message","more":[1]}')
  line.server.socket.utter('{"type":7}')
  line.server.socket.utter('{"type":"pong","future":true}')
  await settle()
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('a browser that refuses to open the socket is not the token’s failure', async () => {
  const world = newWorld({
    openSocket: () => {
      throw new DOMException('An insecure WebSocket from an https page.', 'SecurityError')
    },
  })
  const endpoint = endpointOf('http://rtc.example.org', 'standup')
  const source = tokenSource('fixed', endpoint, world.environment)
  const signaling = new Signaling({
    endpoint,
    token: source,
    features: [],
    environment: world.environment,
    joinTimeoutMs: 10_000,
    transport: 'websocket',
  })
  const statuses: StatusEvent[] = []
  signaling.on('status', (event) => statuses.push(event))
  signaling.start()
  await settle()
  expect(last(statuses).error?.code).not.toBe('token-failed')
  expect(last(statuses).error?.message).toContain('insecure WebSocket')
})
