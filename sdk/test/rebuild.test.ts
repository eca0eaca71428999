import { expect, test } from 'vitest'
import type { ConnectOption } from '../src/room.ts'
import { settle } from './support/clock.ts'
import { alive, type Couple, couple, fail } from './support/couple.ts'
import { at, last } from './support/lists.ts'
import { FakeStream, FakeTrack } from './support/media.ts'
import { callFrom, join, type Party, pass, relay } from './support/party.ts'
import { welcome, wirePeer } from './support/server.ts'

/** Both pages, with a call between them that stands, and nothing in their logs. */
async function calling(connect: ConnectOption = 'mesh'): Promise<Couple> {
  const pages = await couple({ connect })
  if (connect === 'manual')
    pages.older
      .peer('newer')
      .connect()
      .catch(() => undefined)
  await pages.connected()
  forget(pages)
  return pages
}

function forget({ older, newer }: Couple): void {
  older.log.length = 0
  newer.log.length = 0
}

/** The other one, as each sees it. */
const theOther = { older: 'newer', newer: 'older' } as const

type Which = keyof typeof theOther

/** Brings a track of the other side to a page, on its newest connection. */
function bring(party: Party): FakeTrack {
  const track = new FakeTrack('video')
  last(party.connections).bring(track, [new FakeStream([track])])
  return track
}

const oneRebuild = (id: string): string[] => [`peer-state ${id} interrupted`, `peer-state ${id} connected`]

// In place of a broken connection another one

test.each<[string, Which[]]>([
  ['the older side', ['older']],
  ['the newer side', ['newer']],
  ['both at once', ['older', 'newer']],
  ['both at once, the newer first', ['newer', 'older']],
])('where %s cannot mend the connection both have one new one of the same generation', async (_, who) => {
  const pages = await calling()
  for (const side of who) await fail(pages[side])
  await pages.connected()
  for (const side of ['older', 'newer'] as const) {
    const party = pages[side]
    expect(party.connections).toHaveLength(2)
    expect(alive(party)).toHaveLength(1)
    expect(party.peer(theOther[side]).state).toBe('connected')
    expect(party.peer(theOther[side]).counts.rebuilds).toBe(1)
    expect(party.log).toEqual(oneRebuild(theOther[side]))
  }
  expect(last(pages.older.offers()).x).toMatchObject({ g: 2 })
  expect(last(pages.newer.server.socket.of('answer')).x).toMatchObject({ g: 2 })
  await pages.pass(60_000)
  expect([pages.older.connections.length, pages.newer.connections.length]).toEqual([2, 2])
})

test('two offers in a row that the browser refuses make a new connection, of which the application hears as an interruption', async () => {
  const pages = await calling()
  for (const d of [50, 51]) await relay(pages.newer, { type: 'offer', from: 'older', sdp: 'nonsense', x: { g: 1, d } })
  await pages.connected()
  expect(pages.newer.peer('older').counts.rebuilds).toBe(1)
  expect([pages.older.log, pages.newer.log]).toEqual([oneRebuild('newer'), oneRebuild('older')])
  expect([alive(pages.older), alive(pages.newer)]).toEqual([[pages.older.connection().name], [pages.newer.connection().name]])
})

test('an offer that the browser refuses once is answered by `nack`, and the call goes on as if nothing had been', async () => {
  const pages = await calling()
  const { newer, older } = pages
  newer.connection().refuse('setRemoteDescription', new Error('No'))
  older.connection().addTransceiver('audio')
  await pages.converse()
  expect(newer.server.socket.of('nack')).toMatchObject([{ to: 'older', x: { g: 1, re: 2 } }])
  expect([older.connections.length, newer.connections.length]).toEqual([1, 1])
  expect([older.connection().unfinished, newer.connection().unfinished]).toEqual([false, false])
  expect(newer.connection().transceivers).toHaveLength(older.connection().transceivers.length)
  expect([...older.log, ...newer.log]).toEqual([])
})

test('what is published is sent on the new connection too', async () => {
  const pages = await calling()
  const track = new FakeTrack('video')
  await pages.newer.room.publish(track.asBrowsers())
  await pages.converse()
  await fail(pages.newer)
  await pages.connected()
  expect(pages.newer.connection().sending).toEqual([track])
})

test('a request for a new connection that is lost is made again by the stream below', async () => {
  const pages = await calling()
  pages.ways.older = 'cut'
  await fail(pages.newer)
  await pages.converse()
  expect(pages.older.connections).toHaveLength(1)
  pages.ways.older = 'up'
  await pages.pass(1_100)
  await pages.connected()
  expect([pages.older.connections.length, pages.newer.connections.length]).toEqual([2, 2])
  expect(pages.newer.log).toEqual(oneRebuild('older'))
})

test('three connections that break in a row are replaced, and then one every twenty seconds', async () => {
  const pages = await calling()
  const breakNewest = async (): Promise<void> => {
    await fail(pages.older)
    await pages.connected()
  }
  for (let n = 0; n < 3; n += 1) await breakNewest()
  expect(pages.older.connections).toHaveLength(4)
  await breakNewest()
  expect(pages.older.connections).toHaveLength(4)
  expect(pages.older.events.error).toMatchObject([{ error: { code: 'negotiation-failed' }, peer: { id: 'newer' } }])
  await pages.pass(20_000)
  await breakNewest()
  expect(pages.older.connections).toHaveLength(5)
  expect(alive(pages.older)).toHaveLength(1)
  expect(alive(pages.newer)).toHaveLength(1)
})

test('a peer that asks for ever more new connections gets ten', async () => {
  const party = await join({ peers: [wirePeer('older')] })
  await callFrom(party, 'older')
  for (let g = 2; g < 100; g += 1) {
    await relay(party, { type: 'rebuild', from: 'older', x: { g } })
    await callFrom(party, 'older', g)
  }
  expect(party.connections.length).toBeLessThan(12)
  await pass(party, 1_000)
  expect(alive(party)).toHaveLength(1)
})

test.each<[string, object | undefined]>([
  ['of the connection there is', { g: 1 }],
  ['without a number', undefined],
  ['with a text', { g: '2' }],
  ['beyond counting', { g: 1e300 }],
])('a `rebuild` %s is dropped', async (_, x) => {
  const party = await join({ peers: [wirePeer('older')] })
  const connection = await callFrom(party, 'older')
  await relay(party, { type: 'rebuild', from: 'older', ...(x && { x: { ...x } }) })
  expect(last(party.steps)).toBe('stale-dropped')
  expect(party.connections).toEqual([connection])
  expect(party.peer('older').state).toBe('connected')
})

test('a `rebuild` after a hangup calls nobody', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('newer', { polite: false })] })
  party
    .peer('newer')
    .connect()
    .catch(() => undefined)
  party.peer('newer').hangup()
  await relay(party, { type: 'rebuild', from: 'newer', x: { g: 2 } })
  expect(party.connections).toHaveLength(1)
  expect(party.peer('newer').state).toBe('closed')
})

/** The other side is out of the server's reach for longer than what is said to it lives, and its session goes on. */
async function hangUpUnheard(pages: Couple, hanger: Which): Promise<void> {
  const other = theOther[hanger]
  pages[other].server.socket.drop(1006)
  pages[hanger].server.socket.say({ type: 'peer-away', id: other })
  await pages.pass(100)
  pages[hanger].peer(other).hangup()
  await pages.pass(35_000)
  for (let n = 0; n < 40 && pages[other].room.status !== 'joined'; n += 1) {
    await pages[other].server.welcome({ resumed: true, peers: [pages[other].peer(hanger).wire] })
    await pages.pass(500)
  }
  pages[hanger].server.socket.say({ type: 'peer-back', id: other })
}

test.each<[Which, 'disconnected' | 'failed']>([
  ['older', 'disconnected'],
  ['newer', 'disconnected'],
  ['older', 'failed'],
  ['newer', 'failed'],
])('a hangup by the %s side that never arrived is not undone where the other side mends what has %s', async (hanger, what) => {
  const pages = await calling('manual')
  const other = theOther[hanger]
  await hangUpUnheard(pages, hanger)
  expect(pages[other].peer(hanger).state).toBe('connected')
  forget(pages)
  const made = pages[hanger].connections.length
  if (what === 'failed') await fail(pages[other])
  else last(pages[other].connections).become('disconnected')
  await pages.pass(60_000)
  expect([pages[hanger].peer(other).state, pages[other].peer(hanger).state]).toEqual(['closed', 'closed'])
  expect(pages[hanger].connections).toHaveLength(made)
  expect(pages[hanger].log.filter((line) => line.startsWith('peer-state'))).toEqual([])
  expect([...alive(pages.older), ...alive(pages.newer)]).toEqual([])
  // Whoever calls again gets through.
  const connected = pages[hanger].peer(other).connect()
  await pages.connected()
  await expect(connected).resolves.toBeUndefined()
})

// What the application sees meanwhile

test('the picture stays until the new one is there, and then follows it', async () => {
  const pages = await calling()
  const before = bring(pages.newer)
  forget(pages)
  await fail(pages.newer)
  await pages.converse()
  const after = bring(pages.newer)
  expect(pages.newer.log).toEqual(['peer-state older interrupted'])
  expect(pages.newer.peer('older').streams.flatMap((stream) => stream.getTracks())).toEqual([after, before])
  await pages.connected()
  expect(pages.newer.log).toEqual([
    'peer-state older interrupted',
    'track-removed older',
    'track older',
    'peer-state older connected',
  ])
  expect(last(pages.newer.events['track-removed'] ?? []).track).toBe(before)
  expect(last(pages.newer.events.track ?? []).track).toBe(after)
  expect(pages.newer.peer('older').streams.flatMap((stream) => stream.getTracks())).toEqual([after])
})

test('the same channel goes on: where the new way is open before the old one is closed neither is told', async () => {
  const pages = await calling()
  const channel = pages.newer.room.channel()
  const told: string[] = []
  channel.on('open', () => told.push('open'))
  channel.on('close', () => told.push('close'))
  await settle()
  told.length = 0
  await relay(pages.newer, { type: 'rebuild', from: 'older', x: { g: 2 } })
  await relay(pages.newer, { type: 'offer', from: 'older', sdp: 'v=0\r\n', x: { g: 2, d: 1 } })
  at(pages.newer.connection().channels, 0).open()
  pages.newer.connection().become('connected')
  await settle()
  expect(told).toEqual([])
  channel.send('hello')
  expect(at(pages.newer.connection().channels, 0).sent).toEqual(['hello'])
})

test('a channel that opens a while after its connection stands, as browsers have it, is not closed in between', async () => {
  const pages = await calling()
  const channel = pages.newer.room.channel()
  const told: string[] = []
  channel.on('open', () => told.push('open'))
  channel.on('close', () => told.push('close'))
  await settle()
  told.length = 0
  await relay(pages.newer, { type: 'rebuild', from: 'older', x: { g: 2 } })
  await relay(pages.newer, { type: 'offer', from: 'older', sdp: 'v=0\r\n', x: { g: 2, d: 1 } })
  const next = pages.newer.connection()
  next.channelsOpen = 'never'
  next.become('connected')
  await pages.pass(100)
  at(next.channels, 0).open()
  await settle()
  expect(told).toEqual([])
  await pages.pass(1_000)
  expect(alive(pages.newer)).toEqual([next.name])
})

test('where the old way is closed before the new one is open both are told', async () => {
  const pages = await calling()
  const told: string[] = []
  const channel = pages.newer.room.channel()
  channel.on('open', () => told.push('open'))
  channel.on('close', () => told.push('close'))
  await settle()
  told.length = 0
  await fail(pages.newer)
  expect(told).toEqual(['close'])
  await pages.connected()
  await settle()
  expect(told).toEqual(['close', 'open'])
})

test('who waits for the connection meanwhile has it when the new one stands', async () => {
  const pages = await calling()
  await fail(pages.older)
  let outcome = 'pending'
  const waiting = pages.older.peer('newer').connect()
  waiting.then(
    () => (outcome = 'connected'),
    () => (outcome = 'rejected'),
  )
  await pages.converse()
  expect(outcome).toBe('pending')
  await pages.connected()
  expect(outcome).toBe('connected')
})

// What comes in between

test('a new connection that does not come about ends the old one, and has failed', async () => {
  const pages = await calling()
  const before = bring(pages.newer)
  pages.ways.older = 'cut'
  pages.ways.newer = 'cut'
  await fail(pages.older)
  await fail(pages.newer)
  forget(pages)
  await pages.pass(40_000)
  expect([pages.older.log, pages.newer.log]).toEqual([
    expect.arrayContaining(['peer-state newer failed']),
    expect.arrayContaining(['track-removed older', 'peer-state older failed']),
  ])
  expect(last(pages.newer.events['track-removed'] ?? []).track).toBe(before)
  expect(alive(pages.newer)).toEqual([])
})

test.each<Which>(['older', 'newer'])(
  'hanging up while the connection is rebuilt ends it on both sides: the %s one does',
  async (side) => {
    const pages = await calling()
    await fail(pages[side])
    pages[side].peer(theOther[side]).hangup('enough')
    await pages.pass(30_000)
    for (const each of ['older', 'newer'] as const) {
      expect(alive(pages[each])).toEqual([])
      expect(last(pages[each].log)).toBe(`peer-state ${theOther[each]} closed`)
    }
  },
)

test('hanging up while both rebuild, before the offer is made, ends it on both sides', async () => {
  const limits = { ...welcome().limits, pairsOpening: 1 }
  const pages = await couple({ welcome: { limits } })
  await pages.connected()
  // Somebody else takes the only place.
  pages.older.server.socket.say({ type: 'peer-joined', peer: wirePeer('third', { polite: false }) })
  await settle()
  const old = at(pages.older.connections, 0)
  at(old.channels, 0).end()
  old.become('failed')
  await pages.converse()
  pages.older.peer('newer').hangup()
  await pages.pass(14_000)
  expect(pages.older.peer('newer').state).toBe('closed')
  expect(pages.newer.peer('older').state).toBe('closed')
  expect(alive(pages.newer)).toEqual([])
})

test('a call that is hung up while its connection is rebuilt shows nothing more', async () => {
  const pages = await calling()
  const before = bring(pages.newer)
  await fail(pages.newer)
  await pages.converse()
  bring(pages.newer)
  forget(pages)
  pages.newer.peer('older').hangup()
  expect(pages.newer.log).toEqual(['track-removed older', 'peer-state older closed'])
  expect(last(pages.newer.events['track-removed'] ?? []).track).toBe(before)
  expect(pages.newer.peer('older').streams).toEqual([])
})

test('a peer that leaves while its connection is rebuilt leaves no picture and no connection behind', async () => {
  const pages = await calling()
  bring(pages.newer)
  await fail(pages.newer)
  await pages.converse()
  bring(pages.newer)
  forget(pages)
  pages.newer.server.socket.say({ type: 'peer-left', id: 'older', reason: 'left', final: true })
  await settle()
  expect(pages.newer.log).toEqual(['track-removed older', 'peer-state older closed', 'peer-left older left'])
  expect(alive(pages.newer)).toEqual([])
})

test('a new connection that breaks before it stands is replaced too, and the picture is still the one that stood', async () => {
  const pages = await calling()
  const before = bring(pages.newer)
  await fail(pages.newer)
  await pages.converse()
  const never = bring(pages.newer)
  forget(pages)
  await relay(pages.newer, { type: 'rebuild', from: 'older', x: { g: 3 } })
  await relay(pages.newer, { type: 'offer', from: 'older', sdp: 'v=0\r\n', x: { g: 3, d: 1 } })
  expect(pages.newer.log).toEqual([])
  const after = bring(pages.newer)
  pages.newer.connection().become('connected')
  await settle()
  expect(pages.newer.log).toEqual(['track-removed older', 'track older', 'peer-state older connected'])
  expect(last(pages.newer.events['track-removed'] ?? []).track).toBe(before)
  expect(last(pages.newer.events.track ?? []).track).toBe(after)
  expect(pages.newer.events.track?.map(({ track }) => track)).not.toContain(never)
  await pages.pass(1_000)
  expect(alive(pages.newer)).toHaveLength(1)
})

test('what the old connection still says is heard by nobody', async () => {
  const pages = await calling()
  const old = pages.newer.connection()
  await fail(pages.newer)
  await pages.converse()
  forget(pages)
  const sent = pages.newer.sentTo('older').length
  old.gather()
  old.addTransceiver('audio')
  old.become('disconnected')
  old.become('failed')
  old.failAtTurn(401)
  await pages.converse()
  expect(pages.newer.sentTo('older')).toHaveLength(sent)
  await pages.connected()
  expect(pages.newer.log).toEqual(['peer-state older connected'])
})

test('leaving while a connection is rebuilt leaves nothing planned', async () => {
  const pages = await calling()
  await fail(pages.newer)
  await pages.converse()
  for (const side of ['older', 'newer'] as const) pages[side].room.leave()
  await settle()
  expect([...alive(pages.older), ...alive(pages.newer)]).toEqual([])
  expect(pages.older.clock.planned).toBe(0)
})

test('leaving as soon as the new connection stands leaves nothing planned, and nothing open', async () => {
  const party = await join({ peers: [wirePeer('older')] })
  await callFrom(party, 'older')
  await relay(party, { type: 'rebuild', from: 'older', x: { g: 2 } })
  await callFrom(party, 'older', 2)
  party.room.leave()
  await settle()
  expect(alive(party)).toEqual([])
  expect(party.clock.planned).toBe(0)
})

test('a connection that is not closed at once where its channel never opens is closed after a while', async () => {
  const party = await join({ peers: [wirePeer('older')] })
  const old = await callFrom(party, 'older')
  await relay(party, { type: 'rebuild', from: 'older', x: { g: 2 } })
  await relay(party, { type: 'offer', from: 'older', sdp: 'v=0\r\n', x: { g: 2, d: 1 } })
  party.connection().channelsOpen = 'never'
  party.connection().become('connected')
  await pass(party, 10_000)
  expect(old.connectionState).toBe('closed')
})

test('ICE servers that come while a connection is rebuilt are for the new one', async () => {
  const party = await join({ peers: [wirePeer('older')] })
  const old = await callFrom(party, 'older')
  await pass(party, 20_000)
  await relay(party, { type: 'rebuild', from: 'older', x: { g: 2 } })
  const iceServers = [{ urls: ['turn:fresh'] }]
  party.server.socket.say({ type: 'ice-servers', iceServers, iceCutsAtExpiry: true })
  await callFrom(party, 'older', 2)
  expect(party.connection().configuration.iceServers).toEqual(iceServers)
  expect(old.calls).toEqual([])
})
