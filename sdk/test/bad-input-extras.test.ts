/** What is handed in wrong to the entries beside the room: each says which option, what it must be, and what was found. */

import { expect, test } from 'vitest'
import { diagnose } from '../src/diagnose.ts'
import { answer, invite } from '../src/manual/index.ts'
import { drawQr, readQr, scanQr } from '../src/manual/qr.ts'
import { createTestServer, TestClock } from '../src/testing/index.ts'

type Row = readonly [options: unknown, message: string]

/** What any list of ICE servers must be. */
const SERVERS: readonly Row[] = [
  ['stun:x', 'must be a list of objects with `urls`, not "stun:x".'],
  [[5], '[0]` must be an object, not 5.'],
  [[{ url: 'stun:x' }], '[0].urls` must be URLs that begin with stun:, stuns:, turn: or turns:, not undefined.'],
  [[{ urls: [] }], '[0].urls` must be URLs that begin with stun:, stuns:, turn: or turns:, not an array.'],
  [
    [{ urls: 'stun:x' }, { urls: 'http://x' }],
    '[1].urls` must be URLs that begin with stun:, stuns:, turn: or turns:, not "http://x".',
  ],
  [[{ urls: ['stun:x', 'turn:x'], credential: 'c' }], '[0].username` must be a string, for turn:x, not undefined.'],
  [[{ urls: 'turns:x', username: 'u' }], '[0].credential` must be a string, for turns:x, not undefined.'],
]

const named = (name: string): Row[] => SERVERS.map(([servers, message]) => [{ [name]: servers }, message])

/** What more than one entry has. */
const COMMON: readonly Row[] = [
  [null, '`options` must be an object, not null.'],
  ['x', '`options` must be an object, not "x".'],
  [{ environment: 5 }, '`environment` must be an object, not 5.'],
  [{ environment: { clock: 5 } }, '`environment.clock.after` must be a function, not undefined.'],
  [{ environment: { fetch: 5 } }, '`environment.fetch` must be a function, not 5.'],
  [{ environment: { ftch: () => 1 } }, '`environment` must be made of clock, random, openSocket, fetch,'],
  [{ iceservers: [] }, '`options` must be made of'],
]

async function expectRefusal(run: () => unknown, message: string): Promise<void> {
  const error = await (async () => run())().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'AldisError', code: 'invalid-option', message: expect.stringContaining(message) })
}

test.each<Row>([
  ...COMMON,
  ...named('iceServers'),
  [{ room: 5 }, '`room` must be a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not 5.'],
  [{ token: 5 }, '`token` must be a string or a function, not 5.'],
  [{ devices: 'listen' }, "`devices` must be 'look' or 'ask', not \"listen\"."],
  [
    { divices: 'ask' },
    '`options` must be made of room, token, iceServers, devices, onProgress, signal, environment, not "divices".',
  ],
  [{ onProgress: 5 }, '`onProgress` must be a function, not 5.'],
  [{ signal: 5 }, '`signal` must be an `AbortSignal`, not 5.'],
  [{ environment: { page: 5 } }, '`environment.page` must be an object, not 5.'],
  [{ environment: { agent: 5 } }, '`environment.agent` must be a string, not 5.'],
])('diagnose(url, %j) says: %s', (options, message) => expectRefusal(() => diagnose('https://x.org', options as never), message))

const MANUAL: readonly Row[] = [
  ...COMMON,
  [{ rtc: 5 }, '`rtc` must be an object, not 5.'],
  [{ signal: 5 }, '`signal` must be an `AbortSignal`, not 5.'],
  ...['x', Number.NaN, -5, null].map((gatherMs): Row => [{ gatherMs }, '`gatherMs` must be a number of milliseconds, not ']),
]

test.each(MANUAL)('invite(%j) and answer(text, it) say: %s', async (options, message) => {
  await expectRefusal(() => invite(options as never), message)
  await expectRefusal(() => answer('aldis1i.', options as never), message)
})

test.each([
  { iceServers: [{ urls: 'stun:localhost:1' }] },
  { rtc: { iceServers: [{ urls: 'stun:localhost:1' }] } },
  { rtc: { iceTransportPolicy: 'relays' as never } },
])('what only a browser knows of %j it says at once', async (given) => {
  const createConnection = (): never => {
    throw new SyntaxError("'stun:localhost:1' uses a port that is blocked.")
  }
  const options = { ...given, environment: { createConnection } }
  await expectRefusal(() => invite(options), "The browser makes no connection: 'stun:localhost:1' uses a port that is blocked.")
})

test('a call is told what is wrong', async () => {
  const call = await invite({ environment: createTestServer().environment })
  await expectRefusal(() => call.publish(5 as never), '`source` must be a `MediaStream`')
  await expectRefusal(() => call.unpublish({} as never), '`source` must be a `MediaStream` or a `MediaStreamTrack`')
  await expectRefusal(() => call.channel('a', { orderd: true } as never), 'not "orderd".')
  await expectRefusal(() => call.connected({ signal: 5 as never }), '`signal` must be an `AbortSignal`, not 5.')
  await expectRefusal(() => call.accept('x', { sginal: 1 } as never), '`options` must be made of signal, not "sginal".')
  await expectRefusal(() => call.close(5 as never), '`reason` must be text of at most 256 bytes, not 5.')
  call.close()
})

// Pictures

const video = { videoWidth: 0, videoHeight: 0 } as HTMLVideoElement

test.each<[string, () => unknown, string]>([
  ['drawQr of a number', () => drawQr(5 as never), '`text` must be a string, not 5.'],
  [
    'drawQr of a book',
    () => drawQr('x'.repeat(5_000)),
    '`text` must be short enough for a QR code, which holds up to 2953 bytes, not 5000 characters.',
  ],
  ['readQr of nothing', () => readQr(undefined as never), '`picture` must be an `ImageData`, not undefined.'],
  ['readQr of a number', () => readQr(5 as never), '`picture` must be an `ImageData`, not 5.'],
  ['readQr of half a picture', () => readQr({ width: 1, height: 1 } as never), '`picture` must be an `ImageData`, not an object'],
  ['scanQr of nothing', () => scanQr(undefined as never), '`video` must be a `<video>`, not undefined.'],
  ['scanQr of an image', () => scanQr({ naturalWidth: 7 } as never), '`video` must be a `<video>`, not an object'],
  ['scanQr with null', () => scanQr(video, null as never), '`options` must be an object, not null.'],
  ['scanQr with a number for a signal', () => scanQr(video, { signal: 5 as never }), '`signal` must be an `AbortSignal`, not 5.'],
  ['scanQr with a number for a wish', () => scanQr(video, { wanted: 5 as never }), '`wanted` must be a function, not 5.'],
  ['scanQr with a typo', () => scanQr(video, { wnted: 5 } as never), '`options` must be made of wanted, signal, not "wnted".'],
])('%s says what is wrong', (_, run, message) => expectRefusal(run, message))

// The server in memory

test.each<Row>([
  [null, '`options` must be an object, not null.'],
  [{ clock: 5 }, '`clock.after` must be a function, not undefined.'],
  [{ iceServers: 'x' }, '`iceServers` must be a list, not "x".'],
  [{ createConnection: 5 }, '`createConnection` must be a function, not 5.'],
  [{ clok: new TestClock() }, '`options` must be made of clock, createConnection, iceServers, not "clok".'],
])('createTestServer(%j) says: %s', (options, message) => expectRefusal(() => createTestServer(options as never), message))

type Server = { readonly [Name in keyof ReturnType<typeof createTestServer>]: (...all: unknown[]) => unknown }

test.each<[string, (server: Server) => unknown, string]>([
  ['options()', (server) => server.options(), '`options` must be an object, not undefined.'],
  ['options without identity', (server) => server.options({ room: 'x' }), '`identity` must be a string, not undefined.'],
  ['options without room', (server) => server.options({ identity: 'x' }), '`room` must be a string of 1 to 128 characters'],
  ['options with a typo', (server) => server.options({ room: 'x', identity: 'x', nam: 'y' }), 'not "nam".'],
  [
    'options with a wish',
    (server) => server.options({ room: 'x', identity: 'x', can: ['fly'] }),
    "`can` must be 'broadcast', 'message',",
  ],
  ['token without sub', (server) => server.token({ room: 'x' }), '`sub` must be a string, not undefined.'],
  ['peers', (server) => server.peers(5), '`room` must be a string of 1 to 128 characters'],
  ['cut', (server) => server.cut(5), '`who` must be a string, not 5.'],
  ['silence', (server) => server.silence(null), '`who` must be a string, not undefined.'],
  ['delay', (server) => server.delay(Number.NaN), '`ms` must be a number of milliseconds, not NaN.'],
  ['delay', (server) => server.delay('x'), '`ms` must be a number of milliseconds, not "x".'],
  ['delay', (server) => server.delay(-5), '`ms` must be a number of milliseconds, not -5.'],
  ['drop', (server) => server.drop('x'), '`count` must be a whole number, not "x".'],
  ['drop', (server) => server.drop(1, 5), '`who` must be a string, not 5.'],
  ['fail', (server) => server.fail('alice', 'xx'), '`code` must be one of bad-json, '],
  ['fail', (server) => server.fail(5, 'forbidden'), '`who` must be a string, not 5.'],
  ['refuse', (server) => server.refuse('room-ful'), '`code` must be one of bad-json, '],
  ['refuse', (server) => server.refuse('room-full', -1), '`times` must be a whole number, not -1.'],
  ['restart', (server) => server.restart('loose'), "`sessions` must be 'kept' or 'lost', not \"loose\"."],
  ['drain', (server) => server.drain('x'), '`withinMs` must be a number of milliseconds, not "x".'],
  ['kick', (server) => server.kick('alice', 5), '`reason` must be text of at most 256 bytes, not 5.'],
  ['full', (server) => server.full('standup', 1.5), '`peers` must be a whole number, not 1.5.'],
  ['advance', () => new TestClock().advance(-5), '`ms` must be a number of milliseconds, not -5.'],
  ['advance', () => new TestClock().advance(Number.NaN), '`ms` must be a number of milliseconds, not NaN.'],
])('the test server: %s says what is wrong: %#', (_, run, message) =>
  expectRefusal(() => run(createTestServer({ clock: new TestClock() }) as unknown as Server), message),
)
