import { expect, test } from 'vitest'
import type { Relayed } from '../src/generated/wire.ts'
import { settle } from './support/clock.ts'
import { fragmentOf, sdpOf } from './support/connection.ts'
import { at, last } from './support/lists.ts'
import { answerFrom, callFrom, join, type Party, relay } from './support/party.ts'
import { welcome, wirePeer } from './support/server.ts'

/** A room, by hand, with one other that numbers: `older` (we are polite) or `newer` (we are not). */
function joinBeside(id: 'older' | 'newer'): Promise<Party> {
  return join({ connect: 'manual', peers: [wirePeer(id, { polite: id === 'older' })] })
}

/** What a call has come to so far. */
interface Outcome {
  now: unknown
}

/** Calls somebody. */
function call(party: Party, id: string): Outcome {
  const outcome: Outcome = { now: 'pending' }
  party
    .peer(id)
    .connect()
    .then(
      () => {
        outcome.now = 'connected'
      },
      (error: unknown) => {
        outcome.now = error
      },
    )
  return outcome
}

function hangup(from: string, g?: number): Relayed {
  return { type: 'hangup', from, ...(g !== undefined && { x: { g } }) }
}

// Offers without an answer

test('a call that nobody answers has failed after 15 seconds, and its error is told', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  await party.clock.advance(14_999)
  expect(party.peer('newer').state).toBe('connecting')
  expect(party.events.error).toBeUndefined()
  await party.clock.advance(1)
  expect(party.peer('newer').state).toBe('failed')
  expect(party.events.error).toMatchObject([{ error: { code: 'timed-out', retryable: true }, peer: { id: 'newer' } }])
  expect(calling.now).toMatchObject({ code: 'timed-out' })
})

test('calling again after that is a generation later, and an answer to the first call is dropped', async () => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await party.clock.advance(15_000)
  const again = call(party, 'newer')
  await settle()
  // After ten seconds without an answer the first one was made again.
  expect(party.offers().map(({ x }) => x)).toEqual([
    { g: 1, d: 1 },
    { g: 1, d: 2 },
    { g: 2, d: 1 },
  ])
  const [first, second] = [at(party.connections, 0), at(party.connections, 1)]
  expect(first.connectionState).toBe('closed')
  await relay(party, { type: 'answer', from: 'newer', sdp: sdpOf('late'), x: { g: 1, re: 1, d: 1 } })
  expect(last(party.steps)).toBe('stale-dropped')
  expect([first.remoteDescription, second.remoteDescription]).toEqual([null, null])
  await answerFrom(party, 'newer')
  second.become('connected')
  await settle()
  expect(again.now).toBe('connected')
})

test('a call that connects late, while nobody has called again, is connected', async () => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await party.clock.advance(15_000)
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  expect(party.peer('newer').state).toBe('connected')
  expect(party.connections).toHaveLength(1)
  await expect(party.peer('newer').connect()).resolves.toBeUndefined()
})

// Calls that cross

test('where both hang up at once, the late hangup does not end the call that this side makes next', async () => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  party.peer('newer').hangup()
  expect(last(party.server.socket.of('hangup'))).toMatchObject({ to: 'newer', x: { g: 1 } })
  const again = call(party, 'newer')
  await relay(party, hangup('newer', 1))
  expect(party.peer('newer').state).toBe('connecting')
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  await settle()
  expect(again.now).toBe('connected')
  await relay(party, hangup('newer', 1))
  expect(party.peer('newer').state).toBe('connected')
  await relay(party, hangup('newer', 2))
  expect(party.peer('newer').state).toBe('closed')
})

test('nor the call that this side asks the other one for', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'older', 1)
  party.peer('older').hangup()
  const again = call(party, 'older')
  await relay(party, hangup('older', 1))
  expect(party.peer('older').state).toBe('connecting')
  await callFrom(party, 'older', 2)
  expect(again.now).toBe('connected')
})

test('nor the call that the other side makes next', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'older', 1)
  party.peer('older').hangup()
  await callFrom(party, 'older', 2)
  await relay(party, hangup('older', 1))
  expect(party.peer('older').state).toBe('connected')
})

test('a late request for a fresh start of a call that has ended calls nobody', async () => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await answerFrom(party, 'newer')
  party.peer('newer').hangup()
  await relay(party, { type: 'restart', from: 'newer', x: { g: 1 } })
  expect(party.sentTo('newer')).toEqual(['offer', 'hangup', 'hangup'])
  expect(party.peer('newer').state).toBe('closed')
})

test('a peer that numbers and asks for a call while there is one has lost it, and gets a new one', async () => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  await relay(party, { type: 'restart', from: 'newer' })
  expect(party.offers().map(({ x }) => x)).toEqual([
    { g: 1, d: 1 },
    { g: 2, d: 1 },
  ])
  expect(at(party.connections, 0).connectionState).toBe('closed')
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  expect(party.peer('newer').state).toBe('connected')
})

test('a peer without numbers that asks while there is a call gets a fresh start of its ICE', async () => {
  const party = await join({ peers: [wirePeer('raw', { polite: false, features: [] })] })
  await answerFrom(party, 'raw')
  party.connection().become('connected')
  const before = fragmentOf(party.connection().localDescription)
  await relay(party, { type: 'restart', from: 'raw' })
  expect(party.connections).toHaveLength(1)
  expect(party.sentTo('raw')).toEqual(['offer', 'offer'])
  expect(fragmentOf(party.connection().localDescription)).not.toBe(before)
})

// What the application does at the end of a call

test.each(['this side', 'the peer'])('a call that is made as soon as %s has hung up works', async (who) => {
  const party = await joinBeside('newer')
  call(party, 'newer')
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  const calls: Outcome[] = []
  party.room.on('peer-state', ({ state }) => {
    if (state === 'closed') calls.push(call(party, 'newer'))
  })
  if (who === 'this side') party.peer('newer').hangup()
  else await relay(party, hangup('newer', 1))
  await settle()
  expect(calls.map(({ now }) => now)).toEqual(['pending'])
  expect(party.peer('newer').state).toBe('connecting')
  await answerFrom(party, 'newer')
  expect(last(party.offers()).x).toEqual({ g: 2, d: 1 })
  party.connection().become('connected')
  await settle()
  expect(calls.map(({ now }) => now)).toEqual(['connected'])
})

test('an older peer that is called as soon as it has hung up is asked for an offer', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'older', 1)
  const calls: Outcome[] = []
  party.room.on('peer-state', ({ state }) => {
    if (state === 'closed') calls.push(call(party, 'older'))
  })
  await relay(party, hangup('older', 1))
  expect(party.sentTo('older')).toEqual(['answer', 'restart'])
  await callFrom(party, 'older', 2)
  expect(calls.map(({ now }) => now)).toEqual(['connected'])
})

test('a TURN server that refuses fresh credentials too is told, and does not fail the call', async () => {
  const party = await joinBeside('newer')
  const calling = call(party, 'newer')
  await settle()
  party.connection().failAtTurn(401)
  await settle()
  expect(party.events.error).toBeUndefined()
  party.connection().failAtTurn(401)
  await party.clock.advance(10_000)
  expect(party.events.error).toMatchObject([{ error: { code: 'turn-refused' }, peer: { id: 'newer' } }])
  expect(calling.now).toBe('pending')
  await answerFrom(party, 'newer')
  party.connection().become('connected')
  await settle()
  expect(calling.now).toBe('connected')
})

test('the reason that one side gives for hanging up is the other side’s to read', async () => {
  const [here, there] = [await joinBeside('newer'), await joinBeside('older')]
  call(here, 'newer')
  await callFrom(there, 'older', 1)
  here.peer('newer').hangup('out of time')
  const { reason = '', x = {} } = last(here.server.socket.of('hangup'))
  await relay(there, { type: 'hangup', from: 'older', reason, x })
  expect(last(there.events['peer-state'] ?? [])).toMatchObject({
    peer: { id: 'older' },
    state: 'closed',
    reason: 'the older hung up: out of time.',
  })
})

// Answers wait for a place

const names = [...'abcde']

/** A room with two places, into which five older peers call at once. */
async function crowd(): Promise<Party> {
  const limits = { ...welcome().limits, pairsOpening: 2 }
  const party = await join({ connect: 'manual', peers: names.map((name) => wirePeer(name)), welcome: { limits } })
  for (const from of names) party.server.socket.say({ type: 'offer', from, sdp: sdpOf(`${from}1`), x: { g: 1, d: 1 } })
  await settle()
  return party
}

/** Who has got an answer. */
function answered(party: Party): string {
  return names.filter((name) => party.sentTo(name).includes('answer')).join('')
}

test('of five that call at once two are answered, and the others follow as those connect or fail', async () => {
  const party = await crowd()
  expect(party.connections).toHaveLength(2)
  expect(answered(party)).toBe('ab')
  expect(names.map((name) => party.peer(name).state)).toEqual(names.map(() => 'connecting'))
  at(party.connections, 1).become('connected')
  await settle()
  expect(answered(party)).toBe('abc')
  at(party.connections, 0).become('failed')
  await settle()
  expect(answered(party)).toBe('abcd')
  at(party.connections, 2).become('connected')
  await settle()
  expect(answered(party)).toBe('abcde')
  expect(party.connections).toHaveLength(5)
})

test('candidates of a peer that waits are given to its connection when it is made', async () => {
  const party = await crowd()
  await relay(party, {
    type: 'ice-candidate',
    from: 'c',
    candidate: { candidate: 'candidate:1', usernameFragment: 'c1' },
    x: { g: 1 },
  })
  at(party.connections, 0).become('connected')
  await settle()
  expect(answered(party)).toBe('abc')
  expect(party.connection().candidates).toMatchObject([{ usernameFragment: 'c1' }])
})

test('of a peer that waits the latest offer is answered', async () => {
  const party = await crowd()
  await relay(party, { type: 'offer', from: 'c', sdp: sdpOf('c2'), x: { g: 2, d: 1 } })
  at(party.connections, 0).become('connected')
  await settle()
  expect(party.connections).toHaveLength(3)
  expect(fragmentOf(party.connection().remoteDescription)).toBe('c2')
  expect(last(party.server.socket.of('answer'))).toMatchObject({ to: 'c', x: { g: 2, re: 1 } })
})

test('a peer that hangs up while it waits is not answered, and the next one has its turn', async () => {
  const party = await crowd()
  await relay(party, hangup('c', 1))
  expect(party.peer('c').state).toBe('closed')
  at(party.connections, 0).become('connected')
  at(party.connections, 1).become('connected')
  await settle()
  expect(answered(party)).toBe('abde')
})
