import { expect, test } from 'vitest'
import { SignalingClient } from '../src/client.ts'
import type { JoinOptions } from '../src/join.ts'
import { joinRoom } from '../src/join.ts'
import { type NegotiationLink, negotiate } from '../src/negotiate.ts'
import { joinAlone } from './support/alone.ts'
import { FakePeerConnection } from './support/connection.ts'
import { callFrom, join, type Party } from './support/party.ts'
import { wirePeer } from './support/server.ts'
import { newWorld } from './support/world.ts'

// Joining

const OPTIONS = 'room, token, joinTimeoutMs, transport, signal, WebSocket, environment, connect, layout, rtc, codecs'

test.each<[unknown, string]>([
  [undefined, '`options` must be an object, not undefined.'],
  ['standup', '`options` must be an object, not "standup".'],
  [{}, '`room` must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not undefined.'],
  [{ room: 5 }, '`room` must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not 5.'],
  [{ room: 'a room' }, '`room` must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not "a room".'],
  [{ room: 'a', token: {} }, '`token` must be a string or a function, not an object (Object).'],
  [{ room: 'a', connect: 'star' }, "`connect` must be 'mesh', 'manual' or a function, not \"star\"."],
  [{ room: 'a', joinTimeoutMs: '5' }, '`joinTimeoutMs` must be a number of milliseconds, not "5".'],
  [{ room: 'a', joinTimeoutMs: -1 }, '`joinTimeoutMs` must be a number of milliseconds, not -1.'],
  [{ room: 'a', transport: 'carrier pigeon' }, "`transport` must be 'auto', 'websocket' or 'sse', not \"carrier pigeon\"."],
  [{ room: 'a', rtc: [] }, '`rtc` must be an object, not an array.'],
  [{ room: 'a', codecs: 7 }, '`codecs` must be an object, not 7.'],
  [{ room: 'a', signal: new AbortController() }, '`signal` must be an `AbortSignal`, not an object (AbortController).'],
  [{ room: 'a', WebSocket: 'ws' }, '`WebSocket` must be a class, not "ws".'],
  [{ room: 'a', WebSocket: () => 1 }, '`WebSocket` must be a class, not a function.'],
  [{ room: 'a', joinTimeoutMs: null }, '`joinTimeoutMs` must be a number of milliseconds, not null.'],
  [{ room: 'a', environment: { clock: 5 } }, '`environment.clock.after` must be a function, not undefined.'],
  [{ room: 'a', environment: { fetch: 5 } }, '`environment.fetch` must be a function, not 5.'],
  [{ room: 'a', tokn: 'x' }, `\`options\` must be made of ${OPTIONS}, not "tokn".`],
  [{ room: 'a', conect: 'mesh' }, `\`options\` must be made of ${OPTIONS}, not "conect".`],
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
    message: expect.stringContaining('`url` must be a URL of http or ws, not'),
  })
})

test.each([{ iceServers: 'stun:x' }, { iceTransportPolicy: 'relays' }])(
  'what a browser says of `rtc: %j` it says at once',
  async (rtc) => {
    const said = new TypeError('The provided value is not valid.')
    const world = newWorld({
      createConnection: () => {
        throw said
      },
    })
    const joining = joinRoom('https://x.org', {
      room: 'a',
      rtc: rtc as unknown as RTCConfiguration,
      environment: world.environment,
    })
    await expect(joining).rejects.toMatchObject({
      code: 'invalid-option',
      message: 'The browser does not take `rtc`: The provided value is not valid.',
      cause: said,
    })
    expect(world.server.sockets).toEqual([])
  },
)

test('a room without calls knows no options of calls, and is told of misspelt ones', async () => {
  const { environment } = newWorld()
  for (const more of [{ connect: 'mesh' }, { tokn: 'x' }]) {
    await expect(SignalingClient.join('https://x.org', { room: 'a', environment, ...more })).rejects.toMatchObject({
      code: 'invalid-option',
      message: `\`options\` must be made of room, token, joinTimeoutMs, transport, signal, WebSocket, environment, not "${Object.keys(more)}".`,
    })
  }
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
  [
    'room.unpublish',
    ({ room }) => room.unpublish('camera' as never),
    '`source` must be a `MediaStream` or a `MediaStreamTrack`, not "camera".',
  ],
  [
    'room.unpublish',
    ({ room }) => room.unpublish({} as never),
    '`source` must be a `MediaStream` or a `MediaStreamTrack`, not an object (Object).',
  ],
  ['room.publish', ({ room }) => room.publish({}, null as never), '`options` must be an object, not null.'],
  ['room.publish', ({ room }) => room.publish({}, { sginal: 1 } as never), '`options` must be made of signal, not "sginal".'],
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
  [
    'room.setCamera',
    ({ room }) => room.setCamera([] as never),
    '`choice` must be `true`, `false`, the id of a device, or constraints, not an array.',
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
  [
    'room.channel',
    ({ room }) => room.channel('a', { orderd: true } as never),
    '`options` must be made of ordered, maxPacketLifeTime, maxRetransmits, not "orderd".',
  ],
  ['channel.send', ({ room }) => room.channel().send('x', null as never), '`options` must be an object, not null.'],
  ['channel.send', ({ room }) => room.channel().send('x', { too: 'b' } as never), '`options` must be made of to, not "too".'],
  ['channel.drained', ({ room }) => room.channel().drained(null as never), '`options` must be an object, not null.'],
  [
    'channel.drained',
    ({ room }) => room.channel().drained({ belw: 1 } as never),
    '`options` must be made of below, signal, not "belw".',
  ],
  ['room.setAttributes', ({ room }) => room.setAttributes([] as never), '`attributes` must be an object, not an array.'],
  ['room.setAttributes', ({ room }) => room.setAttributes({ a: () => 1 } as never), '`attributes` must be JSON: no function'],
  ['room.send', ({ room }) => room.send({ a: [() => 1] }), '`data` must be JSON: no function'],
  [
    'room.send',
    ({ room, peer }) => (room.send as (...all: unknown[]) => unknown)('x', { to: peer('b') }),
    '`options` must be left out',
  ],
  ['room.send', ({ room }) => room.send(undefined), '`data` must be JSON'],
  [
    'peer.send',
    ({ peer }) => peer('b').send(() => 1),
    '`data` must be JSON: no function, no `BigInt`, and nothing that contains itself, not a function.',
  ],
  ['peer.connect', ({ peer }) => peer('b').connect(null as never), '`options` must be an object, not null.'],
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

const link: NegotiationLink = { polite: true, send: () => undefined }

test.each<[unknown, string]>([
  [undefined, '`link` must be an object, not undefined.'],
  ...['beforeAnswer', 'onError', 'onBroken', 'reachable', 'onStep'].map((name): [unknown, string] => [
    { ...link, [name]: 5 },
    `\`link.${name}\` must be a function, not 5.`,
  ]),
  [{ ...link, clock: 5 }, '`link.clock.after` must be a function, not undefined.'],
  [{ ...link, numbered: 'x' }, '`link.numbered` must be `true` or `false`, not "x".'],
  [{ send: () => undefined }, '`link.polite` must be `true` on one side and `false` on the other, not undefined.'],
  [{ polite: true, send: 'post' }, '`link.send` must be a function, not "post".'],
])('negotiate(pc, %j) says: %s', (link, message) => {
  const pc = new FakePeerConnection().asBrowsers()
  expect(() => negotiate(pc, link as NegotiationLink)).toThrow(expect.objectContaining({ code: 'invalid-option', message }))
})

test.each([null, undefined, {}, 5])('negotiate(%j, link) says what it needs', (pc) => {
  expect(() => negotiate(pc as never, link)).toThrow(
    expect.objectContaining({
      code: 'invalid-option',
      message: expect.stringContaining('`pc` must be an `RTCPeerConnection`, not'),
    }),
  )
})

test('a link may be an object of a class, with what else that needs', () => {
  class Link {
    readonly polite = true
    readonly port: unknown = undefined
    send(): void {}
    onError(): void {}
  }
  expect(() => negotiate(new FakePeerConnection().asBrowsers(), new Link()).close()).not.toThrow()
})

test.each<[unknown, string]>([
  [null, '`message` must be an object, not null.'],
  ['{"type":"offer"}', '`message` must be an object, not "{\\"type\\":\\"offer\\"}".'],
  [{ type: 'ofer' }, '`message.type` must be `offer`, `answer`, `ice-candidate`, `restart` or `nack`, not "ofer".'],
])('negotiation.receive(%j) tells `onError`', async (message, words) => {
  const errors: unknown[] = []
  const negotiation = negotiate(new FakePeerConnection().asBrowsers(), { ...link, onError: (error) => errors.push(error) })
  await negotiation.receive(message as never)
  expect(errors).toMatchObject([{ code: 'invalid-option', message: words }])
  negotiation.close()
})

// Without calls

test.each<[string, (client: SignalingClient) => Promise<void>, object]>([
  [
    'send to a number',
    (client) => client.send(5 as never, 'x'),
    { code: 'invalid-option', message: '`to` must be an id in `client.peers`, not 5.' },
  ],
  [
    'send to a peer',
    (client) => client.send({ id: 'b' } as never, 'x'),
    { code: 'invalid-option', message: '`to` must be an id in `client.peers`, not an object (Object).' },
  ],
  [
    'signal to nobody',
    (client) => client.signal(undefined as never, { type: 'restart' }),
    { code: 'invalid-option', message: '`to` must be an id in `client.peers`, not undefined.' },
  ],
  [
    'send to a stranger',
    (client) => client.send('nope', 'x'),
    {
      code: 'peer-closed',
      message: 'nope is not in the room.',
      outcome: 'not-delivered',
      hint: expect.not.stringContaining('peer.connect'),
    },
  ],
  [
    'signal what there is not',
    (client) => client.signal('b', { type: 'ofer' } as never),
    { code: 'invalid-option', message: '`signal.type` must be that of a `PeerSignal`, not "ofer".' },
  ],
])('client: %s', async (_, call, error) => {
  const { client } = await joinAlone({ peers: [wirePeer('b')] })
  await expect(call(client)).rejects.toMatchObject(error)
})
