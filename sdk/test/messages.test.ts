import { expect, test } from 'vitest'
import type { JsonObject, Relayed } from '../src/generated/wire.ts'
import { settle } from './support/clock.ts'
import { couple } from './support/couple.ts'
import { at, last } from './support/lists.ts'
import { outcome } from './support/outcome.ts'
import { callFrom, comeBack, join, type Party, relay } from './support/party.ts'
import { wirePeer } from './support/server.ts'
import { uncaughtDuring } from './support/uncaught.ts'

/** A room with one who speaks streams and one who does not, in which nobody is called. */
function joinBeside(): Promise<Party> {
  return join({ connect: 'manual', peers: [wirePeer('b'), wirePeer('raw', { features: [] })] })
}

/** A message of `b`, at a place of its stream. */
function message(data: unknown, n?: number, e = 9): Relayed {
  return { type: 'message', from: 'b', data, ...(n !== undefined && { x: { s: { e, n } } as unknown as JsonObject }) } as Relayed
}

function heard(party: Party): unknown[] {
  return (party.events.message ?? []).map(({ data }) => data)
}

// Sending

test('a message needs no call, and is delivered when the peer has acknowledged it', async () => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const sending = outcome(party.peer('b').send({ text: 'hello' }))
  const signal = last(party.server.socket.wire)
  expect(signal).toMatchObject({ type: 'message', to: 'b', data: { text: 'hello' }, x: { s: { n: 1 } } })
  expect(signal).not.toHaveProperty('receipt')
  expect(await sending).toBe('pending')
  expect(party.peer('b').state).toBe('new')
  const again = party.peer('b').send(1)
  const { x } = last(party.server.socket.wire) as unknown as { x: { s: JsonObject } }
  await relay(party, { type: 'ack', from: 'b', x: { a: x.s } })
  expect(await outcome(again)).toBe('done')
})

test('to a peer without this library it is delivered when the server has written it', async () => {
  const party = await joinBeside()
  const sending = party.peer('raw').send('hello')
  const { msg = '' } = last(party.server.socket.of('message'))
  expect(last(party.server.socket.wire)).toEqual({ type: 'message', to: 'raw', data: 'hello', msg, receipt: true })
  party.server.socket.say({ type: 'receipt', re: msg, status: 'parked' })
  expect(await outcome(sending)).toBe('pending')
  party.server.socket.say({ type: 'receipt', re: msg, status: 'written' })
  expect(await outcome(sending)).toBe('done')
})

test.each(['b', 'raw'])('what is refused for good is the rejection of its `send`, and nobody else’s: %s', async (id) => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const sending = party.peer(id).send(1)
  const re = last(party.server.socket.of('message')).msg ?? ''
  party.server.socket.say({ type: 'error', code: 'forbidden', message: 'No messages.', hint: 'Ask.', re, to: id })
  expect(await outcome(sending)).toMatchObject({ code: 'forbidden', hint: 'Ask.', outcome: 'not-delivered' })
  expect(party.events.error).toBeUndefined()
})

test('what does not arrive in 30 seconds is late, also where the server is away all the while', async () => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const flying = party.peer('b').send(1)
  flying.catch(() => undefined)
  party.server.socket.drop(1006)
  const waiting = party.peer('b').send(2)
  waiting.catch(() => undefined)
  await party.clock.advance(29_999)
  expect(await outcome(waiting)).toBe('pending')
  await party.clock.advance(2)
  expect(await outcome(flying)).toMatchObject({ code: 'timed-out', outcome: 'unknown' })
  expect(await outcome(waiting)).toMatchObject({ code: 'timed-out', outcome: 'not-delivered' })
})

test('what was not acknowledged when the connection broke goes again with the same place, and what was written meanwhile follows', async () => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const sending = [party.peer('b').send(1), party.peer('b').send(2)]
  const places = party.server.socket.of('message').map(({ msg }) => msg)
  party.server.socket.drop(1006)
  sending.push(party.peer('b').send(3))
  await party.clock.advance(last(party.events.status ?? []).retryInMs ?? 0)
  await party.server.welcome({ resumed: true, peers: [wirePeer('b'), wirePeer('raw', { features: [] })] })
  const again = party.server.socket.of('message')
  expect(again.map(({ data }) => data)).toEqual([1, 2, 3])
  expect(again.slice(0, 2).map(({ msg }) => msg)).toEqual(places)
  expect(await Promise.all(sending.map(outcome))).toEqual(['done', 'done', 'done'])
})

test('what was written meanwhile to somebody who has left in the meantime is never sent, and so not delivered', async () => {
  const party = await joinBeside()
  party.server.socket.drop(1006)
  const sending = party.peer('b').send('too late')
  await party.clock.advance(1_000)
  await party.server.welcome({ resumed: true, peers: [], left: ['b'] })
  expect(party.sentTo('b')).toEqual([])
  await expect(sending).rejects.toMatchObject({ code: 'peer-closed', outcome: 'not-delivered' })
})

test('what was sent to a peer without this library on a connection that broke may have arrived, and is not sent again', async () => {
  const party = await joinBeside()
  const sending = party.peer('raw').send(1)
  sending.catch(() => undefined)
  await comeBack(party, { peers: [wirePeer('raw', { features: [] })] })
  expect(await outcome(sending)).toMatchObject({ code: 'timed-out', outcome: 'unknown' })
  expect(party.server.socket.of('message')).toEqual([])
})

test('a session that could not go on settles everything, and what is sent after it is another stream', async () => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const b = party.peer('b')
  const sending = b.send(1)
  sending.catch(() => undefined)
  await comeBack(party, { resumed: false, peers: [wirePeer('b')] })
  expect(await outcome(sending)).toMatchObject({ code: 'peer-closed', outcome: 'unknown' })
  expect(await outcome(b.send(2))).toBe('done')
  expect(party.server.socket.of('message').map(({ data }) => data)).toEqual([2])
})

test.each<[string, (party: Party) => void, string]>([
  [
    'the peer leaves',
    (party) => party.server.socket.say({ type: 'peer-left', id: 'b', reason: 'left', final: true }),
    'peer-closed',
  ],
  ['this side leaves', (party) => party.room.leave(), 'left'],
])('where %s everything is settled, and what is sent later is refused at once', async (_, leave, code) => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const b = party.peer('b')
  const sending = b.send(1)
  leave(party)
  expect(await outcome(sending)).toMatchObject({ code, outcome: 'unknown' })
  expect(await outcome(b.send(2))).toMatchObject({ code: 'peer-closed', outcome: 'not-delivered' })
})

test('a stay that has failed sends nothing more', async () => {
  const party = await joinBeside()
  party.server.socket.drop(4410)
  expect(party.room.status).toBe('failed')
  expect(await outcome(party.peer('b').send(1))).toMatchObject({ code: 'left', outcome: 'not-delivered' })
})

test('what was on its way when the stay failed is settled', async () => {
  const party = await joinBeside()
  party.server.socket.acknowledges = false
  const sending = party.peer('b').send(1)
  sending.catch(() => undefined)
  party.server.socket.drop(4410)
  await party.clock.advance(30_000)
  expect(await outcome(sending)).toMatchObject({ outcome: 'unknown' })
})

test('while a peer is unreachable its messages wait, and go when it is back', async () => {
  const party = await joinBeside()
  party.server.socket.say({ type: 'peer-left', id: 'b', reason: 'unreachable', final: false })
  const sending = party.peer('b').send(1)
  await party.clock.advance(10_000)
  expect(party.server.socket.of('message')).toEqual([])
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('b') })
  expect(await outcome(sending)).toBe('done')
})

test('a circle and half a character are refused before anything is sent', async () => {
  const party = await joinBeside()
  const circle: { self?: unknown } = {}
  circle.self = circle
  for (const data of [circle, '\ud800', undefined]) {
    expect(await outcome(party.peer('b').send(data))).toMatchObject({ code: 'invalid-option' })
  }
  expect(party.server.socket.of('message')).toEqual([])
})

// Receiving

test('messages are told once and in the order in which they were sent', async () => {
  const party = await joinBeside()
  for (const n of [1, 3, 3, 2, 1, 5, 4]) await relay(party, message(`m${n}`, n))
  expect(heard(party)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5'])
  expect(party.events.message?.map(({ peer }) => peer.id)).toEqual(['b', 'b', 'b', 'b', 'b'])
})

test('messages and signals of a peer are one stream: an offer that follows a message is dealt with after it', async () => {
  const party = await joinBeside()
  const offer: Relayed = {
    type: 'offer',
    from: 'b',
    sdp: 'v=0\r\n',
    x: { g: 1, d: 1, s: { e: 9, n: 2 } } as unknown as JsonObject,
  }
  await relay(party, offer)
  expect(party.connections).toEqual([])
  await relay(party, message('first', 1))
  expect(party.log).toEqual(['message b first', 'peer-state b connecting'])
})

test('what a peer without this library says is told as it comes', async () => {
  const party = await joinBeside()
  for (const data of [1, null, 'x', 1]) await relay(party, { type: 'message', from: 'raw', data } as Relayed)
  expect(heard(party)).toEqual([1, null, 'x', 1])
})

test('of somebody who is not in the room nothing is told', async () => {
  const party = await joinBeside()
  await relay(party, { type: 'message', from: 'nobody', data: 1 })
  expect(party.events.message).toBeUndefined()
})

test('a listener that throws keeps neither other listeners nor later messages from being heard, and what it threw at is acknowledged', async () => {
  const party = await joinBeside()
  const mistake = new Error('a mistake of the application')
  const others: unknown[] = []
  party.room.on('message', ({ data }) => {
    if (data === 'one') throw mistake
  })
  party.room.on('message', ({ data }) => others.push(data))
  const uncaught = await uncaughtDuring(() => {
    party.server.socket.say(message('one', 1))
    party.server.socket.say(message('two', 2))
  })
  expect(uncaught).toEqual([mistake])
  expect(others).toEqual(['one', 'two'])
  await party.clock.advance(50)
  expect(last(party.server.socket.wire)).toEqual({ type: 'ack', to: 'b', x: { a: { e: 9, n: 2 } } })
})

test('a listener that leaves at a message hears none of those that follow', async () => {
  const party = await joinBeside()
  party.room.on('message', () => party.room.leave())
  party.server.socket.say(message('two', 2), message('one', 1))
  await settle()
  expect(heard(party)).toEqual(['one'])
  expect(party.clock.planned).toBe(0)
})

test('a listener that answers is heard in the order in which it answered', async () => {
  const pages = await couple({ connect: 'manual' })
  pages.newer.room.on('message', ({ peer, data }) => void peer.send(`re ${data}`))
  const sending = [1, 2, 3].map((n) => pages.older.peer('newer').send(n))
  await pages.converse()
  await Promise.all(sending)
  expect(heard(pages.older)).toEqual(['re 1', 're 2', 're 3'])
})

test('a hundred messages in both directions over a way that loses and cuts arrive once and in order', async () => {
  const pages = await couple({ connect: 'manual' })
  const numbers = Array.from({ length: 100 }, (_, n) => n)
  const sending = numbers.flatMap((n) => [pages.older.peer('newer').send(n), pages.newer.peer('older').send(n)])
  for (const way of ['cut', 'up', 'cut', 'up'] as const) {
    pages.ways.older = way
    pages.ways.newer = way === 'cut' ? 'up' : 'cut'
    await pages.pass(1_500)
  }
  pages.ways.newer = 'up'
  await pages.pass(9_000)
  await Promise.all(sending)
  expect(heard(pages.newer)).toEqual(numbers)
  expect(heard(pages.older)).toEqual(numbers)
})

test('a hidden page acknowledges at once, because its timers are late', async () => {
  const party = await joinBeside()
  party.page('hidden')
  party.server.socket.say(message('one', 1))
  expect(at(party.server.socket.wire, -1)).toMatchObject({ type: 'ack', to: 'b' })
})

test('a call in which messages fly goes on beside them', async () => {
  const party = await joinBeside()
  await callFrom(party, 'b')
  expect(await outcome(party.peer('b').send('in a call'))).toBe('done')
  expect(party.peer('b').state).toBe('connected')
})
