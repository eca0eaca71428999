import { expect, test } from 'vitest'
import { endpointOf } from '../src/endpoint.ts'
import { CLOSE_CODES, type CloseCode, type ServerMessage, type WelcomeMessage } from '../src/generated/wire.ts'
import { Signaling, type SignalingOptions, type StatusEvent } from '../src/signaling.ts'
import { type TokenOption, tokenSource } from '../src/token.ts'
import { settle } from './support/clock.ts'
import { last } from './support/lists.ts'
import { problem, welcome } from './support/server.ts'
import { newWorld, type World } from './support/world.ts'

/** A connection, and everything that it tells. */
interface Line extends World {
  readonly signaling: Signaling
  readonly statuses: StatusEvent[]
  readonly welcomes: WelcomeMessage[]
  readonly messages: ServerMessage[]
  /** How often it was lost. */
  lost(): number
  /** The latest status. */
  status(): StatusEvent
}

interface LineOptions extends Partial<Pick<SignalingOptions, 'features' | 'joinTimeoutMs'>> {
  readonly token?: TokenOption
  readonly random?: () => number
}

function newLine({ token, random = () => 0.5, features = [], joinTimeoutMs = 10_000 }: LineOptions = {}): Line {
  const world = newWorld({ random })
  const endpoint = endpointOf('https://rtc.example.org', 'standup')
  let count = 0
  const source = tokenSource(token ?? (() => `token${++count}`), endpoint, world.environment)
  const signaling = new Signaling({ endpoint, token: source, features, environment: world.environment, joinTimeoutMs })
  const statuses: StatusEvent[] = []
  const welcomes: WelcomeMessage[] = []
  const messages: ServerMessage[] = []
  let lost = 0
  signaling.on('status', (event) => statuses.push(event))
  signaling.on('welcome', (event) => welcomes.push(event))
  signaling.on('message', (event) => messages.push(event))
  signaling.on('lost', () => {
    lost += 1
  })
  return { ...world, signaling, statuses, welcomes, messages, lost: () => lost, status: () => last(statuses) }
}

async function started(options?: LineOptions): Promise<Line> {
  const line = newLine(options)
  line.signaling.start()
  await settle()
  return line
}

async function joined(options?: LineOptions): Promise<Line> {
  const line = await started(options)
  await line.server.welcome()
  return line
}

/** What each socket was opened with. */
function tokens({ server }: Line): string[] {
  return server.sockets.map(({ token }) => token)
}

/** Loses the connection that a line has, and waits until it is there again. */
async function comeBack(line: Line, changes?: Partial<WelcomeMessage>): Promise<void> {
  line.server.socket.drop(1006)
  await line.clock.advance(line.status().retryInMs ?? 0)
  await line.server.welcome(changes)
}

/** That nothing goes on: no timer is planned, no socket is open, and nothing happens any more. */
async function expectSilence(line: Line): Promise<void> {
  const { length } = line.statuses
  const sockets = line.server.sockets.length
  expect(line.clock.planned).toBe(0)
  await line.clock.advance(3_600_000)
  expect(line.statuses).toHaveLength(length)
  expect(line.server.sockets).toHaveLength(sockets)
}

// Joining

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
  const { server } = await started({ features: ['numbered', 'captions'] })
  expect(server.socket.sent).toEqual([])
  server.socket.open()
  expect(server.socket.sent).toEqual([{ type: 'hello', protocol: 1, features: ['numbered', 'captions'] }])
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

// Waiting

test.each([
  [0, [0, 0, 0, 0, 0, 0, 0, 0]],
  [0.999, [500, 999, 1_998, 3_996, 7_992, 14_985, 14_985, 14_985]],
])('with chance %d the waits after lost connections are %j', async (chance, waits) => {
  const line = await joined({ random: () => chance })
  const seen: (number | undefined)[] = []
  for (const wait of waits) {
    line.server.socket.drop(1006)
    await settle()
    seen.push(line.status().retryInMs)
    const { length } = line.server.sockets
    await line.clock.advance(Math.max(0, wait - 1))
    if (wait > 0) expect(line.server.sockets).toHaveLength(length)
    await line.clock.advance(1)
    expect(line.server.sockets).toHaveLength(length + 1)
    line.server.socket.open()
  }
  expect(seen).toEqual(waits)
})

test('the wait is never shorter than the server asked', async () => {
  const line = await started({ random: () => 0 })
  line.server.answer = () => problem(503, { code: 'draining', message: 'Bye.', retryAfterMs: 3_000 })
  line.server.socket.drop(1006)
  await settle()
  expect(line.status().retryInMs).toBe(3_000)
  await line.clock.advance(2_999)
  expect(line.server.sockets).toHaveLength(1)
  await line.clock.advance(1)
  expect(line.server.sockets).toHaveLength(2)
})

test('a connection that stood for five seconds makes the next wait a first one; one that did not, does not', async () => {
  const line = await joined()
  await line.clock.advance(4_999)
  await comeBack(line)
  line.server.socket.drop(1006)
  expect(line.status().retryInMs).toBe(500)
  await line.clock.advance(500)
  await line.server.welcome()
  await line.clock.advance(5_000)
  line.server.socket.drop(1006)
  expect(line.status().retryInMs).toBe(250)
})

test('the status says `reconnecting` once a session was there, and each failure why', async () => {
  const line = await joined()
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  line.server.socket.drop(1006)
  await settle()
  await line.clock.advance(500)
  await line.server.welcome()
  expect(line.statuses).toMatchObject([
    { status: 'joined' },
    { status: 'reconnecting', error: { code: 'server-unreachable' }, retryInMs: 250 },
    { status: 'reconnecting', error: { code: 'websocket-blocked' }, retryInMs: 500 },
    { status: 'joined' },
  ])
  expect(line.lost()).toBe(1)
})

test('a server that does not say `welcome` in time is left for another attempt', async () => {
  const line = await started({ joinTimeoutMs: 60_000 })
  line.server.socket.open()
  await line.clock.advance(9_999)
  expect(line.statuses).toEqual([])
  await line.clock.advance(1)
  expect(line.status()).toMatchObject({ status: 'connecting', error: { code: 'timed-out', retryable: true } })
  expect(line.server.socket.closedWith).toBe(3001)
})

// Giving up

test('joining is given up when the next attempt would be too late, with the last error', async () => {
  const line = await started({ joinTimeoutMs: 2_000 })
  line.server.answer = () => problem(503, { code: 'overloaded', message: 'Full house.' })
  for (const wait of [250, 500, 1_000]) {
    line.server.socket.drop(1006)
    await settle()
    expect(line.status()).toMatchObject({ status: 'connecting', retryInMs: wait })
    await line.clock.advance(wait)
  }
  line.server.socket.drop(1006)
  await settle()
  expect(line.status()).toMatchObject({ status: 'failed', error: { code: 'overloaded' } })
  await expectSilence(line)
})

test('once joined it is tried for ever', async () => {
  const line = await joined({ joinTimeoutMs: 2_000 })
  for (let hour = 0; hour < 24; hour += 1) {
    line.server.socket.drop(1006)
    await line.clock.advance(3_600_000)
  }
  expect(line.status().status).toBe('reconnecting')
  await line.server.welcome()
  expect(line.status()).toEqual({ status: 'joined' })
})

// Close codes

const codes = Object.keys(CLOSE_CODES).map((code) => Number(code) as CloseCode)
// Nobody but the client itself ends a stay in good order: these two come from a proxy.
const byProxies = [1000, 1001]

test.each(codes.filter((code) => CLOSE_CODES[code].reconnect === 'no' && !byProxies.includes(code)))(
  'close code %i ends it',
  async (code) => {
    const line = await joined()
    line.server.socket.drop(code)
    await settle()
    const error = { code: 'server-unreachable', message: `The connection closed with ${code}.`, retryable: false }
    expect(line.status()).toMatchObject({ status: 'failed', error })
    expect(line.lost()).toBe(1)
    await expectSilence(line)
  },
)

test.each([
  ...codes.filter((code) => ['yes', 'if-alone'].includes(CLOSE_CODES[code].reconnect)),
  ...byProxies,
  1005,
  1006,
  1015,
  3999,
  4999,
])('after close code %i it comes back soon, with its session', async (code) => {
  const line = await joined()
  line.server.socket.drop(code)
  await settle()
  expect(line.status()).toMatchObject({ status: 'reconnecting', retryInMs: 250, error: { retryable: true } })
  await line.clock.advance(250)
  line.server.socket.open()
  expect(line.server.socket.of('hello')).toMatchObject([{ resume: 'cmVzdW1lLXRva2VuLWV4YW1wbGU' }])
})

test.each(codes.filter((code) => CLOSE_CODES[code].reconnect === 'later'))(
  'after close code %i it comes back later',
  async (code) => {
    const line = await joined()
    line.server.socket.drop(code)
    await settle()
    expect(line.status()).toMatchObject({ status: 'reconnecting', retryInMs: 2_000 })
    await line.clock.advance(2_000)
    await line.server.welcome()
    line.server.socket.drop(code)
    expect(line.status().retryInMs).toBe(4_000)
  },
)

test.each(codes.filter((code) => CLOSE_CODES[code].reconnect === 'with-new-token'))(
  'after close code %i it comes back at once with a new token',
  async (code) => {
    const line = await joined()
    line.server.socket.drop(code)
    await settle()
    expect(tokens(line)).toEqual(['token1', 'token2'])
    expect(line.status()).toEqual({ status: 'reconnecting' })
  },
)

test.each(codes.flatMap((code) => (CLOSE_CODES[code].errors ?? []).map((error) => ({ code, error }))))(
  'where $error comes before close code $code it is why',
  async ({ code, error }) => {
    const line = await joined({ token: 'fixed' })
    line.server.socket.say({ type: 'error', code: error, message: 'Because.', hint: 'Do this.' })
    line.server.socket.drop(code)
    await settle()
    expect(line.status().error).toMatchObject({ code: error, message: 'Because.', hint: 'Do this.' })
  },
)

test('an error that was not the last word is not why', async () => {
  const line = await joined()
  line.server.socket.say({ type: 'error', code: 'removed', message: 'Out.' }, { type: 'pong' })
  line.server.socket.drop(4410)
  await settle()
  expect(line.status().error).toMatchObject({ code: 'server-unreachable' })
})

test('a connection that breaks by itself does not break because of the last error', async () => {
  const line = await joined()
  line.server.socket.say({ type: 'error', code: 'rate-limited', message: 'Slow down.', retryAfterMs: 60_000 })
  line.server.socket.drop(1006)
  expect(line.status()).toMatchObject({ error: { code: 'server-unreachable' }, retryInMs: 250 })
})

test('an error of an earlier connection is not why a later one closes', async () => {
  const line = await joined()
  line.server.socket.say({ type: 'error', code: 'internal', message: 'Oops.' })
  line.server.socket.drop(1011)
  await line.clock.advance(250)
  line.server.socket.open()
  line.server.socket.drop(1012)
  expect(line.status().error).toMatchObject({ code: 'server-unreachable', message: 'The connection closed with 1012.' })
})

test('a refusal after the handshake is an error and a close code', async () => {
  const line = await started()
  line.server.socket.open()
  line.server.socket.say({ type: 'error', code: 'room-full', message: 'Two is company.', hint: 'Wait.' })
  line.server.socket.drop(4423)
  await settle()
  expect(line.statuses).toMatchObject([{ status: 'failed', error: { code: 'room-full', hint: 'Wait.' } }])
  expect(line.server.requests).toEqual([])
  await expectSilence(line)
})

// Tokens

test('the token function is asked for each attempt', async () => {
  const line = await joined()
  await comeBack(line)
  await comeBack(line)
  expect(tokens(line)).toEqual(['token1', 'token2', 'token3'])
})

test('a token that is refused twice in a row is refused', async () => {
  const line = await started()
  for (const _ of [1, 2]) {
    line.server.socket.open()
    line.server.socket.say({ type: 'error', code: 'token-invalid', message: 'Bad signature.' })
    line.server.socket.drop(4401)
    await settle()
  }
  expect(tokens(line)).toEqual(['token1', 'token2'])
  expect(line.statuses).toMatchObject([{ status: 'failed', error: { code: 'token-invalid', message: 'Bad signature.' } }])
  await expectSilence(line)
})

test('a token that let in makes a later refusal a first one', async () => {
  const line = await joined()
  for (const _ of [1, 2, 3]) {
    line.server.socket.drop(4401)
    await line.server.welcome()
  }
  expect(line.status()).toEqual({ status: 'joined' })
})

test('a token that was given as text cannot be renewed', async () => {
  const line = await joined({ token: 'fixed' })
  line.server.socket.say({ type: 'error', code: 'token-expired', message: 'Expired.' })
  line.server.socket.drop(4401)
  await settle()
  expect(line.status()).toMatchObject({ status: 'failed', error: { code: 'token-expired' } })
  await expectSilence(line)
})

test('a token that is no token fails at once', async () => {
  const line = await started({ token: 'not a token' })
  expect(line.statuses).toMatchObject([{ status: 'failed', error: { code: 'token-failed' } }])
  expect(line.server.sockets).toEqual([])
  await expectSilence(line)
})

test('a token function that throws is asked again after a wait', async () => {
  let count = 0
  const token = (): string => {
    count += 1
    if (count < 3) throw new Error('offline')
    return 'at-last'
  }
  const line = await started({ token })
  expect(line.status()).toMatchObject({ status: 'connecting', error: { code: 'token-failed' }, retryInMs: 250 })
  await line.clock.advance(750)
  expect(tokens(line)).toEqual(['at-last'])
})

test('a token that comes after the page has left opens nothing', async () => {
  let give: (token: string) => void = () => undefined
  const line = await started({ token: () => new Promise((resolve) => (give = resolve)) })
  line.signaling.leave()
  give('late')
  await settle()
  expect(line.server.sockets).toEqual([])
})

test('a token function that fails after the page has left fails nothing', async () => {
  let fail: (error: Error) => void = () => undefined
  const line = await started({ token: () => new Promise((_, reject) => (fail = reject)) })
  line.signaling.leave()
  fail(new Error('aborted'))
  await settle()
  expect(line.statuses).toEqual([{ status: 'left' }])
})

test('a token that expires soon is renewed in band', async () => {
  const line = await joined()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  expect(line.server.socket.of('auth')).toEqual([{ type: 'auth', token: 'token2' }])
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('a token that was given as text is not sent again', async () => {
  const line = await joined({ token: 'fixed' })
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  expect(line.server.socket.of('auth')).toEqual([])
})

test('a new token that cannot be had changes nothing yet', async () => {
  let count = 0
  const token = (): string => {
    count += 1
    if (count === 2) throw new Error('offline')
    return `token${count}`
  }
  const line = await joined({ token })
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  expect(line.statuses).toEqual([{ status: 'joined' }])
  line.server.socket.drop(4401)
  await settle()
  expect(tokens(line)).toEqual(['token1', 'token3'])
})

test('a new token that comes when its connection is gone is not sent on the next', async () => {
  const waiting: ((token: string) => void)[] = []
  const line = await started({ token: () => new Promise((resolve) => waiting.push(resolve)) })
  waiting[0]?.('first')
  await line.server.welcome()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  waiting[2]?.('third')
  await line.server.welcome()
  waiting[1]?.('second')
  await settle()
  expect(line.server.sockets.flatMap((socket) => socket.of('auth'))).toEqual([])
})

// Resuming

test('the newest resume token is the one that counts', async () => {
  const line = await joined()
  line.server.socket.say({ type: 'resume', token: 'second' }, { type: 'resume', token: 'third' })
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  await line.server.welcome({ resumed: true, resume: { token: 'fourth', windowMs: 30_000 } })
  await comeBack(line)
  const resumes = line.server.sockets.flatMap((socket) => socket.of('hello').map(({ resume }) => resume))
  expect(resumes).toEqual([undefined, 'third', 'fourth'])
})

test('an attempt that fails keeps the resume token', async () => {
  const line = await joined()
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  line.server.socket.open()
  line.server.socket.drop(1012)
  await line.clock.advance(500)
  line.server.socket.open()
  expect(line.server.socket.of('hello')[0]?.resume).toBe('cmVzdW1lLXRva2VuLWV4YW1wbGU')
})

// Signs of life

const heartbeat = { intervalMs: 15_000, timeoutMs: 10_000 }

async function listening(): Promise<Line> {
  const line = await started()
  await line.server.welcome({ heartbeat })
  return line
}

test('a server that is silent is asked for a sign of life, and left when it gives none', async () => {
  const line = await listening()
  await line.clock.advance(14_999)
  expect(line.server.socket.of('ping')).toEqual([])
  await line.clock.advance(1)
  expect(line.server.socket.of('ping')).toEqual([{ type: 'ping' }])
  await line.clock.advance(9_999)
  expect(line.status().status).toBe('joined')
  await line.clock.advance(1)
  expect(line.status()).toMatchObject({ status: 'reconnecting', error: { code: 'timed-out' } })
  expect(line.server.socket.closedWith).toBe(3001)
  expect(line.lost()).toBe(1)
})

test('a server that answers is asked again after the next silence', async () => {
  const line = await listening()
  for (let pings = 1; pings <= 40; pings += 1) {
    await line.clock.advance(15_000)
    expect(line.server.socket.of('ping')).toHaveLength(pings)
    line.server.socket.say({ type: 'pong' })
  }
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('a server that talks is not asked', async () => {
  const line = await listening()
  for (let second = 0; second < 60; second += 10) {
    await line.clock.advance(10_000)
    line.server.socket.say({ type: 'peer-away', id: 'a' })
  }
  expect(line.server.socket.of('ping')).toEqual([])
})

// A server that goes

test('a server that shuts down is left at a moment of its time, and another one found', async () => {
  const line = await joined({ random: () => 0.25 })
  line.server.socket.say({ type: 'reconnect', reason: 'drain', withinMs: 12_000 })
  await line.clock.advance(2_999)
  expect(line.status().status).toBe('joined')
  await line.clock.advance(1)
  expect(line.status()).toMatchObject({ status: 'reconnecting', error: { code: 'draining' }, retryInMs: 125 })
  expect(line.server.socket.closedWith).toBe(3001)
  await line.clock.advance(125)
  await line.server.welcome({ resumed: true })
  expect(line.status()).toEqual({ status: 'joined' })
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
  })
  const statuses: StatusEvent[] = []
  signaling.on('status', (event) => statuses.push(event))
  signaling.start()
  await settle()
  expect(last(statuses).error?.code).not.toBe('token-failed')
  expect(last(statuses).error?.message).toContain('insecure WebSocket')
})

test.each<[string, (line: Line) => void]>([
  ['the token never comes', () => undefined],
  ['the socket never opens', () => undefined],
])('joining is given up in time even where %s', async (what) => {
  const options = what.includes('token') ? { token: () => new Promise<string>(() => undefined) } : {}
  const line = await started({ joinTimeoutMs: 2_000, ...options })
  line.server.answer = () => new Promise(() => undefined)
  await line.clock.advance(2_000)
  expect(line.statuses).toMatchObject([{ status: 'failed' }])
  await expectSilence(line)
})

test('a server that gives out no tokens is asked once', async () => {
  const world = newWorld()
  world.server.answer = () => problem(404, { code: 'not-found', message: 'Nothing is here.' })
  const endpoint = endpointOf('https://rtc.example.org', 'standup')
  const source = tokenSource(undefined, endpoint, world.environment)
  const signaling = new Signaling({
    endpoint,
    token: source,
    features: [],
    environment: world.environment,
    joinTimeoutMs: 10_000,
  })
  signaling.start()
  await settle()
  expect(world.server.requests).toHaveLength(1)
})
