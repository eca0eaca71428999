import { expect, test } from 'vitest'
import type { Relayed } from '../src/generated/wire.ts'
import { settle } from './support/clock.ts'
import { sdpOf } from './support/connection.ts'
import { FakeDataChannel } from './support/data-channel.ts'
import { answerFrom, callFrom, join, type Party, relay } from './support/party.ts'
import { welcome, wirePeer } from './support/server.ts'

/** A room with the hostile peer, who was here first, or came later, and one who means well. */
function joinBeside(hostile: 'older' | 'newer', features: string[] = ['streams']): Promise<Party> {
  // A slow pace, so that whoever makes this side say too much keeps others waiting.
  const limits = { ...welcome().limits, messageBurst: 10, messageBurstPerPeer: 0, messagesPerSecond: 1 }
  const peers = [wirePeer('hostile', { polite: hostile === 'older', features }), wirePeer('friend', { polite: false })]
  return join({ connect: 'manual', peers, welcome: { limits } })
}

function offer(g: number, d: number, sdp = sdpOf(`h${g}-${d}`)): Relayed {
  return { type: 'offer', from: 'hostile', sdp, x: { g, d } }
}

async function flood(party: Party, count: number, message: (n: number) => Relayed): Promise<void> {
  for (let n = 1; n <= count; n += 1) await relay(party, message(n))
}

/** How many connections there are, apart from those that have ended. */
function alive(party: Party): number {
  return party.connections.filter(({ connectionState }) => connectionState !== 'closed').length
}

/** Calls the one who means well, who has to get the offer as one of the next two messages. */
async function callFriend(party: Party): Promise<void> {
  const calling = party.peer('friend').connect()
  await party.clock.advance(2_500)
  expect(party.sentTo('friend')).toEqual(['offer'])
  await answerFrom(party, 'friend')
  party.connection().become('connected')
  await expect(calling).resolves.toBeUndefined()
}

test('a hundred calls of one peer make ten connections, of which one is left, and others can be called', async () => {
  const party = await joinBeside('older')
  await flood(party, 100, (n) => offer(n, 1))
  expect(party.connections).toHaveLength(10)
  expect(alive(party)).toBe(1)
  await callFriend(party)
})

test('a peer that has called too often may call again after a while', async () => {
  const party = await joinBeside('older')
  await flood(party, 100, (n) => offer(n, 1))
  await party.clock.advance(1_900)
  await flood(party, 1, () => offer(101, 1))
  expect(party.connections).toHaveLength(10)
  await party.clock.advance(100)
  await callFrom(party, 'hostile', 102)
  expect(party.connections).toHaveLength(11)
  expect(party.peer('hostile').state).toBe('connected')
})

test('of a hundred failures that one peer causes at once ten are told, and one more every ten seconds', async () => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'hostile')
  const refused = (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) connection.refuse('addIceCandidate', new Error('Malformed'))
    const candidate = { candidate: 'nonsense', usernameFragment: 'hostile1' }
    return flood(party, count, () => ({ type: 'ice-candidate', from: 'hostile', candidate, x: { g: 1 } }))
  }
  await refused(100)
  expect(party.events.error).toHaveLength(10)
  expect(party.warnings).toHaveLength(10)
  await party.clock.advance(10_000)
  await refused(10)
  expect(party.events.error).toHaveLength(11)
})

test('of offers that no browser takes, two make a new connection, and connections that break three times are given up', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'hostile')
  for (let g = 1; g < 10; g += 1) {
    await relay(party, offer(g, 2, 'no description'))
    await relay(party, offer(g, 3, 'no description'))
    await relay(party, offer(g + 1, 1))
    party.connection().become('connected')
  }
  expect(party.peer('hostile').counts.rebuilds).toBe(3)
  expect(party.connections).toHaveLength(10)
  // Those whose place another one has taken are closed a second later.
  await party.clock.advance(1_000)
  expect(alive(party)).toBe(1)
  expect(party.events.error?.length).toBeLessThan(11)
  await callFriend(party)
})

test.each<[string, string[], object, number, number]>([
  ['without a number', ['streams'], {}, 1, 2],
  ['of the call there is', ['streams'], { x: { g: 1 } }, 1, 2],
  ['of a peer that does not number', [], {}, 1, 2],
])(
  'a thousand requests %s make few connections and offers, and others can be called',
  async (_, features, x, connections, offers) => {
    const party = await joinBeside('newer', features)
    party
      .peer('hostile')
      .connect()
      .catch(() => undefined)
    await answerFrom(party, 'hostile')
    await flood(party, 1_000, () => ({ type: 'restart', from: 'hostile', ...x }))
    expect(party.connections).toHaveLength(connections)
    expect(alive(party)).toBe(1)
    await callFriend(party)
    expect(party.sentTo('hostile').filter((type) => type === 'offer').length).toBeLessThanOrEqual(offers)
  },
)

test('a peer that asks for a fresh start again as soon as it has answered one gets one a second', async () => {
  const party = await joinBeside('newer')
  party
    .peer('hostile')
    .connect()
    .catch(() => undefined)
  await answerFrom(party, 'hostile')
  const offersAfter = async (count: number): Promise<number> => {
    for (let n = 0; n < count; n += 1) {
      await relay(party, { type: 'restart', from: 'hostile', x: { g: 1 } })
      await answerFrom(party, 'hostile')
    }
    return party.offers().length
  }
  expect(await offersAfter(5)).toBe(2)
  await party.clock.advance(1_000)
  expect(await offersAfter(5)).toBe(3)
})

test('a peer that makes this side say much does not keep others from being called', async () => {
  const party = await joinBeside('older')
  await callFrom(party, 'hostile')
  await flood(party, 100, (n) => offer(1, n + 1))
  expect(party.sentTo('hostile').length).toBeLessThan(12)
  await callFriend(party)
})

test('of the channels of a peer that nobody asks for sixteen wait, and the others are closed', async () => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'hostile')
  const opened = Array.from({ length: 100 }, (_, n) => new FakeDataChannel(`c${n}`))
  for (const channel of opened) {
    channel.readyState = 'open'
    connection.offerChannel(channel)
  }
  // The channel that is always there is one of the sixteen.
  expect(opened.filter(({ readyState }) => readyState === 'open')).toEqual(opened.slice(0, 15))
  party
    .peer('friend')
    .connect()
    .catch(() => undefined)
  await answerFrom(party, 'friend')
  const theirs = new FakeDataChannel('chat')
  theirs.readyState = 'open'
  party.connection().offerChannel(theirs)
  expect(party.room.channel('chat').peers.map(({ id }) => id)).toEqual(['friend'])
})

test('a channel that is asked for makes room for another', async () => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'hostile')
  for (let n = 0; n < 15; n += 1) connection.offerChannel(new FakeDataChannel(`c${n}`))
  party.room.channel('c3')
  const [next, beyond] = [new FakeDataChannel('next'), new FakeDataChannel('beyond')]
  connection.offerChannel(next)
  connection.offerChannel(beyond)
  expect([next.readyState, beyond.readyState]).toEqual(['connecting', 'closing'])
})

test.each<[string, () => unknown]>([
  ['text', () => 'x'.repeat(20_000)],
  ['bytes', () => new ArrayBuffer(20_000)],
])('of what waits on a channel that nobody asks for, 64 KiB of %s are kept', async (_, message) => {
  const party = await joinBeside('older')
  const connection = await callFrom(party, 'hostile')
  const theirs = new FakeDataChannel('chat')
  connection.offerChannel(theirs)
  for (let n = 0; n < 50; n += 1) theirs.hear(message())
  theirs.hear('the last')
  const heard: unknown[] = []
  party.room.channel('chat').on('message', ({ data }) => heard.push(data))
  await settle()
  expect(heard).toEqual([message(), message(), message(), 'the last'])
})
