import { expect, test } from 'vitest'
import { CLOSE_CODES, type CloseCode } from '../src/generated/wire.ts'
import { settle } from './support/clock.ts'
import { comeBack, expectSilence, joined, type Line, started, tokens } from './support/line.ts'
import { problem } from './support/server.ts'

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

test.each([...codes.filter((code) => CLOSE_CODES[code].reconnect === 'yes'), ...byProxies, 1005, 1006, 1015, 3999, 4999])(
  'after close code %i it comes back soon, with its session',
  async (code) => {
    const line = await joined()
    line.server.socket.drop(code)
    await settle()
    expect(line.status()).toMatchObject({ status: 'reconnecting', retryInMs: 250, error: { retryable: true } })
    await line.clock.advance(250)
    line.server.socket.open()
    expect(line.server.socket.of('hello')).toMatchObject([{ resume: 'cmVzdW1lLXRva2VuLWV4YW1wbGU' }])
  },
)

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

const explained = codes.flatMap((code) => (CLOSE_CODES[code].errors ?? []).map((error) => ({ code, error })))

// That of another version is said in this client's words: versions.test.ts.
test.each(explained.filter(({ error }) => error !== 'protocol-unsupported'))(
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
