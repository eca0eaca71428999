import { expect, test } from 'vitest'
import type { PageEvent } from '../src/page.ts'
import { settle } from './support/clock.ts'
import { expectSilence, joined, type Line, type LineOptions, started } from './support/line.ts'
import { at, last } from './support/lists.ts'
import { join } from './support/party.ts'
import { problem, welcome } from './support/server.ts'

const BACK: readonly PageEvent[] = ['online', 'visible', 'network-changed', 'thawed']
const DOUBTS: readonly PageEvent[] = [...BACK, 'offline']

/** A line that has lost its connection and waits some seconds for the next attempt. */
async function waiting(options: LineOptions = {}): Promise<Line> {
  const line = await joined(options)
  await line.clock.advance(60_000)
  line.server.socket.drop(1013)
  expect(line.status().retryInMs).toBeGreaterThanOrEqual(2_000)
  return line
}

// While there is no connection

test.each(BACK)('%s: it is tried at once', async (event) => {
  const line = await waiting()
  line.signaling.hear(event)
  await line.clock.advance(0)
  expect(line.server.sockets).toHaveLength(2)
  await line.server.welcome({ resumed: true })
  await line.clock.advance(60_000)
  expect(line.server.sockets).toHaveLength(2)
})

test.each(['hidden', 'offline', 'frozen'] as const)('%s: it is tried when it is time', async (event) => {
  const line = await waiting()
  line.signaling.hear(event)
  await line.clock.advance(1_999)
  expect(line.server.sockets).toHaveLength(1)
  await line.clock.advance(1)
  expect(line.server.sockets).toHaveLength(2)
})

test.each(BACK)('%s: not before the server’s time', async (event) => {
  const line = await waiting()
  await line.clock.advance(2_000)
  line.server.answer = () => problem(503, { code: 'overloaded', message: 'Full.', retryAfterMs: 20_000 })
  line.server.socket.drop(1006)
  await settle()
  expect(line.status().retryInMs).toBeGreaterThan(20_000)
  line.signaling.hear(event)
  await line.clock.advance(19_999)
  expect(line.server.sockets).toHaveLength(2)
  await line.clock.advance(1)
  expect(line.server.sockets).toHaveLength(3)
})

test('an event of the page never makes a wait longer', async () => {
  const line = await joined()
  line.server.socket.drop(1006)
  line.signaling.hear('online')
  await line.clock.advance(249)
  expect(line.server.sockets).toHaveLength(1)
  await line.clock.advance(1)
  expect(line.server.sockets).toHaveLength(2)
})

test('a network that comes and goes makes one attempt a second at most, and the waits grow as ever', async () => {
  const line = await waiting({ random: () => 0.9 })
  for (let tenth = 0; tenth < 100; tenth += 1) {
    line.signaling.hear('online')
    await line.clock.advance(100)
    line.server.socket.drop(1006)
    await settle()
  }
  expect(line.server.sockets).toHaveLength(12)
  expect(line.status().retryInMs).toBe(13_500)
  line.signaling.hear('online')
  await line.clock.advance(1_000)
  await line.server.welcome({ resumed: true })
  await line.clock.advance(5_000)
  line.server.socket.drop(1006)
  expect(line.status().retryInMs).toBe(450)
})

test.each(BACK)('%s: an attempt that is on its way goes on, alone', async (event) => {
  const line = await started()
  line.signaling.hear(event)
  await line.clock.advance(1_000)
  expect(line.server.sockets).toHaveLength(1)
  await line.server.welcome()
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

const NETWORKS: readonly PageEvent[] = ['online', 'network-changed', 'thawed']

test.each(NETWORKS)('%s: an attempt that has not reached the server in a second is made again', async (event) => {
  const line = await started()
  await line.clock.advance(999)
  line.signaling.hear(event)
  expect(line.server.sockets).toHaveLength(1)
  await line.clock.advance(1)
  line.signaling.hear(event)
  await settle()
  expect(line.server.sockets.map(({ closedWith }) => closedWith)).toEqual([3001, undefined])
  await line.server.welcome()
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test.each(NETWORKS)('%s: so is one that asks why it did not', async (event) => {
  const line = await started()
  line.server.answer = () => new Promise(() => undefined)
  line.server.socket.drop(1006)
  await line.clock.advance(5_000)
  line.signaling.hear(event)
  await settle()
  expect(line.server.sockets).toHaveLength(2)
  await line.server.welcome()
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test.each(NETWORKS)('%s: one whose `welcome` is on its way goes on', async (event) => {
  const line = await started()
  line.server.socket.open()
  await line.clock.advance(5_000)
  line.signaling.hear(event)
  await settle()
  expect(line.server.sockets).toHaveLength(1)
})

test('visible: an attempt that takes its time goes on, since the network is the same', async () => {
  const line = await started()
  await line.clock.advance(5_000)
  line.signaling.hear('visible')
  await settle()
  expect(line.server.sockets).toHaveLength(1)
})

// While there is one

test.each(DOUBTS)('%s: a connection that stands is asked for a sign of life, and left without one', async (event) => {
  const line = await joined()
  line.server.answersPings = false
  line.signaling.hear(event)
  expect(line.server.socket.of('ping')).toHaveLength(1)
  await line.clock.advance(2_999)
  expect(line.status().status).toBe('joined')
  await line.clock.advance(1)
  expect(line.status()).toMatchObject({ status: 'reconnecting', error: { code: 'timed-out' } })
})

test.each(DOUBTS)('%s: a connection that answers stays', async (event) => {
  const line = await joined()
  line.signaling.hear(event)
  await line.clock.advance(10_000)
  expect(line.statuses).toEqual([{ status: 'joined' }])
  expect(line.server.sockets).toHaveLength(1)
})

test('a page that is hidden is asked nothing', async () => {
  const line = await joined()
  const { length } = line.server.socket.sent
  line.signaling.hear('hidden')
  expect(line.server.socket.sent).toHaveLength(length)
})

// Frozen

test('a page that is frozen says so, and is heard again when it thaws', async () => {
  const line = await joined()
  line.signaling.hear('frozen')
  expect(last(line.server.socket.sent)).toEqual({ type: 'frozen' })
  line.signaling.hear('thawed')
  expect(last(line.server.socket.sent)).toEqual({ type: 'ping' })
  expect(line.server.socket.closedWith).toBeUndefined()
})

test('a server that does not understand `frozen` is not told', async () => {
  const line = await started()
  await line.server.welcome({ features: ['resume'] })
  line.signaling.hear('frozen')
  expect(line.server.socket.of('frozen')).toEqual([])
})

test('what a server understands is asked of each connection anew', async () => {
  const line = await joined()
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  await line.server.welcome({ features: [] })
  line.signaling.hear('frozen')
  expect(line.server.socket.of('frozen')).toEqual([])
})

test('the time in which a page is frozen does not count', async () => {
  const party = await join()
  party.server.answersPings = false
  party.page('frozen')
  expect(party.clock.planned).toBe(0)
  await party.clock.advance(3_600_000)
  expect(party.room.status).toBe('joined')
  party.page('thawed')
  await party.clock.advance(2_999)
  expect(party.room.status).toBe('joined')
  await party.clock.advance(1)
  expect(party.room.status).toBe('reconnecting')
})

test('a page that was frozen while it waited tries at once when it thaws', async () => {
  const party = await join()
  await party.clock.advance(10_000)
  party.server.socket.drop(1013)
  party.page('frozen')
  await party.clock.advance(3_600_000)
  expect(party.server.sockets).toHaveLength(1)
  party.page('thawed')
  await party.clock.advance(0)
  expect(party.server.sockets).toHaveLength(2)
})

// The back/forward cache

test('a page in the back/forward cache has no connection, and resumes when it is back', async () => {
  const party = await join()
  await party.clock.advance(10_000)
  // In the order of Chromium.
  for (const event of ['stowed', 'hidden', 'frozen'] as const) party.page(event)
  expect(party.server.socket.closedWith).toBe(3001)
  expect(party.room.status).toBe('reconnecting')
  await party.clock.advance(20_000)
  expect(party.server.sockets).toHaveLength(1)
  for (const event of ['thawed', 'visible', 'thawed'] as const) party.page(event)
  await party.clock.advance(0)
  await party.server.welcome({ resumed: true })
  expect(party.server.sockets).toHaveLength(2)
  expect(party.server.socket.of('hello')).toMatchObject([{ resume: welcome().resume?.token }])
  expect(party.room.status).toBe('joined')
})

test('an attempt on its way is given up there, beside a connection that stands too', async () => {
  const line = await joined({ random: () => 0 })
  await line.clock.advance(10_000)
  line.server.socket.say({ type: 'reconnect', reason: 'drain', withinMs: 8_000 })
  await line.clock.advance(0)
  line.signaling.hear('stowed')
  expect(line.server.sockets.map(({ closedWith }) => closedWith)).toEqual([3001, 3001])
  expect(line.lost()).toBe(1)
  await line.clock.advance(3_600_000)
  expect(line.server.sockets).toHaveLength(2)
})

test('a page may be stowed before it has joined', async () => {
  const line = await started({ joinTimeoutMs: 60_000 })
  line.signaling.hear('stowed')
  expect(at(line.server.sockets, 0).closedWith).toBe(3001)
  line.signaling.hear('thawed')
  await line.clock.advance(1_000)
  await line.server.welcome()
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

// The end

test('a page that goes away leaves', async () => {
  const line = await joined()
  line.signaling.hear('left')
  expect(line.server.socket.of('leave')).toHaveLength(1)
  expect(line.status()).toEqual({ status: 'left' })
  await expectSilence(line)
})

test.each(['left', 'failed'] as const)('where the status is %s nothing brings it back', async (status) => {
  const line = await joined()
  if (status === 'left') line.signaling.leave()
  else line.server.socket.drop(4410)
  for (const event of [...DOUBTS, 'hidden', 'stowed', 'frozen', 'thawed'] as const) line.signaling.hear(event)
  expect(line.status().status).toBe(status)
  await expectSilence(line)
})
