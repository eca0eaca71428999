import { expect, test } from 'vitest'
import type { ClientMessage } from '../src/generated/wire.ts'
import { type Line, started } from './support/line.ts'

const heartbeat = { intervalMs: 15_000, timeoutMs: 10_000 }

async function listening(): Promise<Line> {
  const line = await started()
  line.server.answersPings = false
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

// What was sent and not answered

/** A signal of so many bytes. */
function offerOf(bytes: number): ClientMessage {
  return { type: 'offer', to: 'a', sdp: 'x'.repeat(bytes - JSON.stringify({ type: 'offer', to: 'a', sdp: '' }).length) }
}

test.each([
  [16_000, 2_000, 3_000],
  [64_000, 8_000, 9_000],
  [1_000_000, 12_000, 13_000],
])(
  'an answer to %i bytes has the time that a line of 64 kbit/s needs for them: %i ms, and then %i ms',
  async (bytes, ask, die) => {
    const line = await listening()
    line.signaling.send(offerOf(bytes))
    await line.clock.advance(ask - 1)
    expect(line.server.socket.of('ping')).toEqual([])
    await line.clock.advance(1)
    expect(line.server.socket.of('ping')).toHaveLength(1)
    await line.clock.advance(die - 1)
    expect(line.status().status).toBe('joined')
    await line.clock.advance(1)
    expect(line.status().status).toBe('reconnecting')
  },
)

test('what was answered is no longer on its way', async () => {
  const line = await listening()
  line.signaling.send(offerOf(64_000))
  line.server.socket.say({ type: 'pong' })
  line.signaling.send({ type: 'check', id: 'a' })
  await line.clock.advance(2_000)
  expect(line.server.socket.of('ping')).toHaveLength(1)
})

test('whoever sent something and has heard nothing for two seconds asks, and waits three more', async () => {
  const line = await listening()
  await line.clock.advance(5_000)
  line.signaling.send({ type: 'check', id: 'a' })
  await line.clock.advance(1_999)
  expect(line.server.socket.of('ping')).toEqual([])
  await line.clock.advance(1)
  expect(line.server.socket.of('ping')).toHaveLength(1)
  await line.clock.advance(2_999)
  expect(line.status().status).toBe('joined')
  await line.clock.advance(1)
  expect(line.status()).toMatchObject({ status: 'reconnecting', error: { code: 'timed-out' } })
})

test('whatever is heard after that is an answer', async () => {
  const line = await listening()
  line.signaling.send({ type: 'check', id: 'a' })
  await line.clock.advance(1_999)
  line.server.socket.say({ type: 'peer-away', id: 'b' })
  await line.clock.advance(14_999)
  expect(line.server.socket.of('ping')).toEqual([])
  line.signaling.send({ type: 'check', id: 'a' })
  await line.clock.advance(2_000)
  line.server.socket.say({ type: 'pong' })
  await line.clock.advance(10_000)
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('sending on does not put the question off', async () => {
  const line = await listening()
  for (let second = 0; second < 5; second += 1) {
    line.signaling.send({ type: 'check', id: 'a' })
    await line.clock.advance(1_000)
  }
  expect(line.server.socket.of('ping')).toHaveLength(1)
  expect(line.status().status).toBe('reconnecting')
})

test('a doubt shortens the wait for an answer that is asked for already; another doubt does not prolong it', async () => {
  const line = await listening()
  await line.clock.advance(15_000)
  line.signaling.hear('network-changed')
  await line.clock.advance(2_000)
  line.signaling.hear('online')
  expect(line.server.socket.of('ping')).toHaveLength(2)
  await line.clock.advance(999)
  expect(line.status().status).toBe('joined')
  await line.clock.advance(1)
  expect(line.status().status).toBe('reconnecting')
})

test('the watch ends with its connection', async () => {
  const line = await listening()
  line.signaling.send({ type: 'check', id: 'a' })
  line.signaling.hear('online')
  line.server.socket.drop(1006)
  expect(line.clock.planned).toBe(1)
  await line.clock.advance(250)
  await line.server.welcome({ heartbeat })
  await line.clock.advance(14_999)
  expect(line.status().status).toBe('joined')
  expect(line.server.socket.of('ping')).toEqual([])
})
