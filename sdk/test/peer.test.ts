import { expect, test } from 'vitest'
import type { Relayed } from '../src/generated/wire.ts'
import { settle } from './support/clock.ts'
import { fragmentOf, sdpOf } from './support/connection.ts'
import { at, last } from './support/lists.ts'
import { outcome } from './support/outcome.ts'
import { answerFrom, callFrom, join, type Party, type PartyOptions, relay } from './support/party.ts'
import { wirePeer } from './support/server.ts'

/** A room, by hand, with one other: `older` (we are polite), `newer` (we are not), or raw ones without numbers. */
function joinBeside(id: 'older' | 'newer' | 'raw-older' | 'raw-newer', options: PartyOptions = {}): Promise<Party> {
  const features = id.startsWith('raw') ? [] : ['streams']
  const peers = [wirePeer(id, { polite: id.endsWith('older'), features })]
  return join({ connect: 'manual', peers, ...options })
}

const meshed: PartyOptions = { connect: 'mesh' }

/** Starts a call whose outcome the test looks at later. */
function call(party: Party, id: string): Promise<void> {
  const connecting = party.peer(id).connect()
  connecting.catch(() => undefined)
  return connecting
}

function states(party: Party): string[] {
  return (party.events['peer-state'] ?? []).map(({ state }) => state)
}

function relayedOffer(from: string, fragment: string, x?: object): Relayed {
  return { type: 'offer', from, sdp: sdpOf(fragment), ...(x && { x: { ...x } }) }
}

function relayedCandidate(from: string, usernameFragment: string, x?: object): Relayed {
  return { type: 'ice-candidate', from, candidate: { candidate: 'candidate:1', usernameFragment }, ...(x && { x: { ...x } }) }
}

// The layout

test.each<[PartyOptions, string[]]>([
  [{}, ['application', 'audio', 'video']],
  [{ layout: 'media' }, ['application', 'audio', 'video']],
  [{ layout: 'data' }, ['application']],
])('with %j a first offer has %j', async (options, sections) => {
  const party = await joinBeside('newer', { ...options, connect: 'mesh' })
  await settle()
  expect([...last(party.offers()).sdp.matchAll(/^m=(\w+)/gm)].map(([, kind]) => kind)).toEqual(sections)
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  expect(party.peer('newer').state).toBe('connected')
})

test("with `layout: 'data'` nothing is published, and nobody is asked for a camera", async () => {
  const { room } = await joinBeside('older', { layout: 'data' })
  await expect(room.publish({ video: true })).rejects.toMatchObject({
    code: 'invalid-option',
    message: expect.stringContaining('layout'),
  })
})

// Connecting

test('calling a newer peer offers, and is done when the connection stands', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  expect(await outcome(calling)).toBe('pending')
  await answerFrom(party, 'newer')
  party.connection().become('connecting')
  expect(await outcome(calling)).toBe('pending')
  party.connection().become('connected')
  expect(await outcome(calling)).toBe('done')
  expect(states(party)).toEqual(['connecting', 'connected'])
  expect(party.steps).toEqual(['offer-sent', 'answer-received'])
  await expect(party.peer('newer').connect()).resolves.toBeUndefined()
  expect(party.peer('newer').connection).toBe(party.connection())
})

test('calling an older peer asks it for an offer at once', async () => {
  const party = await joinBeside('older')
  const calling = call(party, 'older')
  expect(party.sentTo('older')).toEqual(['restart'])
  await callFrom(party, 'older')
  expect(await outcome(calling)).toBe('done')
})

test('in a mesh an older peer is asked for its offer after ten seconds, and once more waited for', async () => {
  const party = await joinBeside('older', meshed)
  await party.clock.advance(9_999)
  expect(party.sentTo('older')).toEqual([])
  await party.clock.advance(1)
  expect(party.sentTo('older')).toEqual(['restart'])
  await party.clock.advance(9_999)
  expect(party.events.error).toBeUndefined()
  await party.clock.advance(1)
  expect(party.peer('older').state).toBe('failed')
  expect(party.events.error).toMatchObject([{ error: { code: 'timed-out', retryable: true }, peer: { id: 'older' } }])
})

test('a peer that never offers fails the call, and may be called again', async () => {
  const party = await joinBeside('older')
  const calling = call(party, 'older')
  await party.clock.advance(10_000)
  expect(await outcome(calling)).toMatchObject({ code: 'timed-out', retryable: true, message: 'the older made no offer.' })
  const again = call(party, 'older')
  expect(party.sentTo('older')).toEqual(['restart', 'restart'])
  await callFrom(party, 'older')
  expect(await outcome(again)).toBe('done')
})

test('an offer that comes in time ends the wait for it', async () => {
  const party = await joinBeside('older', meshed)
  await party.clock.advance(9_000)
  await callFrom(party, 'older')
  await party.clock.advance(11_000)
  expect(party.sentTo('older')).toEqual(['answer'])
  expect(party.events.error).toBeUndefined()
})

test('a connection that does not come about in 15 seconds fails the call, and goes on trying', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  await answerFrom(party, 'newer')
  await party.clock.advance(14_999)
  party.server.socket.say({ type: 'pong' })
  expect(await outcome(calling)).toBe('pending')
  await party.clock.advance(1)
  expect(await outcome(calling)).toMatchObject({ code: 'timed-out', retryable: true })
  party.connection().become('connected')
  expect(party.peer('newer').state).toBe('connected')
})

test('several calls for one connection have one outcome', async () => {
  const party = await joinBeside('newer')
  const calls = [call(party, 'newer'), call(party, 'newer')]
  expect(party.connections).toHaveLength(1)
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  expect(await Promise.all(calls.map(outcome))).toEqual(['done', 'done'])
})

test('no way between the two fails the call, and ICE is started anew', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  await answerFrom(party, 'newer')
  const before = fragmentOf(party.connection().localDescription)
  party.connection().become('failed')
  expect(await outcome(calling)).toMatchObject({ code: 'negotiation-failed', message: 'No way to the newer was found.' })
  expect(party.peer('newer').state).toBe('failed')
  expect(party.sentTo('newer')).toEqual(['offer', 'offer'])
  expect(fragmentOf(party.connection().localDescription)).not.toBe(before)
})

test('the polite side asks for a new start of ICE when a connection has failed, and does not start it', async () => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'older')
  connection.become('failed')
  await settle()
  expect(party.sentTo('older')).toEqual(['answer', 'restart'])
  expect(connection.signalingState).toBe('stable')
})

test('a page that starts ICE afresh on the connection of an older peer asks that one to', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'older')
  party.peer('older').connection?.restartIce()
  await settle()
  expect(party.sentTo('older')).toEqual(['answer', 'restart'])
  expect(party.peer('older').counts.restarts).toBe(1)
})

test('the state of a call follows its connection', async () => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'older')
  for (const state of ['disconnected', 'connected', 'failed', 'connecting', 'connected'] as const) connection.become(state)
  // What has stood is interrupted until it stands again.
  expect(states(party)).toEqual(['connecting', 'connected', 'interrupted', 'connected', 'interrupted', 'connected'])
})

test('a signal that the server refuses for good fails the call', async () => {
  const party = await joinBeside('newer')
  party.server.socket.acknowledges = false
  const calling = call(party, 'newer')
  await settle()
  const re = at(party.offers(), 0).msg ?? ''
  party.server.socket.say({ type: 'error', code: 'forbidden', message: 'Not allowed.', re, to: 'newer' })
  expect(await outcome(calling)).toMatchObject({ code: 'forbidden' })
})

test('an answer that the browser refuses is followed by another offer, and a call that does not come about is late', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  await settle()
  party.connection().refuse('setRemoteDescription', new Error('Bad SDP'))
  await answerFrom(party, 'newer')
  expect(party.sentTo('newer')).toEqual(['offer', 'offer'])
  expect(party.events.error).toBeUndefined()
  await party.clock.advance(15_000)
  expect(await outcome(calling)).toMatchObject({ code: 'timed-out', retryable: true })
  expect(party.peer('newer').state).toBe('failed')
})

// Hanging up

test('hanging up tells the peer, ends the connection, and fails the call', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  party.peer('newer').hangup('bye')
  expect(await outcome(calling)).toMatchObject({ code: 'peer-closed', message: 'You hung up.' })
  expect(last(party.server.socket.of('hangup'))).toMatchObject({ to: 'newer', reason: 'bye' })
  expect(party.connection().connectionState).toBe('closed')
  expect(states(party)).toEqual(['connecting', 'closed'])
  party.peer('newer').hangup()
  expect(party.server.socket.of('hangup')).toHaveLength(1)
})

test('there is nothing to hang up before the first call', async () => {
  const party = await joinBeside('newer')
  party.peer('newer').hangup()
  expect(party.sentTo('newer')).toEqual([])
  expect(party.peer('newer').state).toBe('new')
})

test('hanging up while waiting for an offer ends the wait', async () => {
  const party = await joinBeside('older')
  const calling = call(party, 'older')
  party.peer('older').hangup()
  expect(await outcome(calling)).toMatchObject({ code: 'peer-closed' })
  expect(last(party.server.socket.of('hangup'))).not.toHaveProperty('reason')
  await party.clock.advance(60_000)
  expect(party.events.error).toBeUndefined()
})

test('a peer that hangs up ends the call', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  await relay(party, { type: 'hangup', from: 'newer', reason: 'busy' })
  expect(await outcome(calling)).toMatchObject({ code: 'peer-closed', message: 'the newer hung up: busy.' })
  expect(last(party.events['peer-state'] ?? [])).toMatchObject({ state: 'closed', reason: 'the newer hung up: busy.' })
  expect(party.connection().connectionState).toBe('closed')
  expect(party.sentTo('newer')).not.toContain('hangup')
})

test('whoever hung up can call again, and the new call is a generation later', async () => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await answerFrom(party, 'newer')
  party.peer('newer').hangup()
  const again = call(party, 'newer')
  await settle()
  expect(party.offers().map(({ x }) => x)).toEqual([
    { g: 1, d: 1 },
    { g: 2, d: 1 },
  ])
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  expect(await outcome(again)).toBe('done')
  expect(party.connections).toHaveLength(2)
})

test('a peer that leaves fails the call', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  party.server.socket.say({ type: 'peer-left', id: 'newer', reason: 'left', final: true })
  expect(await outcome(calling)).toMatchObject({ code: 'peer-closed', message: 'the newer left the room.' })
})

test('leaving the room fails the call', async () => {
  const party = await joinBeside('older')
  const calling = call(party, 'older')
  party.room.leave()
  expect(await outcome(calling)).toMatchObject({ code: 'peer-closed', message: 'You left the room.' })
  expect(party.clock.planned).toBe(0)
})

// Generations

test('an offer of a later generation is a new connection, and the old one is closed', async () => {
  const party = await joinBeside('older')
  const old = await callFrom(party, 'older', 1)
  const next = await callFrom(party, 'older', 3)
  expect([old.connectionState, next.connectionState]).toEqual(['closed', 'connected'])
  expect(party.server.socket.of('answer').map(({ x }) => x)).toEqual([
    { d: 1, re: 1, g: 1 },
    { d: 1, re: 1, g: 3 },
  ])
  expect(party.peer('older').connection).toBe(next)
})

test.each<[string, Relayed]>([
  ['offer', relayedOffer('older', 'late', { g: 1, d: 9 })],
  ['answer', { type: 'answer', from: 'older', sdp: sdpOf('late'), x: { g: 1, re: 1 } }],
  ['candidate', relayedCandidate('older', 'older2', { g: 1 })],
])('an %s of an earlier generation is dropped', async (_, message) => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'older', 2)
  const steps = party.steps.length
  await relay(party, message)
  expect(party.steps.slice(steps)).toEqual(['stale-dropped'])
  expect(party.connections).toEqual([connection])
  expect(connection.candidates).toEqual([])
  expect(party.events.error).toBeUndefined()
})

test('an offer of the generation that was hung up does not bring the call back', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'older', 2)
  party.peer('older').hangup()
  await relay(party, relayedOffer('older', 'late', { g: 2, d: 2 }))
  expect(party.peer('older').state).toBe('closed')
  await callFrom(party, 'older', 3)
  expect(party.peer('older').state).toBe('connected')
})

test('an offer of the same generation renegotiates the same connection', async () => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'older', 1)
  await relay(party, relayedOffer('older', 'again', { g: 1, d: 2 }))
  expect(party.connections).toEqual([connection])
  expect(fragmentOf(connection.remoteDescription)).toBe('again')
})

test('messages that overtake the first offer are kept for it, 64 of them', async () => {
  const party = await joinBeside('older', meshed)
  for (let n = 0; n < 70; n += 1) party.server.socket.say(relayedCandidate('older', 'older1', { g: 1 }))
  await callFrom(party, 'older', 1)
  // The connection takes one after the other.
  for (let n = 0; n < 10; n += 1) await settle()
  expect(party.connection().candidates).toHaveLength(64)
  expect(party.events.error).toBeUndefined()
})

test('what overtook the offer of a call that was hung up is forgotten', async () => {
  const party = await joinBeside('older', meshed)
  await relay(party, relayedCandidate('older', 'older1', { g: 1 }))
  await relay(party, { type: 'hangup', from: 'older' })
  await callFrom(party, 'older', 1)
  expect(party.connection().candidates).toEqual([])
})

test('candidates that overtake the offer of a new call are kept for it, and not given to the old one', async () => {
  const party = await joinBeside('older')
  const old = await callFrom(party, 'older', 1)
  await relay(party, relayedCandidate('older', 'older2', { g: 2 }))
  expect(old.candidates).toEqual([])
  const next = await callFrom(party, 'older', 2)
  expect(next.candidates).toHaveLength(1)
})

test('an answer to a call that was never made is dropped', async () => {
  const party = await joinBeside('newer')
  await relay(party, { type: 'answer', from: 'newer', sdp: sdpOf('x'), x: { g: 1, re: 1, d: 1 } })
  expect(party.steps).toEqual(['stale-dropped'])
  expect(party.connections).toEqual([])
})

test.each([
  ['a text', { g: '1', d: '1' }],
  ['a fraction', { g: 0.5, d: 1.5 }],
  ['nothing positive', { g: 0, d: -1 }],
  ['beyond counting', { g: 1e300, d: 1e300 }],
])('a number that is %s is none', async (_, x) => {
  const party = await joinBeside('older')
  await relay(party, relayedOffer('older', 'x', x))
  expect(party.server.socket.of('answer')).toMatchObject([{ x: { g: 1, d: 1 } }])
  expect(party.server.socket.of('answer')[0]?.x).not.toHaveProperty('re')
})

// Peers without numbers

test('a raw newcomer gets a plain offer, and its plain answer is taken', async () => {
  const party = await joinBeside('raw-newer', meshed)
  await settle()
  expect(Object.keys(at(party.offers(), 0)).sort()).toEqual(['msg', 'receipt', 'sdp', 'to', 'type'])
  await answerFrom(party, 'raw-newer')
  party.connection().become('connected')
  expect(party.peer('raw-newer').state).toBe('connected')
})

test('a raw peer that was here first gets a plain answer, and plain candidates up to their end', async () => {
  const party = await joinBeside('raw-older', meshed)
  await relay(party, relayedOffer('raw-older', 'x'))
  party.connection().gather()
  party.connection().gathered()
  await relay(party, relayedCandidate('raw-older', 'x'))
  await relay(party, { type: 'ice-candidate', from: 'raw-older', candidate: null })
  expect(party.sentTo('raw-older')).toEqual(['answer', 'ice-candidate', 'ice-candidate'])
  expect(last(party.server.socket.of('ice-candidate')).candidate).toBeNull()
  for (const message of party.server.socket.sent) expect(message).not.toHaveProperty('x')
  expect(party.connection().candidates).toHaveLength(1)
})

test('a raw peer that calls again after a hangup gets a new connection', async () => {
  const party = await joinBeside('raw-older', meshed)
  await relay(party, relayedOffer('raw-older', 'x'))
  await relay(party, relayedOffer('raw-older', 'y'))
  expect(party.connections).toHaveLength(1)
  await relay(party, { type: 'hangup', from: 'raw-older' })
  await relay(party, relayedOffer('raw-older', 'z'))
  expect(party.connections).toHaveLength(2)
  expect(party.sentTo('raw-older')).toEqual(['answer', 'answer', 'answer'])
})

test('an impolite side that is called first answers, and its own offer is not made twice', async () => {
  const party = await joinBeside('raw-newer')
  await relay(party, relayedOffer('raw-newer', 'x'))
  await settle()
  expect(party.sentTo('raw-newer')).toEqual(['answer'])
})

test('signals that belong to nothing are dropped', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'older')
  for (const type of ['ack', 'nack', 'rebuild'] as const) await relay(party, { type, from: 'older' })
  await relay(party, { type: 'message', from: 'older', data: null })
  expect(party.peer('older').state).toBe('connected')
  expect(party.events.error).toBeUndefined()
})
