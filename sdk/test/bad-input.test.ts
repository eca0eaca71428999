import { expect, test } from 'vitest'
import type { JoinOptions } from '../src/join.ts'
import { joinRoom } from '../src/join.ts'
import { type NegotiationLink, negotiate } from '../src/negotiate.ts'
import { FakePeerConnection } from './support/connection.ts'
import { callFrom, join, type Party } from './support/party.ts'
import { wirePeer } from './support/server.ts'
import { newWorld } from './support/world.ts'

// Joining

test.each<[unknown, string]>([
  [undefined, '`options` must be an object, not undefined.'],
  ['standup', '`options` must be an object, not "standup".'],
  [{}, '`room` must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not undefined.'],
  [{ room: 'a room' }, '`room` must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not "a room".'],
  [{ room: 'a', token: {} }, '`token` must be a string or a function, not an object (Object).'],
  [{ room: 'a', connect: 'star' }, "`connect` must be 'mesh', 'manual' or a function, not \"star\"."],
  [{ room: 'a', joinTimeoutMs: '5' }, '`joinTimeoutMs` must be a number of milliseconds, not "5".'],
  [{ room: 'a', joinTimeoutMs: -1 }, '`joinTimeoutMs` must be a number of milliseconds, not -1.'],
  [{ room: 'a', transport: 'carrier pigeon' }, "`transport` must be 'auto', 'websocket' or 'sse', not \"carrier pigeon\"."],
  [{ room: 'a', rtc: [] }, '`rtc` must be an object, not an array.'],
  [{ room: 'a', codecs: 7 }, '`codecs` must be an object, not 7.'],
  [{ room: 'a', signal: new AbortController() }, '`signal` must be an `AbortSignal`, not an object (AbortController).'],
  [{ room: 'a', WebSocket: 'ws' }, '`WebSocket` must be a function, not "ws".'],
  [{ room: 'a', environment: null }, '`environment` must be an object, not null.'],
])('joinRoom(url, %j) says: %s', async (options, message) => {
  const world = newWorld()
  const whole = typeof options === 'object' ? { environment: world.environment, ...options } : options
  await expect(joinRoom('https://x.org', whole as JoinOptions)).rejects.toMatchObject({ code: 'invalid-option', message })
  expect(world.server.sockets).toEqual([])
})

test.each([[undefined], ['ftp://x.org'], ['x.org'], [7]])('joinRoom(%j) says what a URL begins with', async (url) => {
  const { environment } = newWorld()
  const joining = joinRoom(url as string, { room: 'a', environment })
  await expect(joining).rejects.toMatchObject({
    code: 'invalid-option',
    message: expect.stringContaining('`url` must begin with http or ws'),
  })
})

// In the room

const calls: [string, (party: Party) => unknown, string][] = [
  ['room.on', ({ room }) => room.on('track', 'show' as never), '`listener` must be a function, not "show".'],
  ['room.subscribe', ({ room }) => room.subscribe({} as never), '`listener` must be a function, not an object (Object).'],
  [
    'room.publish',
    ({ room }) => room.publish(undefined as never),
    '`source` must be a `MediaStream`, a `MediaStreamTrack` or constraints',
  ],
  ['room.publish', ({ room }) => room.publish({}, { signal: 1 as never }), '`signal` must be an `AbortSignal`, not 1.'],
  ['room.unpublish', ({ room }) => room.unpublish('camera' as never), '`source` must be an object, not "camera".'],
  [
    'room.setCamera',
    ({ room }) => room.setCamera(7 as never),
    '`choice` must be `true`, `false`, the id of a device, or constraints, not 7.',
  ],
  [
    'room.setCamera',
    ({ room }) => room.setCamera(''),
    '`choice` must be `true`, `false`, the id of a device, or constraints, not "".',
  ],
  ['room.setMicrophone', ({ room }) => room.setMicrophone(undefined as never), '`choice` must be'],
  ['room.shareScreen', ({ room }) => room.shareScreen('window' as never), '`options` must be an object, not "window".'],
  ['room.channel', ({ room }) => room.channel(7 as never), '`name` must be text of at most 65535 bytes, not 7.'],
  ['room.channel', ({ room }) => room.channel('x'.repeat(65_536)), '`name` must be text of at most 65535 bytes'],
  ['room.channel', ({ room }) => room.channel('a', 'ordered' as never), '`options` must be an object, not "ordered".'],
  ['room.channel', ({ room }) => room.channel('a', { ordered: 1 as never }), '`ordered` must be `true` or `false`, not 1.'],
  [
    'room.channel',
    ({ room }) => room.channel('a', { maxRetransmits: -1 }),
    '`maxRetransmits` must be a whole number up to 65535, not -1.',
  ],
  [
    'room.channel',
    ({ room }) => room.channel('a', { maxPacketLifeTime: 1.5 }),
    '`maxPacketLifeTime` must be a whole number up to 65535, not 1.5.',
  ],
  [
    'room.channel',
    ({ room }) => room.channel('a', { maxPacketLifeTime: 1, maxRetransmits: 1 }),
    '`maxRetransmits` must be left out where there is a `maxPacketLifeTime`, not 1.',
  ],
  [
    'channel.send',
    ({ room }) => room.channel().send({ x: 1 } as never),
    '`data` must be text, an `ArrayBuffer` or a view of one, not an object',
  ],
  ['channel.send', ({ room }) => room.channel().send('x', { to: 'b' as never }), '`to` must be peers of the room, not "b".'],
  ['channel.drained', ({ room }) => room.channel().drained({ below: -1 }), '`below` must be a number of bytes, not -1.'],
  ['channel.drained', ({ room }) => room.channel().drained({ signal: {} as never }), '`signal` must be an `AbortSignal`'],
  ['room.setAttributes', ({ room }) => room.setAttributes([] as never), '`attributes` must be an object, not an array.'],
  ['room.send', ({ room }) => room.send(undefined), '`data` must be JSON'],
  [
    'peer.send',
    ({ peer }) => peer('b').send(() => 1),
    '`data` must be JSON: no function, no `BigInt`, and nothing that contains itself, not a function.',
  ],
  ['peer.connect', ({ peer }) => peer('b').connect({ signal: 'x' as never }), '`signal` must be an `AbortSignal`, not "x".'],
  ['peer.hangup', ({ peer }) => peer('b').hangup('x'.repeat(257)), '`reason` must be text of at most 256 bytes'],
  ['peer.hangup', ({ peer }) => peer('b').hangup(7 as never), '`reason` must be text of at most 256 bytes, not 7.'],
]

test.each(calls)('%s is told what is wrong: %#', async (_, call, message) => {
  const party = await join({ peers: [wirePeer('b')] })
  await callFrom(party, 'b')
  let thrown: unknown
  try {
    await call(party)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toMatchObject({ code: 'invalid-option', message: expect.stringContaining(message) })
})

// Negotiation alone

test.each<[unknown, string]>([
  [undefined, '`link` must be an object, not undefined.'],
  [{ send: () => undefined }, '`link.polite` must be `true` on one side and `false` on the other, not undefined.'],
  [{ polite: true, send: 'post' }, '`link.send` must be a function, not "post".'],
])('negotiate(pc, %j) says: %s', (link, message) => {
  const pc = new FakePeerConnection().asBrowsers()
  expect(() => negotiate(pc, link as NegotiationLink)).toThrow(expect.objectContaining({ code: 'invalid-option', message }))
})
