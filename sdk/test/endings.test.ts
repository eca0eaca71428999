import { expect, test } from 'vitest'
import { joinRoom } from '../src/join.ts'
import { settle } from './support/clock.ts'
import { FakeDataChannel } from './support/data-channel.ts'
import { FakeStream, type FakeTrack, tracks } from './support/media.ts'
import { answerFrom, callFrom, comeBack, join } from './support/party.ts'
import { problem, welcome, wirePeer } from './support/server.ts'
import { uncaughtDuring } from './support/uncaught.ts'
import { newWorld } from './support/world.ts'

const newcomer = (id: string): ReturnType<typeof wirePeer> => wirePeer(id, { polite: false })

test('a channel may be asked for after a call has ended', async () => {
  const party = await join({ peers: [newcomer('b')] })
  party.peer('b').hangup()
  expect(() => party.room.channel('chat')).not.toThrow()
})

test('the opening of a channel that the other side opened is told once', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const opened: string[] = []
  party.room.channel('chat').on('open', ({ peer }) => opened.push(peer.id))
  const connection = await callFrom(party, 'b')
  const theirs = new FakeDataChannel('chat')
  theirs.readyState = 'open'
  connection.offerChannel(theirs)
  await settle()
  theirs.open()
  await settle()
  expect(opened).toEqual(['b'])
})

test('after a session that could not go on, a peer that was connected is called again', async () => {
  const party = await join({ peers: [newcomer('b')] })
  await comeBack(party, { resumed: false, peers: [newcomer('b')] })
  expect(party.connections).toHaveLength(2)
  expect(party.offers()).toMatchObject([{ to: 'b', x: { g: 1 } }])
})

test('after a session that could not go on, connect() has an outcome', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  await comeBack(party, { resumed: false, peers: [wirePeer('b')] })
  let outcome = 'none'
  party
    .peer('b')
    .connect()
    .catch(() => {
      outcome = 'rejected'
    })
  await settle()
  expect(party.sentTo('b')).toEqual(['restart'])
  await party.clock.advance(20_000)
  expect(outcome).toBe('rejected')
})

test('new ICE servers are not given to a connection that has ended', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  await callFrom(party, 'b')
  party.peer('b').hangup()
  party
    .peer('b')
    .connect()
    .catch(() => undefined)
  const uncaught = await uncaughtDuring(() => {
    party.server.socket.say({ type: 'ice-servers', iceServers: [], iceCutsAtExpiry: false })
  })
  expect(uncaught).toEqual([])
})

test.each(['failed', 'connecting'] as const)('a call while the connection is %s has an outcome', async (state) => {
  const party = await join({ connect: 'manual', peers: [newcomer('b')] })
  party
    .peer('b')
    .connect()
    .catch(() => undefined)
  await answerFrom(party, 'b')
  if (state === 'failed') party.connection().become('failed')
  await party.clock.advance(16_000)
  // A call that does not come about has failed, too.
  expect(party.peer('b').state).toBe('failed')
  let outcome = 'none'
  party
    .peer('b')
    .connect()
    .catch(() => {
      outcome = 'rejected'
    })
  for (let n = 0; n < 6; n += 1) {
    await party.clock.advance(10_000)
    party.server.socket.say({ type: 'pong' })
  }
  expect(outcome).toBe('rejected')
})

test('leaving makes no connections', async () => {
  const party = await join({ peers: [...'abcd'].map(newcomer), welcome: { limits: { ...welcome().limits, pairsOpening: 1 } } })
  expect(party.connections).toHaveLength(1)
  party.room.leave()
  expect(party.connections).toHaveLength(1)
})

test.each(['the peer', 'this side'])('calling after %s has left is refused at once', async (who) => {
  const party = await join({ connect: 'manual', peers: [newcomer('b')] })
  const b = party.peer('b')
  if (who === 'this side') party.room.leave()
  else party.server.socket.say({ type: 'peer-left', id: 'b', reason: 'left', final: true })
  let outcome = 'none'
  b.connect().catch(() => {
    outcome = 'rejected'
  })
  await settle()
  expect(party.connections).toEqual([])
  expect(outcome).toBe('rejected')
})

test('a camera that was opened for a track too many is switched off again', async () => {
  const [camera] = tracks('video', 1) as [FakeTrack]
  const getUserMedia = async (): Promise<MediaStream> => new FakeStream([camera]).asBrowsers()
  const party = await join({ environment: { getUserMedia } })
  await party.room.publish(new FakeStream(tracks('video', 8)).asBrowsers())
  await expect(party.room.publish({ video: true })).rejects.toMatchObject({ code: 'too-many-tracks' })
  expect(camera.stopped).toBe(true)
})

test('a missing peer that came back and went away again is the server’s to remove', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  await comeBack(party, { peers: [], resume: { token: 'r', windowMs: 30_000 } })
  await party.clock.advance(14_000)
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('b') })
  await party.clock.advance(14_000)
  party.server.socket.say({ type: 'peer-away', id: 'b' })
  await party.clock.advance(2_000)
  expect([...party.room.peers.keys()]).toEqual(['b'])
})

test('a missing peer is not given up while this side hears of nobody', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  const missing = { peers: [], resume: { token: 'r', windowMs: 30_000 } }
  await comeBack(party, missing)
  await party.clock.advance(14_000)
  party.server.socket.drop(1006)
  await party.clock.advance(20_000)
  expect([...party.room.peers.keys()]).toEqual(['b'])
})

test('a join that was refused no longer watches the page', async () => {
  const world = newWorld()
  const joining = joinRoom('https://rtc.example.org', { room: 'standup', token: 'fixed', environment: world.environment })
  await settle()
  world.server.answer = () => problem(403, { code: 'origin-forbidden', message: 'No.' })
  world.server.socket.drop(1006)
  await expect(joining).rejects.toMatchObject({ code: 'origin-forbidden' })
  expect(world.watched()).toBe(false)
})

test('a listener that hangs up as soon as a call begins has hung up', async () => {
  const party = await join({ connect: 'manual', peers: [newcomer('b')] })
  const off = party.room.on('peer-state', ({ peer }) => {
    off()
    peer.hangup()
  })
  party
    .peer('b')
    .connect()
    .catch(() => undefined)
  await settle()
  expect(party.peer('b').state).toBe('closed')
  expect(party.connections.filter(({ connectionState }) => connectionState !== 'closed')).toEqual([])
})

test('a listener that hangs up as soon as a call begins leaves its place to others', async () => {
  const limits = { ...welcome().limits, pairsOpening: 1 }
  const party = await join({ connect: 'manual', peers: [newcomer('b'), newcomer('c')], welcome: { limits } })
  party.room.on('peer-state', ({ peer, state }) => {
    if (peer.id === 'b' && state === 'connecting') peer.hangup()
  })
  party
    .peer('b')
    .connect()
    .catch(() => undefined)
  party
    .peer('c')
    .connect()
    .catch(() => undefined)
  await settle()
  expect(party.sentTo('c')).toEqual(['offer'])
})

test('a call that is made as soon as a session began anew is the only one', async () => {
  const party = await join({ peers: [wirePeer('b', { polite: false })] })
  party.room.on('peer-state', ({ peer, state }) => {
    if (state === 'closed') peer.connect().catch(() => undefined)
  })
  await comeBack(party, { resumed: false, peers: [wirePeer('b', { polite: false })] })
  await settle()
  expect(party.offers().map(({ x }) => x)).toEqual([{ g: 1, d: 1 }])
  expect(party.connections.filter(({ connectionState }) => connectionState !== 'closed')).toHaveLength(1)
})
