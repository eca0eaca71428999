/** The server in memory, as an application's tests use it. */

import { expect, test } from 'vitest'
import { joinRoom } from '../src/join.ts'
import type { Room } from '../src/room.ts'
import { createTestServer, settle, TestClock, type TestServer } from '../src/testing/index.ts'
import './support/media.ts'
import './support/uncaught.ts'

/** A server on a clock of the test's, and who has joined there. */
async function meet(...identities: string[]): Promise<{ clock: TestClock; server: TestServer; rooms: Room[]; log: string[] }> {
  const clock = new TestClock()
  const server = createTestServer({ clock })
  const log: string[] = []
  const rooms: Room[] = []
  for (const identity of identities) {
    const room = await joinRoom(server.url, server.options({ room: 'standup', identity }))
    room.on('status', ({ status, error }) => log.push([identity, status, error?.code].filter(Boolean).join(' ')))
    room.on('peer-joined', ({ peer }) => log.push(`${identity} sees ${peer.identity} join`))
    room.on('peer-left', ({ peer, reason }) => log.push(`${identity} sees ${peer.identity} leave: ${reason}`))
    room.on('message', ({ peer, data }) => log.push(`${identity} hears ${peer.identity}: ${data}`))
    rooms.push(room)
  }
  await settle()
  await clock.advance(1_000)
  return { clock, server, rooms, log }
}

function peerOf(room: Room | undefined, identity: string) {
  const peer = [...(room?.peers.values() ?? [])].find((one) => one.identity === identity)
  if (peer === undefined) throw new Error(`${identity} is not in the room.`)
  return peer
}

test('those who join are connected, and their channels and tracks arrive', async () => {
  const { rooms, log, clock } = await meet('alice', 'bob')
  const [alice, bob] = rooms as [Room, Room]
  expect([peerOf(alice, 'bob').state, peerOf(bob, 'alice').state]).toEqual(['connected', 'connected'])
  expect([peerOf(alice, 'bob').polite, peerOf(bob, 'alice').polite]).toEqual([false, true])
  for (const room of [alice, bob]) room.channel('chat').on('message', ({ data, from }) => log.push(`${from.identity}: ${data}`))
  bob.on('track', ({ track, peer }) => log.push(`${peer.identity} sends ${track.kind}`))
  await clock.advance(100)
  bob.channel('chat').send('hello')
  await alice.publish({ audio: true, video: true })
  await clock.advance(100)
  expect(log).toEqual(['alice sees bob join', 'bob: hello', 'alice sends audio', 'alice sends video'])
})

test('a camera and a screen that are switched on and off come and go on the other side', async () => {
  const { rooms, log, clock } = await meet('alice', 'bob')
  const [alice, bob] = rooms as [Room, Room]
  bob.on('track', ({ track, stream }) => log.push(`${track.kind} in ${stream.id}`))
  bob.on('track-removed', ({ track, stream }) => log.push(`no ${track.kind} in ${stream.id}`))
  const camera = await alice.setCamera(true)
  await clock.advance(100)
  await alice.setCamera('another')
  await clock.advance(100)
  const screen = await alice.shareScreen()
  await clock.advance(100)
  alice.stopSharing()
  await clock.advance(100)
  expect(log.slice(1)).toEqual([`video in ${camera?.id}`, `video in ${screen.id}`, `no video in ${screen.id}`])
  const { peers } = await alice.stats()
  expect([...peers.values()].map(({ path }) => path?.relayed)).toEqual([false])
})

test('a room for data alone is laid out for it', async () => {
  const server = createTestServer({ clock: new TestClock() })
  const join = (identity: string) => joinRoom(server.url, { ...server.options({ room: 'standup', identity }), layout: 'data' })
  const [alice, bob] = [await join('alice'), await join('bob')]
  await settle()
  const { connection, state } = peerOf(alice, 'bob')
  expect([state, connection?.getTransceivers()]).toEqual(['connected', []])
  expect(alice.channel().send('hello')).toEqual([peerOf(alice, 'bob')])
  bob.leave()
})

test('a cut is survived, and what was sent meanwhile arrives once', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  const me = rooms[1]?.me.id
  // A blip is no event.
  rooms[0]?.on('peer-updated', ({ peer }) => log.push(`${peer.identity} is ${peer.presence}`))
  server.cut('bob')
  const sent = peerOf(rooms[0], 'bob').send('are you there?')
  await clock.advance(5_000)
  await sent
  expect(log.slice(1)).toEqual(['bob reconnecting server-unreachable', 'bob joined', 'bob hears alice: are you there?'])
  expect(rooms[1]?.me.id).toBe(me)
})

test('signals that are lost are sent again', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  server.drop(2, 'alice')
  const sent = [peerOf(rooms[0], 'bob').send('one'), peerOf(rooms[0], 'bob').send('two')]
  await clock.advance(10_000)
  await Promise.all(sent)
  expect(log.slice(1)).toEqual(['bob hears alice: one', 'bob hears alice: two'])
})

test('a silence is found out by both ends', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  server.silence('bob')
  await clock.advance(26_000)
  expect(log.slice(1)).toEqual(['bob reconnecting timed-out', 'bob joined'])
  expect(peerOf(rooms[0], 'bob').presence).toBe('here')
})

test('who does not come back leaves after 30 s', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  peerOf(rooms[0], 'bob').hangup()
  await clock.advance(100)
  server.refuse('overloaded', 100)
  server.cut('bob')
  await clock.advance(2_000)
  expect(peerOf(rooms[0], 'bob').presence).toBe('away')
  await clock.advance(28_000)
  expect(log.at(-1)).toBe('alice sees bob leave: timeout')
  expect(server.peers('standup')).toEqual([rooms[0]?.me.id])
})

test.each(['kept', 'lost'] as const)('a restart whose sessions are %s', async (sessions) => {
  const { server, rooms, clock } = await meet('alice', 'bob')
  const before = rooms.map(({ me }) => me.id)
  server.restart(sessions)
  await clock.advance(10_000)
  const after = rooms.map(({ me }) => me.id)
  expect(after.map((id, at) => id === before[at])).toEqual(sessions === 'kept' ? [true, true] : [false, false])
  expect(peerOf(rooms[0], 'bob').state).toBe('connected')
})

test('a server that drains is left without a gap', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  server.drain(5_000)
  await clock.advance(10_000)
  expect(log).toEqual(['alice sees bob join'])
  expect(rooms.map(({ status }) => status)).toEqual(['joined', 'joined'])
})

test('whoever is removed has failed, and the others see why', async () => {
  const { server, log, clock } = await meet('alice', 'bob')
  server.kick('bob', 'spam')
  await clock.advance(100)
  expect(log.slice(1).sort()).toEqual(['alice sees bob leave: removed', 'bob failed removed'])
})

test('a token that expired is replaced, in time and too late', async () => {
  const { server, log, clock } = await meet('alice')
  server.warnOfToken('alice')
  await clock.advance(100)
  expect(log).toEqual([])
  server.expireToken('alice')
  await clock.advance(1_000)
  expect(log).toEqual(['alice reconnecting', 'alice joined'])
  await clock.advance(2 * 3_600_000)
  expect(log).toHaveLength(2)
})

test('a scripted error reaches whoever sends next', async () => {
  const { server, rooms, clock } = await meet('alice', 'bob')
  server.fail('alice', 'forbidden')
  const sent = peerOf(rooms[0], 'bob')
    .send('hello')
    .catch((error: unknown) => error)
  await clock.advance(1_000)
  expect(await sent).toMatchObject({ code: 'forbidden', outcome: 'not-delivered' })
})

test('a room that is full, a token that is none, and a server that takes nobody', async () => {
  const { server, clock } = await meet('alice')
  const join = (): Promise<unknown> =>
    joinRoom(server.url, server.options({ room: 'standup', identity: 'bob' })).catch((error: unknown) => error)
  server.full('standup')
  expect(await join()).toMatchObject({ code: 'room-full' })
  server.full('standup', 2)
  server.refuse('token-invalid', 2)
  expect(await join()).toMatchObject({ code: 'token-invalid' })
  server.refuse('overloaded')
  const joining = join()
  await clock.advance(5_000)
  expect(await joining).toMatchObject({ status: 'joined' })
  expect(() => server.cut('nobody')).toThrow('Nobody called nobody')
})

test('a delay delays, and keeps the order', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  server.delay(200)
  void peerOf(rooms[0], 'bob').send('slow')
  server.delay(0)
  void peerOf(rooms[0], 'bob').send('fast')
  await clock.advance(199)
  expect(log).toHaveLength(1)
  await clock.advance(300)
  expect(log.slice(1)).toEqual(['bob hears alice: slow', 'bob hears alice: fast'])
})

test('between peers, too, nothing may come through: the call is mended', async () => {
  const { server, rooms, log, clock } = await meet('alice', 'bob')
  rooms[0]?.on('peer-state', ({ state }) => log.push(state))
  server.network.cut()
  await clock.advance(1_000)
  server.network.mend()
  await clock.advance(5_000)
  expect(log.slice(1)).toEqual(['interrupted', 'connected'])
})

test('it works on the time of the system, too, and leaves nothing behind', async () => {
  const server = createTestServer()
  const rooms = await Promise.all(
    ['alice', 'bob'].map((identity) => joinRoom(server.url, server.options({ room: 'standup', identity }))),
  )
  await new Promise<void>((resolve) => rooms[0]?.channel().on('open', () => resolve()))
  for (const room of rooms) room.leave()
  await settle()
  expect(server.peers('standup')).toEqual([])
})

test('a token without an identity, of whoever made it, lets nobody in and harms nobody else', async () => {
  const { server, clock } = await meet('alice')
  const part = (value: object): string => btoa(JSON.stringify(value)).replace(/=+$/, '')
  const token = `${part({ alg: 'none', typ: 'JWT' })}.${part({ room: 'standup', exp: 4_000_000_000 })}.unsigned`
  const joining = joinRoom(server.url, { room: 'standup', token, environment: server.environment }).catch(
    (error: unknown) => error,
  )
  await clock.advance(1_000)
  expect(await joining).toMatchObject({ code: 'token-invalid' })
  expect(server.peers('standup')).toHaveLength(1)
})
