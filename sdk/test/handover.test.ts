import { expect, test } from 'vitest'
import { settle } from './support/clock.ts'
import { expectSilence, joined, type Line, type LineOptions, tokens } from './support/line.ts'
import { at, last } from './support/lists.ts'
import { problem, welcome } from './support/server.ts'

const RESUME = 'cmVzdW1lLXRva2VuLWV4YW1wbGU'

/** A line whose server goes, and which will try to leave it in a second and a half: at a quarter of three quarters of the time. */
async function hinted(options: LineOptions = {}): Promise<Line> {
  const line = await joined({ random: () => 0.25, ...options })
  await line.clock.advance(6_000)
  line.server.socket.say({ type: 'reconnect', reason: 'drain', withinMs: 8_000 })
  return line
}

/** The same, when the next connection is on its way. */
async function trying(options?: LineOptions): Promise<Line> {
  const line = await hinted(options)
  await line.clock.advance(1_500)
  expect(line.server.sockets).toHaveLength(2)
  return line
}

/** The same, when the next connection was refused, because the server shuts down and no other has taken its place yet. */
async function refused(options?: LineOptions): Promise<Line> {
  const line = await trying(options)
  line.server.answer = () => problem(503, { code: 'draining', message: 'Bye.', retryAfterMs: 3_000 })
  line.server.socket.drop(1006)
  await settle()
  return line
}

// Make before break

test('a server that goes is asked for the next connection at a moment of its time, with the session', async () => {
  const line = await hinted()
  await line.clock.advance(1_499)
  expect(line.server.sockets).toHaveLength(1)
  await line.clock.advance(1)
  expect(tokens(line)).toEqual(['token1', 'token2'])
  line.server.socket.open()
  expect(line.server.socket.of('hello')).toMatchObject([{ resume: RESUME }])
})

test('until the next connection stands the old one is used', async () => {
  const line = await trying()
  const [old, next] = [at(line.server.sockets, 0), line.server.socket]
  next.open()
  expect(line.signaling.send({ type: 'check', id: 'a' })).toBe(true)
  expect(last(old.sent)).toEqual({ type: 'check', id: 'a' })
  old.say({ type: 'peer-away', id: 'a' })
  expect(line.messages).toEqual([{ type: 'peer-away', id: 'a' }])
  expect(old.closedWith).toBeUndefined()
})

test('when it stands it takes over in one step, and the status stays what it is', async () => {
  const line = await trying()
  const [old, next] = [at(line.server.sockets, 0), line.server.socket]
  const steps: unknown[] = []
  const send = (): boolean => line.signaling.send({ type: 'check', id: 'a' })
  line.signaling.on('lost', () => steps.push('lost', old.closedWith, send()))
  line.signaling.on('welcome', () => steps.push('welcome', send(), last(next.sent).type))
  await line.server.welcome({ resumed: true })
  expect(steps).toEqual(['lost', 3001, false, 'welcome', true, 'check'])
  old.say({ type: 'peer-away', id: 'a' })
  old.drop(4419)
  await line.clock.advance(60_000)
  expect(line.messages.filter(({ type }) => type === 'peer-away')).toEqual([])
  expect(line.statuses).toEqual([{ status: 'joined' }])
  expect(line.server.sockets).toHaveLength(2)
})

test('an attempt that is refused is made again in the server’s time, as long as the old connection stands', async () => {
  const line = await refused()
  for (const [sockets, wait] of [
    [3, 3_000 + 125],
    [4, 3_000 + 250],
  ] as const) {
    await line.clock.advance(wait - 1)
    expect(line.server.sockets).toHaveLength(sockets - 1)
    await line.clock.advance(1)
    expect(line.server.sockets).toHaveLength(sockets)
    line.server.socket.drop(1006)
    await settle()
  }
  expect(line.signaling.send({ type: 'check', id: 'a' })).toBe(true)
  expect(line.lost()).toBe(0)
  await line.clock.advance(3_500)
  await line.server.welcome({ resumed: true })
  expect(at(line.server.sockets, 0).closedWith).toBe(3001)
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('as long as the old connection stands no refusal is final', async () => {
  const line = await trying()
  line.server.answer = () => problem(403, { code: 'forbidden', message: 'No.' })
  line.server.socket.drop(1006)
  await line.clock.advance(125)
  expect(line.server.sockets).toHaveLength(3)
  expect(line.statuses).toEqual([{ status: 'joined' }])
  at(line.server.sockets, 0).drop(1012)
  line.server.socket.drop(1006)
  await settle()
  expect(line.status()).toMatchObject({ status: 'failed', error: { code: 'forbidden' } })
  await expectSilence(line)
})

test('a token that was given as text and has expired is not the end before that of the old connection', async () => {
  const line = await trying({ token: 'fixed' })
  line.server.socket.open()
  line.server.socket.drop(4401)
  await line.clock.advance(125)
  expect(line.server.sockets).toHaveLength(3)
  at(line.server.sockets, 0).drop(4401)
  line.server.socket.open()
  line.server.socket.drop(4401)
  expect(line.status()).toMatchObject({ status: 'failed' })
})

test('an old connection that breaks meanwhile leaves the attempt on its way alone', async () => {
  const line = await trying()
  at(line.server.sockets, 0).drop(1012)
  expect(line.status()).toMatchObject({ status: 'reconnecting', error: { message: 'The connection closed with 1012.' } })
  expect(line.lost()).toBe(1)
  await line.clock.advance(5_000)
  expect(line.server.sockets).toHaveLength(2)
  await line.server.welcome({ resumed: true })
  expect(line.status()).toEqual({ status: 'joined' })
  expect(line.lost()).toBe(1)
})

test('an old connection that breaks between two attempts leaves the wait as it is', async () => {
  const line = await refused()
  await line.clock.advance(1_000)
  at(line.server.sockets, 0).drop(1012)
  expect(line.status()).toMatchObject({ status: 'reconnecting', retryInMs: 2_125 })
  await line.clock.advance(2_124)
  expect(line.server.sockets).toHaveLength(2)
  await line.clock.advance(1)
  expect(line.server.sockets).toHaveLength(3)
})

test('an old connection whose token has expired between two attempts needs a new one at once', async () => {
  const line = await refused()
  at(line.server.sockets, 0).drop(4401)
  await settle()
  expect(tokens(line)).toEqual(['token1', 'token2', 'token3'])
})

test('a server that goes sooner than it said is followed at once', async () => {
  const line = await hinted()
  await line.clock.advance(1_000)
  line.server.socket.drop(1012)
  await settle()
  expect(line.status()).toMatchObject({ status: 'reconnecting', error: { retryable: true } })
  expect(line.status().retryInMs).toBeUndefined()
  expect(line.server.sockets).toHaveLength(2)
})

test('a server that has too much to do is not followed at once', async () => {
  const line = await hinted()
  line.server.socket.drop(1013)
  await settle()
  expect(line.status().retryInMs).toBe(1_000)
})

test('a refusal that will not go away ends the attempt too', async () => {
  const line = await trying()
  at(line.server.sockets, 0).drop(4410)
  expect(line.status()).toMatchObject({ status: 'failed' })
  expect(line.server.socket.closedWith).toBe(3001)
  await expectSilence(line)
})

test('a server that says it twice is tried once', async () => {
  const line = await hinted()
  line.server.socket.say({ type: 'reconnect', reason: 'drain', withinMs: 8_000 })
  await line.clock.advance(2_000)
  at(line.server.sockets, 0).say({ type: 'reconnect', reason: 'drain', withinMs: 0 })
  await line.clock.advance(4_000)
  expect(line.server.sockets).toHaveLength(2)
})

test('a server that says it to everybody who comes is not hammered', async () => {
  const line = await joined()
  for (let tenth = 0; tenth < 50; tenth += 1) {
    line.server.socket.say({ type: 'reconnect', reason: 'drain', withinMs: 0 })
    await line.clock.advance(100)
    await line.server.welcome({ resumed: true })
  }
  expect(line.server.sockets).toHaveLength(6)
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('the resume token that came last counts, on whatever connection', async () => {
  const line = await trying()
  at(line.server.sockets, 0).say({ type: 'resume', token: 'newer' })
  line.server.socket.open()
  expect(line.server.socket.of('hello')).toMatchObject([{ resume: 'newer' }])
})

test('leaving closes both', async () => {
  const line = await trying()
  line.signaling.leave()
  expect(line.server.sockets.map(({ closedWith }) => closedWith)).toEqual([1000, 1000])
  expect(at(line.server.sockets, 0).of('leave')).toHaveLength(1)
  await expectSilence(line)
})

test('whoever leaves at the sight of a welcome has left', async () => {
  const line = await trying()
  line.signaling.on('welcome', () => line.signaling.leave())
  await line.server.welcome({ resumed: true })
  expect(line.statuses).toEqual([{ status: 'joined' }, { status: 'left' }])
  await expectSilence(line)
})

// Superseded

test('being superseded by the attempt on its way is nothing that an application sees', async () => {
  const line = await trying()
  const [old, next] = [at(line.server.sockets, 0), line.server.socket]
  next.open()
  old.say({ type: 'error', code: 'superseded', message: 'A newer connection has taken over.' })
  old.drop(4419)
  expect(line.signaling.send({ type: 'check', id: 'a' })).toBe(false)
  next.say(welcome({ resumed: true }))
  expect(line.lost()).toBe(1)
  expect(line.statuses).toEqual([{ status: 'joined' }])
  expect(line.messages).toEqual([])
})

test('where that attempt fails all the same, it is seen', async () => {
  const line = await trying()
  at(line.server.sockets, 0).drop(4419)
  line.server.socket.open()
  line.server.socket.drop(1011)
  expect(line.status()).toMatchObject({ status: 'reconnecting', retryInMs: 125 })
})

test('the only connection that is superseded is resumed at once, but not again and again', async () => {
  const line = await joined()
  line.server.socket.drop(4419)
  await settle()
  expect(line.status().status).toBe('reconnecting')
  expect(line.server.sockets).toHaveLength(2)
  await line.server.welcome({ resumed: true })
  expect(line.server.socket.of('hello')).toMatchObject([{ resume: RESUME }])
  line.server.socket.drop(4419)
  await settle()
  expect(line.status().retryInMs).toBe(500)
  expect(line.server.sockets).toHaveLength(2)
})
