import { expect, test } from 'vitest'
import { AldisError } from '../src/errors.ts'
import { type JoinOptions, joinRoom } from '../src/join.ts'
import type { Room } from '../src/room.ts'
import type { Layout } from '../src/senders.ts'
import { settle } from './support/clock.ts'
import { FakePeerConnection, sdpOf } from './support/connection.ts'
import { at, last } from './support/lists.ts'
import { FakeStream, FakeTrack, tracks } from './support/media.ts'
import { answerFrom, callFrom, comeBack, join, type Party, relay } from './support/party.ts'
import { problem, welcome, wirePeer } from './support/server.ts'
import { newWorld } from './support/world.ts'

/** A newcomer with this library: the client under test makes the offer. */
const newcomer = (id: string): ReturnType<typeof wirePeer> => wirePeer(id, { polite: false })

/** Calls somebody who acknowledges nothing. Returns the name of the offer. */
async function callUnheard(party: Party, id: string): Promise<string> {
  party.server.socket.acknowledges = false
  party
    .peer(id)
    .connect()
    .catch(() => undefined)
  await settle()
  return last(party.offers()).msg ?? ''
}

// Joining

test('a room that was joined knows who is there and who you are', async () => {
  const { room } = await join({
    peers: [wirePeer('b', { name: 'Bea', metadata: { role: 'host' }, attributes: { muted: true } })],
  })
  expect(room.id).toBe('standup')
  expect(room.status).toBe('joined')
  expect(room.me).toEqual({ id: 'k7nq2vx5m4wzt3jy6rbhcdfpea', identity: 'bob', name: undefined })
  expect([...room.peers.keys()]).toEqual(['b'])
  expect(room.peers.get('b')).toMatchObject({
    id: 'b',
    identity: 'the b',
    name: 'Bea',
    metadata: { role: 'host' },
    attributes: { muted: true },
    presence: 'here',
    polite: true,
    features: ['streams'],
    previous: undefined,
    connection: null,
    streams: [],
  })
})

test('a join that is refused rejects with the reason', async () => {
  const world = newWorld()
  const joining = joinRoom('https://rtc.example.org', { room: 'standup', token: 'fixed', environment: world.environment })
  await settle()
  world.server.answer = () => problem(403, { code: 'origin-forbidden', message: 'No.', hint: 'Add it.' })
  world.server.socket.drop(1006)
  await expect(joining).rejects.toMatchObject({ code: 'origin-forbidden', hint: 'Add it.' })
  expect(world.clock.planned).toBe(0)
})

test('a join that succeeds at the second attempt resolves', async () => {
  const world = newWorld()
  const joining = joinRoom('https://rtc.example.org', { room: 'standup', token: 'fixed', environment: world.environment })
  await settle()
  world.server.socket.drop(1006)
  await world.clock.advance(250)
  await world.server.welcome()
  expect((await joining).status).toBe('joined')
})

test('a page that goes away while it joins joins nothing', async () => {
  const world = newWorld()
  const joining = joinRoom('https://rtc.example.org', { room: 'standup', token: 'fixed', environment: world.environment })
  await settle()
  world.page('left')
  await expect(joining).rejects.toMatchObject({ code: 'left' })
})

test.each<[string, Partial<Record<keyof JoinOptions, unknown>>]>([
  ['`room`', { room: undefined }],
  ['`room`', { room: 'a room' }],
  ['`token`', { token: 7 }],
  ['`connect`', { connect: 'star' }],
  ['`layout`', { layout: 'video' as Layout }],
  ['`joinTimeoutMs`', { joinTimeoutMs: -1 }],
  ['`joinTimeoutMs`', { joinTimeoutMs: Number.NaN }],
])('%s is checked before anything happens: %j', async (name, options) => {
  const world = newWorld()
  const joining = joinRoom('https://x.org', { room: 'a', environment: world.environment, ...options } as JoinOptions)
  await expect(joining).rejects.toMatchObject({ code: 'invalid-option', message: expect.stringContaining(name) })
  expect(world.server.sockets).toEqual([])
})

// Whom to connect to

test('in a mesh the older side offers and the newcomer waits', async () => {
  const party = await join({ peers: [wirePeer('older')] })
  expect(party.connections).toHaveLength(0)
  party.server.socket.say({ type: 'peer-joined', peer: newcomer('newer') })
  await settle()
  expect(party.connections).toHaveLength(1)
  expect(party.offers()).toMatchObject([{ to: 'newer', x: { g: 1, d: 1 } }])
  expect(party.peer('older').state).toBe('connecting')
  await callFrom(party, 'older')
  expect(party.sentTo('older')).toEqual(['answer'])
  expect(party.peer('older').state).toBe('connected')
})

test('the first offer has all sections that will be needed, so that later ones cannot collide', async () => {
  const party = await join({ peers: [newcomer('b')] })
  const sections = [...at(party.offers(), 0).sdp.matchAll(/^m=(\w+) .*\r\na=mid:\d\r\na=(\w+)/gm)].map(
    ([, kind, direction]) => `${kind} ${direction}`,
  )
  expect(sections.sort()).toEqual(['application sendrecv', 'audio recvonly', 'video recvonly'])
  expect(party.connection().channels).toMatchObject([{ label: '', init: { negotiated: true, id: 0 } }])
})

test('connections are made with the server’s ICE servers, or with those of the page', async () => {
  const servers = [{ urls: ['stun:a'] }]
  const theirs = await join({ peers: [newcomer('b')], welcome: { iceServers: servers }, rtc: { iceTransportPolicy: 'relay' } })
  expect(theirs.connection().configuration).toEqual({ iceTransportPolicy: 'relay', iceServers: servers })
  const ours = await join({ peers: [newcomer('b')], rtc: { iceServers: [{ urls: 'stun:b' }] } })
  expect(ours.connection().configuration).toEqual({ iceServers: [{ urls: 'stun:b' }] })
})

test('new ICE servers reach connections that are there and those that come', async () => {
  const party = await join({ peers: [newcomer('b')] })
  const iceServers = [{ urls: ['turn:new'] }]
  party.server.socket.say({ type: 'ice-servers', iceServers, iceCutsAtExpiry: false })
  party.server.socket.say({ type: 'peer-joined', peer: newcomer('c') })
  expect(party.connections.map(({ configuration }) => configuration.iceServers)).toEqual([iceServers, iceServers])
})

test('by hand nobody is called, and whoever calls is answered', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('older'), newcomer('newer')] })
  expect(party.connections).toEqual([])
  expect([party.peer('older').state, party.peer('newer').state]).toEqual(['new', 'new'])
  await callFrom(party, 'older')
  expect(party.sentTo('older')).toEqual(['answer'])
  await relay(party, { type: 'restart', from: 'newer' })
  expect(party.sentTo('newer')).toEqual(['offer'])
})

test('a function says whom to call', async () => {
  const party = await join({ connect: ({ identity }) => identity === 'the b', peers: [newcomer('b'), newcomer('c')] })
  expect(party.offers().map(({ to }) => to)).toEqual(['b'])
  party.server.socket.say({ type: 'peer-joined', peer: newcomer('d') })
  await settle()
  expect(party.connections).toHaveLength(1)
})

test('no more connections open at once than the server advises; a place is free once one stands, fails, or takes too long', async () => {
  const names = [...'abcdef']
  const limits = { ...welcome().limits, pairsOpening: 2 }
  const party = await join({ peers: names.map(newcomer), welcome: { limits } })
  const called = (): string[] => [...new Set(party.offers().map(({ to }) => to))]
  expect(called()).toEqual(['a', 'b'])
  await answerFrom(party, 'a')
  expect(called()).toEqual(['a', 'b'])
  at(party.connections, 0).become('connected')
  await settle()
  expect(called()).toEqual(['a', 'b', 'c'])
  at(party.connections, 1).become('failed')
  await settle()
  expect(called()).toEqual(['a', 'b', 'c', 'd'])
  party.server.socket.say({ type: 'peer-left', id: 'c', reason: 'left', final: true })
  await settle()
  expect(called()).toEqual(['a', 'b', 'c', 'd', 'e'])
  await party.clock.advance(15_000)
  expect(called()).toEqual(names)
})

// The roster

test('the roster follows the server', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  const say = party.server.socket.say.bind(party.server.socket)
  say({ type: 'peer-joined', peer: wirePeer('c') })
  const b = party.peer('b')
  say({ type: 'peer-away', id: 'b' })
  expect(b.presence).toBe('away')
  say({ type: 'peer-back', id: 'b' })
  expect(b.presence).toBe('here')
  say({ type: 'peer-updated', peer: wirePeer('b', { attributes: { hand: 'up' } }) })
  expect(b.attributes).toEqual({ hand: 'up' })
  say({ type: 'peer-left', id: 'c', reason: 'removed', final: true })
  say({ type: 'peer-left', id: 'b', reason: 'unreachable', final: false })
  expect(party.peer('b')).toBe(b)
  expect(b.presence).toBe('away')
  expect(party.events['peer-joined']).toMatchObject([{ peer: { id: 'c' } }])
  expect(party.events['peer-left']).toMatchObject([{ peer: { id: 'c' }, reason: 'removed' }])
  expect(party.events['peer-updated']).toHaveLength(4)
})

test('a peer that joins under an id that is known is the same peer, as it is now', async () => {
  const party = await join({ peers: [newcomer('b')] })
  const { connection } = party.peer('b')
  party.server.socket.say({ type: 'peer-joined', peer: { ...newcomer('b'), name: 'Bea' } })
  await settle()
  expect(party.peer('b')).toMatchObject({ name: 'Bea', connection })
  expect(party.events['peer-joined']).toBeUndefined()
  expect(party.connections).toHaveLength(1)
})

test('what is said about nobody, or by nobody, changes nothing', async () => {
  const party = await join()
  party.server.socket.say({ type: 'peer-away', id: 'x' }, { type: 'peer-left', id: 'x', reason: 'left', final: true })
  party.server.socket.say({ type: 'peer-updated', peer: wirePeer('x') }, { type: 'offer', from: 'x', sdp: sdpOf('x') })
  await settle()
  expect(party.events).toEqual({})
  expect(party.connections).toEqual([])
})

test('the connection to a peer that has left is closed, and what waits for it is dropped', async () => {
  const party = await join({ peers: [newcomer('b')] })
  party.server.socket.say({ type: 'peer-left', id: 'b', reason: 'left', final: true })
  await settle()
  expect(party.connection().connectionState).toBe('closed')
  expect(party.events['peer-state']).toMatchObject([{ state: 'closed' }])
  expect(party.clock.planned).toBe(2)
  await comeBack(party)
  expect(party.sentTo('b')).toEqual([])
})

// Coming back

test('a session that goes on leaves connections alone', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const connection = await callFrom(party, 'b')
  await comeBack(party, { peers: [wirePeer('b', { name: 'Bea' })] })
  expect(party.peer('b').state).toBe('connected')
  expect(party.peer('b').name).toBe('Bea')
  expect(party.connections).toEqual([connection])
  expect(connection.signalingState).toBe('stable')
  expect(party.events.status).toMatchObject([{ status: 'reconnecting' }, { status: 'joined' }])
})

test('what was not acknowledged when the connection broke is sent again to a peer of streams, and not to one without', async () => {
  const raw = wirePeer('raw', { polite: false, features: [] })
  const party = await join({ connect: 'manual', peers: [newcomer('b'), raw] })
  party.server.socket.acknowledges = false
  for (const id of ['b', 'raw']) {
    party
      .peer(id)
      .connect()
      .catch(() => undefined)
  }
  await settle()
  expect(party.offers()).toHaveLength(2)
  await comeBack(party, { peers: [newcomer('b'), raw] })
  expect(party.offers().map(({ to }) => to)).toEqual(['b'])
  await comeBack(party, { peers: [newcomer('b'), raw] })
  expect(party.offers()).toEqual([])
})

test('after a resume whoever is gone is removed, whoever came is called, and whoever is missing is away until its time is over', async () => {
  const party = await join({ peers: [wirePeer('gone'), wirePeer('missing'), wirePeer('back')] })
  await relay(party, { type: 'offer', from: 'missing', sdp: sdpOf('m'), x: { g: 1, d: 1 } })
  await comeBack(party, { left: ['gone'], peers: [newcomer('new')], resume: { token: 'r', windowMs: 30_000 } })
  expect([...party.room.peers.keys()]).toEqual(['missing', 'back', 'new'])
  expect(party.sentTo('new')).toEqual(['offer'])
  expect([party.peer('missing').presence, party.peer('back').presence]).toEqual(['away', 'away'])
  expect(party.peer('missing').state).toBe('connecting')
  await party.clock.advance(5_000)
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('back') })
  await party.clock.advance(9_000)
  party.server.socket.say({ type: 'pong' })
  await party.clock.advance(15_999)
  party.server.socket.say({ type: 'pong' })
  expect([...party.room.peers.keys()]).toEqual(['missing', 'back', 'new'])
  await party.clock.advance(1)
  expect([...party.room.peers.keys()]).toEqual(['back', 'new'])
  expect(party.events['peer-left']).toMatchObject([
    { peer: { id: 'gone' }, reason: 'timeout' },
    { peer: { id: 'missing' }, reason: 'timeout' },
  ])
})

test('where the session could not go on everything begins anew: another id, other connections, and whoever is not there has left', async () => {
  const party = await join({ peers: [wirePeer('a'), wirePeer('b')] })
  await relay(party, { type: 'offer', from: 'b', sdp: sdpOf('b4'), x: { g: 4, d: 1 } })
  const old = party.connection()
  const b = party.peer('b')
  await comeBack(party, { resumed: false, peer: wirePeer('me2', { identity: 'bob' }), peers: [wirePeer('b'), newcomer('c')] })
  expect(party.room.me.id).toBe('me2')
  expect([...party.room.peers.keys()]).toEqual(['b', 'c'])
  expect(party.peer('b')).toBe(b)
  expect(old.connectionState).toBe('closed')
  expect(party.offers()).toMatchObject([{ to: 'c', x: { g: 1 } }])
  expect(party.events['peer-left']).toMatchObject([{ peer: { id: 'a' }, reason: 'timeout' }])
  await callFrom(party, 'b', 1)
  expect(b.state).toBe('connected')
  expect(party.sentTo('b')).toEqual(['answer'])
})

// Media

test('what is published goes to everybody who is there and to those who come', async () => {
  const party = await join({ peers: [wirePeer('a'), newcomer('b')] })
  await callFrom(party, 'a')
  const [audio, video] = [new FakeTrack('audio'), new FakeTrack('video')]
  const stream = new FakeStream([audio, video])
  expect(await party.room.publish(stream.asBrowsers())).toBe(stream)
  party.server.socket.say({ type: 'peer-joined', peer: newcomer('c') })
  await settle()
  expect(party.connections).toHaveLength(3)
  for (const connection of party.connections) {
    expect(new Set(connection.sending)).toEqual(new Set([audio, video]))
    expect(connection.transceivers.filter(({ sender }) => sender.track !== null).map(({ sender }) => sender.streams)).toEqual([
      [stream],
      [stream],
    ])
  }
  const prepared = party.connections.map(({ transceivers }) => transceivers.length)
  expect(prepared).toEqual([2, 2, 2])
})

test('what is published before the offer comes is in the answer', async () => {
  const party = await join({ peers: [wirePeer('a')] })
  const [audio] = tracks('audio', 1)
  await party.room.publish(new FakeStream(tracks('video', 1)).asBrowsers())
  await party.room.publish((audio as FakeTrack).asBrowsers())
  const connection = await callFrom(party, 'a')
  expect(connection.sending).toHaveLength(2)
  expect(connection.currentLocalDescription?.sdp).toMatch(/a=mid:1\r\na=sendrecv\r\nm=video .*\r\na=mid:2\r\na=sendrecv/)
})

test('what is unpublished is no longer sent, and its place is used again', async () => {
  const party = await join({ peers: [newcomer('b')] })
  const [one, two] = tracks('video', 2) as [FakeTrack, FakeTrack]
  // The same stream: another one would get a section of its own.
  const [before, after] = [one, two].map((track) => new FakeStream([track], 'camera').asBrowsers()) as [MediaStream, MediaStream]
  await party.room.publish(before)
  await settle()
  party.room.unpublish(before)
  await settle()
  expect(party.connection().sending).toEqual([])
  expect(party.connection().transceivers.map(({ direction }) => direction)).toEqual(['recvonly', 'recvonly'])
  await party.room.publish(after)
  await settle()
  expect(party.connection().sending).toEqual([two])
  expect(party.connection().transceivers).toHaveLength(2)
  expect(one.stopped).toBe(false)
})

test('tracks beyond the prepared sections get sections of their own', async () => {
  const party = await join({ peers: [newcomer('b')] })
  await party.room.publish(new FakeStream([...tracks('video', 3), ...tracks('audio', 1)]).asBrowsers())
  await settle()
  expect(party.connection().sending).toHaveLength(4)
  expect(party.connection().transceivers).toHaveLength(4)
})

test('cameras that the library opened are its own to switch off', async () => {
  const opened = [new FakeTrack('audio'), new FakeTrack('video')] as const
  const asked: unknown[] = []
  const getUserMedia = async (constraints: MediaStreamConstraints): Promise<MediaStream> => {
    asked.push(constraints)
    return new FakeStream([...opened]).asBrowsers()
  }
  const party = await join({ environment: { getUserMedia } })
  const stream = await party.room.publish({ audio: true, video: { width: 640 } })
  expect(asked).toEqual([{ audio: true, video: { width: 640 } }])
  party.room.unpublish(opened[1].asBrowsers())
  expect(opened.map(({ stopped }) => stopped)).toEqual([false, true])
  party.room.unpublish(stream)
  expect(opened.map(({ stopped }) => stopped)).toEqual([true, true])
})

test('a track that ends is no longer published', async () => {
  const party = await join({ peers: [newcomer('b')] })
  const [screen] = tracks('video', 1) as [FakeTrack]
  await party.room.publish(screen.asBrowsers())
  await settle()
  screen.end()
  await settle()
  expect(party.connection().sending).toEqual([])
})

test('what is published twice is sent once', async () => {
  const party = await join({ peers: [newcomer('b')] })
  const stream = new FakeStream(tracks('video', 1))
  await party.room.publish(stream.asBrowsers())
  await party.room.publish(stream.asBrowsers())
  await settle()
  expect(party.connection().sending).toHaveLength(1)
})

test.each(['audio', 'video'] as const)(
  'eight tracks of %s are carried and a ninth is refused, without harm to the eight',
  async (kind) => {
    const party = await join({ peers: [newcomer('b')] })
    await party.room.publish(new FakeStream(tracks(kind, 8)).asBrowsers())
    await expect(party.room.publish(new FakeStream(tracks(kind, 1)).asBrowsers())).rejects.toMatchObject({
      code: 'too-many-tracks',
      message: expect.stringContaining(`9 ${kind} tracks`),
    })
    await settle()
    expect(party.connection().sending).toHaveLength(8)
  },
)

test.each([
  ['NotAllowedError', 'media-denied'],
  ['NotFoundError', 'media-missing'],
  ['NotReadableError', 'media-busy'],
  ['AbortError', 'media-busy'],
  ['OverconstrainedError', 'media-unsatisfied'],
  ['TypeError', 'invalid-option'],
])('where the browser says %s it is %s', async (name, code) => {
  const cause = name === 'TypeError' ? new TypeError('At least one of audio and video') : new DOMException('…', name)
  const { room } = await join({ environment: { getUserMedia: () => Promise.reject(cause) } })
  const failure = await room.publish({ audio: true }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(AldisError)
  expect(failure).toMatchObject({ code, cause, hint: expect.stringMatching(/./) })
})

test.each<[string, (room: Room) => Promise<unknown>, string]>([
  ['setCamera', (room) => room.setCamera(true), 'The camera was denied.'],
  ['setMicrophone', (room) => room.setMicrophone(true), 'The microphone was denied.'],
  ['publish of one', (room) => room.publish({ audio: true, video: false }), 'The microphone was denied.'],
  ['publish of both', (room) => room.publish({ audio: true, video: true }), 'The camera or microphone was denied.'],
])('%s names what was denied', async (_, open, message) => {
  const { room } = await join({ environment: { getUserMedia: () => Promise.reject(new DOMException('…', 'NotAllowedError')) } })
  await expect(open(room)).rejects.toMatchObject({ code: 'media-denied', message })
})

test.each<[string, (message: string, constraint?: string) => unknown]>([
  ['a DOMException', (message, constraint) => Object.assign(new DOMException(message, 'OverconstrainedError'), { constraint })],
  ['an object of its own, as in Firefox', (message, constraint) => ({ name: 'OverconstrainedError', message, constraint })],
])('a device of an id that there is not is told by %s, and from constraints that nothing fulfils', async (_, overconstrained) => {
  const constraints = ['deviceId', 'width']
  const getUserMedia = (): Promise<never> => Promise.reject(overconstrained('…', constraints.shift()))
  const { room } = await join({ environment: { getUserMedia } })
  await expect(room.setCamera('gone')).rejects.toMatchObject({
    code: 'media-unsatisfied',
    message: 'The camera of this id is not there.',
    hint: 'Choose another one.',
  })
  await expect(room.setCamera({ width: 9_999 })).rejects.toMatchObject({ code: 'media-unsatisfied', hint: 'Ask for less.' })
})

test('a page without a camera at all is an insecure one', async () => {
  const { room } = await join()
  await expect(room.publish({ video: true })).rejects.toMatchObject({ code: 'insecure-context' })
})

test('a track that a connection refuses is an error of its peer, and the others get it', async () => {
  const party = await join({ peers: [newcomer('b'), newcomer('c')] })
  at(party.connections, 0).refuse('replaceTrack', new Error('No'))
  const [track] = tracks('video', 1) as [FakeTrack]
  await party.room.publish(track.asBrowsers())
  await settle()
  expect(at(party.connections, 1).sending).toEqual([track])
  expect(party.events.error).toMatchObject([{ error: { code: 'negotiation-failed' }, peer: { id: 'b' } }])
})

test('a mesh of many videos is warned of once', async () => {
  const party = await join({ peers: [...'abcdef'].map(newcomer) })
  expect(party.warnings).toEqual([])
  await party.room.publish(new FakeStream(tracks('audio', 1)).asBrowsers())
  expect(party.warnings).toEqual([])
  await party.room.publish(new FakeStream(tracks('video', 1)).asBrowsers())
  party.server.socket.say({ type: 'peer-joined', peer: newcomer('g') })
  expect(party.warnings).toEqual([expect.stringContaining('6 videos')])
})

test('a mesh of few videos is not', async () => {
  const party = await join({ peers: [...'abcde'].map(newcomer) })
  await party.room.publish(new FakeStream(tracks('video', 1)).asBrowsers())
  expect(party.warnings).toEqual([])
})

test('what a peer sends is told with its stream, and its end too', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const connection = await callFrom(party, 'b')
  const [track, loose] = tracks('video', 2) as [FakeTrack, FakeTrack]
  const stream = new FakeStream([track])
  connection.bring(track, [stream])
  connection.bring(loose, [])
  expect(party.events.track).toMatchObject([{ peer: { id: 'b' }, track, stream }, { track: loose }])
  expect(party.events.track?.[1]?.stream.getTracks()).toEqual([loose])
  expect(party.peer('b').streams).toHaveLength(2)
  stream.lose(track)
  expect(party.events['track-removed']).toMatchObject([{ peer: { id: 'b' }, track, stream }])
  expect(party.peer('b').streams).toHaveLength(1)
})

// Errors

test('an error that nobody waits for is an event, and one line for the developer', async () => {
  const party = await join()
  party.server.socket.say({ type: 'error', code: 'rate-limited', message: 'Too much.', hint: 'Wait.' })
  expect(party.events.error).toMatchObject([{ error: { code: 'rate-limited' } }])
  expect(party.events.error?.[0]).not.toHaveProperty('peer')
  expect(party.warnings).toEqual(['AldisError: rate-limited: Too much. Wait.'])
})

test('a signal that is refused for good is an error of its peer', async () => {
  const party = await join({ connect: 'manual', peers: [newcomer('b')] })
  const re = await callUnheard(party, 'b')
  party.server.socket.say({ type: 'error', code: 'too-large', message: 'Too large.', re, to: 'b' })
  expect(party.events.error).toMatchObject([{ error: { code: 'too-large' }, peer: { id: 'b' } }])
  expect(party.warnings).toHaveLength(1)
})

test('a signal that can be sent again is no error', async () => {
  const party = await join({ connect: 'manual', peers: [newcomer('b')] })
  const re = await callUnheard(party, 'b')
  party.server.socket.say({ type: 'error', code: 'unknown-peer', message: 'Who?', re, to: 'b' })
  expect(party.events.error).toBeUndefined()
  party.server.socket.say({ type: 'peer-away', id: 'b' }, { type: 'peer-back', id: 'b' })
  await settle()
  expect(party.sentTo('b')).toEqual(['offer', 'offer'])
})

test('a signal that waits for a peer goes when it joins again, and never when it leaves for good', async () => {
  const party = await join({ connect: 'manual', peers: [newcomer('b'), newcomer('c')] })
  for (const to of 'bc') {
    const re = await callUnheard(party, to)
    party.server.socket.say({ type: 'error', code: 'unknown-peer', message: 'Who?', re, to })
  }
  party.server.socket.say({ type: 'peer-away', id: 'b' }, { type: 'peer-joined', peer: newcomer('b') })
  await settle()
  expect(party.sentTo('b')).toEqual(['offer', 'offer'])
  party.server.socket.say({ type: 'peer-left', id: 'c', reason: 'left', final: true })
  await party.clock.advance(10_000)
  expect(party.sentTo('c')).toEqual(['offer'])
})

test('credentials that a TURN server refuses are told once for each connection', async () => {
  const party = await join({ peers: [newcomer('b')] })
  for (const code of [701, 401, 401]) party.connection().failAtTurn(code)
  await settle()
  expect(party.events.error).toBeUndefined()
  for (const code of [701, 401, 401]) party.connection().failAtTurn(code)
  await party.clock.advance(10_000)
  for (const code of [701, 401, 401]) party.connection().failAtTurn(code)
  await party.clock.advance(4_000)
  expect(party.events.error).toMatchObject([{ error: { code: 'turn-refused' }, peer: { id: 'b' } }])
})

// Leaving

test('leaving says goodbye, ends every connection, switches off the cameras, and is final', async () => {
  const [camera] = tracks('video', 1) as [FakeTrack]
  const [own] = tracks('audio', 1) as [FakeTrack]
  const getUserMedia = async (): Promise<MediaStream> => new FakeStream([camera]).asBrowsers()
  const party = await join({ peers: [wirePeer('a'), wirePeer('b'), newcomer('c')], environment: { getUserMedia } })
  await callFrom(party, 'a')
  await party.room.publish({ video: true })
  await party.room.publish(own.asBrowsers())
  party.room.leave()
  expect(last(party.server.socket.sent)).toEqual({ type: 'leave' })
  expect(party.server.socket.closedWith).toBe(1000)
  expect(party.connections.map(({ connectionState }) => connectionState)).toEqual(['closed', 'closed'])
  expect([camera.stopped, own.stopped]).toEqual([true, false])
  expect(party.room.status).toBe('left')
  expect(party.events.status).toEqual([{ status: 'left' }])
  expect(party.watched()).toBe(false)
  await settle()
  expect(party.clock.planned).toBe(0)
  await expect(party.room.publish({ video: true })).rejects.toMatchObject({ code: 'left' })
})

test('whoever has left sees nobody any more, and is not told that the others left', async () => {
  const party = await join({ peers: [wirePeer('a'), newcomer('c')] })
  await callFrom(party, 'a')
  const seen: unknown[] = []
  const look = (): void => void seen.push([party.room.peers.size, party.room.getSnapshot().peers.length])
  party.room.on('peer-state', look)
  party.room.on('status', look)
  party.room.subscribe(look)
  expect(party.room.getSnapshot().peers).toHaveLength(2)
  party.room.leave()
  await settle()
  // The call that ended and the one that was on its way, the status, and the change of the snapshot.
  expect(seen).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
  ])
  expect(party.room.getSnapshot()).toMatchObject({ status: 'left', peers: [] })
  expect(party.events['peer-left']).toBeUndefined()
})

test('a page that goes away leaves', async () => {
  const party = await join()
  party.page('left')
  expect(party.room.status).toBe('left')
  expect(last(party.server.socket.sent)).toEqual({ type: 'leave' })
})

test('a camera that is allowed only after the page has left is switched off again', async () => {
  const [camera] = tracks('video', 1) as [FakeTrack]
  let allow: (stream: MediaStream) => void = () => undefined
  const party = await join({ environment: { getUserMedia: () => new Promise((resolve) => (allow = resolve)) } })
  const publishing = party.room.publish({ video: true })
  party.room.leave()
  allow(new FakeStream([camera]).asBrowsers())
  await expect(publishing).rejects.toMatchObject({ code: 'left' })
  expect(camera.stopped).toBe(true)
})

test('whoever leaves while it was reconnecting leaves nothing behind', async () => {
  const party = await join({ peers: [newcomer('b')] })
  await comeBack(party, { peers: [] })
  party.server.socket.drop(1006)
  party.room.leave()
  await settle()
  expect(party.clock.planned).toBe(0)
  expect(party.connection()).toBeInstanceOf(FakePeerConnection)
  expect(party.connection().connectionState).toBe('closed')
})

test('a stay that has failed leaves calls and cameras as they are, until the page leaves', async () => {
  const [camera] = tracks('video', 1) as [FakeTrack]
  const getUserMedia = async (): Promise<MediaStream> => new FakeStream([camera]).asBrowsers()
  const party = await join({ peers: [wirePeer('b')], environment: { getUserMedia } })
  const connection = await callFrom(party, 'b')
  await party.room.publish({ video: true })
  party.server.socket.drop(4410)
  expect(party.room.status).toBe('failed')
  expect([connection.connectionState, camera.stopped]).toEqual(['connected', false])
  await expect(party.room.publish({ video: true })).rejects.toMatchObject({ code: 'left' })
  party.room.leave()
  await settle()
  expect([connection.connectionState, camera.stopped]).toEqual(['closed', true])
  expect(party.events.status).toMatchObject([{ status: 'failed' }, { status: 'left' }])
  expect(party.watched()).toBe(false)
  expect(party.clock.planned).toBe(0)
})
