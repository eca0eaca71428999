import { expect, test } from 'vitest'
import { settle } from './support/clock.ts'
import { at, last } from './support/lists.ts'
import { answerFrom, callFrom, comeBack, join } from './support/party.ts'
import { welcome, wirePeer } from './support/server.ts'

const newcomer = (id: string): ReturnType<typeof wirePeer> => wirePeer(id, { polite: false })

// One failure does not stop the room

test('a `connect` function that throws at one peer is told, and the others are called', async () => {
  const connect = ({ id }: { id: string }): boolean => {
    if (id === 'b') throw new Error('Who is b?')
    return true
  }
  const party = await join({ connect })
  for (const id of 'abc') party.server.socket.say({ type: 'peer-joined', peer: newcomer(id) })
  await settle()
  expect(party.offers().map(({ to }) => to)).toEqual(['a', 'c'])
  expect(party.events.error).toMatchObject([
    { error: { code: 'invalid-option', message: expect.stringContaining('Who is b?') }, peer: { id: 'b' } },
  ])
  await answerFrom(party, 'c')
  expect(party.connection().signalingState).toBe('stable')
  expect(party.room.status).toBe('joined')
})

test('a `connect` function that throws does not keep a room from being joined, nor the peer from being answered', async () => {
  const connect = (): boolean => {
    throw new Error('No')
  }
  const party = await join({ connect, peers: [wirePeer('a'), wirePeer('b')] })
  expect([...party.room.peers.keys()]).toEqual(['a', 'b'])
  await callFrom(party, 'b')
  expect(party.peer('b').state).toBe('connected')
})

test('a connection that the browser does not make has failed, is told, and leaves its place to others', async () => {
  const limits = { ...welcome().limits, pairsOpening: 1 }
  const party = await join({ connect: 'manual', peers: [newcomer('b'), newcomer('c')], welcome: { limits } })
  party.refuseConnection(new DOMException('Too many connections.', 'UnknownError'))
  const calling = party.peer('b').connect()
  await expect(calling).rejects.toMatchObject({
    code: 'invalid-option',
    message: expect.stringContaining('Too many connections.'),
  })
  expect(party.peer('b').state).toBe('failed')
  expect(party.events.error).toMatchObject([{ error: { code: 'invalid-option' }, peer: { id: 'b' } }])
  for (const id of ['c', 'b']) {
    const next = party.peer(id).connect()
    await answerFrom(party, id)
    party.connection().become('connected')
    await expect(next).resolves.toBeUndefined()
  }
  expect(party.offers()).toMatchObject([{ to: 'c' }, { to: 'b' }])
})

test('an offer for which the browser makes no connection does not keep the next one from being answered', async () => {
  const limits = { ...welcome().limits, pairsOpening: 1 }
  const party = await join({ peers: [wirePeer('b'), wirePeer('c')], welcome: { limits } })
  party.refuseConnection(new Error('No'))
  party.server.socket.say({ type: 'offer', from: 'b', sdp: 'v=0', x: { g: 1, d: 1 } })
  expect(party.peer('b').state).toBe('failed')
  await callFrom(party, 'c')
  expect(party.sentTo('c')).toEqual(['answer'])
  await callFrom(party, 'b', 2)
  expect(party.peer('b').state).toBe('connected')
})

// Whose ICE servers

test('ICE servers of the page stay, whatever the server says later', async () => {
  const iceServers = [{ urls: 'turn:ours' }]
  const theirs = [{ urls: ['turn:theirs'] }]
  const party = await join({ peers: [newcomer('b')], rtc: { iceServers }, welcome: { iceServers: theirs } })
  party.server.socket.say({ type: 'ice-servers', iceServers: theirs, iceCutsAtExpiry: false })
  expect(party.connection().configuration.iceServers).toEqual(iceServers)
  await comeBack(party, { iceServers: theirs, peers: [newcomer('b'), newcomer('c')] })
  expect(party.connections.map(({ configuration }) => configuration.iceServers)).toEqual([iceServers, iceServers])
})

test('the ICE servers of a session that goes on reach the connections that are there', async () => {
  const party = await join({ peers: [newcomer('b')], rtc: { iceTransportPolicy: 'relay' } })
  const iceServers = [{ urls: ['turn:fresh'], username: 'u', credential: 'c' }]
  await comeBack(party, { iceServers, peers: [newcomer('b')] })
  expect(party.connections).toHaveLength(1)
  expect(party.connection().configuration).toEqual({ iceTransportPolicy: 'relay', iceServers })
})

// A token function that says nothing

test('a token function that never answers after a connection broke is asked again, and the room comes back', async () => {
  const asked: ((token: string) => void)[] = []
  const party = await join({
    token: () =>
      asked.push(() => undefined) === 1 ? 'first' : new Promise<string>((resolve) => (asked[asked.length - 1] = resolve)),
    peers: [wirePeer('b')],
  })
  const connection = await callFrom(party, 'b')
  party.server.socket.drop(1006)
  await party.clock.advance(last(party.events.status ?? []).retryInMs ?? 0)
  expect(asked).toHaveLength(2)
  await party.clock.advance(9_999)
  expect(party.clock.planned).toBeGreaterThan(0)
  expect(party.events.status).toHaveLength(1)
  await party.clock.advance(1)
  const waiting = last(party.events.status ?? [])
  expect(waiting).toMatchObject({ status: 'reconnecting', error: { code: 'token-failed', retryable: true } })
  await party.clock.advance(waiting.retryInMs ?? 0)
  expect(asked).toHaveLength(3)
  // An answer to the question before is too late to open a second connection.
  at(asked, 1)('second')
  await settle()
  expect(party.server.sockets).toHaveLength(1)
  at(asked, 2)('third')
  await party.server.welcome({ resumed: true, peers: [wirePeer('b')] })
  expect(party.server.sockets.map(({ token }) => token)).toEqual(['first', 'third'])
  expect(party.room.status).toBe('joined')
  expect(connection.connectionState).toBe('connected')
})
