import { expect, test } from 'vitest'
import type { Relayed } from '../src/generated/wire.ts'
import type { PageEvent } from '../src/page.ts'
import { settle } from './support/clock.ts'
import { type FakePeerConnection, fragmentOf } from './support/connection.ts'
import { type Couple, couple } from './support/couple.ts'
import { at, last } from './support/lists.ts'
import { answerFrom, callFrom, comeBack, join, type Party, type PartyOptions, pass, relay } from './support/party.ts'
import { wirePeer } from './support/server.ts'

type Other = 'older' | 'newer' | 'raw' | 'older raw'

/** A room, by hand, and a call with one other that has stood for so long that the ICE servers are no longer fresh. */
async function calling(id: Other, options: PartyOptions = {}): Promise<{ party: Party; connection: FakePeerConnection }> {
  const features = id.endsWith('raw') ? [] : ['streams']
  const party = await join({
    connect: 'manual',
    peers: [wirePeer(id, { polite: id.startsWith('older'), features })],
    ...options,
  })
  if (id.startsWith('older')) await callFrom(party, id)
  else await callTo(party, id)
  await pass(party, 60_000)
  party.log.length = 0
  return { party, connection: party.connection() }
}

async function callTo(party: Party, id: string): Promise<void> {
  party
    .peer(id)
    .connect()
    .catch(() => undefined)
  await answerFrom(party, id)
  party.connection().become('connected')
  await settle()
}

/** What is sent to somebody while `run` goes on, as its types. */
async function sentMeanwhile(party: Party, id: string, run: () => unknown): Promise<string[]> {
  const before = party.sentTo(id).length
  await run()
  await settle()
  return party.sentTo(id).slice(before)
}

const fresh = [{ urls: ['turn:fresh'], username: 'u', credential: 'c' }]

/** The server hands out ICE servers. */
async function serve(party: Party, iceCutsAtExpiry = false): Promise<void> {
  party.server.socket.say({ type: 'ice-servers', iceServers: fresh, iceCutsAtExpiry })
  await settle()
}

const restarts = ({ calls }: FakePeerConnection): number => calls.filter((call) => call === 'restartIce').length

// Interruptions

test.each<[Other]>([['older'], ['newer'], ['raw'], ['older raw']])(
  'an interruption that heals within 2.5 s needs nothing: %s',
  async (id) => {
    const { party, connection } = await calling(id)
    const sent = await sentMeanwhile(party, id, async () => {
      connection.become('disconnected')
      await pass(party, 2_499)
      connection.become('connected')
      await pass(party, 60_000)
    })
    expect(sent).toEqual([])
    expect(connection.calls).toEqual([])
    expect(party.server.socket.of('ice-servers')).toEqual([])
    expect(party.log).toEqual([`peer-state ${id} interrupted`, `peer-state ${id} connected`])
    expect(party.peer(id).counts).toMatchObject({ restarts: 0, rebuilds: 0 })
  },
)

test.each<[Other]>([['older'], ['newer'], ['raw']])(
  'a connection that says `connecting` while it stands is not interrupted: %s',
  async (id) => {
    const { party, connection } = await calling(id)
    connection.become('connecting')
    await pass(party, 60_000)
    connection.become('connected')
    expect(party.log).toEqual([])
    connection.become('disconnected')
    connection.become('connecting')
    expect(party.peer(id).state).toBe('interrupted')
    connection.become('connected')
    expect(party.log).toEqual([`peer-state ${id} interrupted`, `peer-state ${id} connected`])
    expect(connection.calls).toEqual([])
  },
)

test('at an interruption the server is asked about the other side, and what it says is its presence', async () => {
  const { party, connection } = await calling('older')
  connection.become('disconnected')
  expect(party.server.socket.of('check')).toEqual([{ type: 'check', id: 'older' }])
  party.server.socket.say({ type: 'checked', id: 'older', presence: 'away' })
  expect(party.peer('older').presence).toBe('away')
  party.server.socket.say({ type: 'checked', id: 'older', presence: 'here' })
  party.server.socket.say({ type: 'checked', id: 'older', presence: 'gone' })
  party.server.socket.say({ type: 'checked', id: 'nobody', presence: 'away' })
  expect(party.peer('older').presence).toBe('here')
  expect(party.log).toEqual(['peer-state older interrupted', 'peer-updated older', 'peer-updated older'])
})

test('after 2.5 s the impolite side starts ICE afresh: with fresh servers, which are set before', async () => {
  const { party, connection } = await calling('newer')
  const before = fragmentOf(connection.localDescription)
  connection.become('disconnected')
  await pass(party, 2_499)
  expect(party.server.socket.of('ice-servers')).toEqual([])
  await pass(party, 1)
  expect(party.server.socket.of('ice-servers')).toEqual([{ type: 'ice-servers' }])
  expect(connection.calls).toEqual([])
  await serve(party)
  expect(connection.calls).toEqual(['setConfiguration', 'restartIce'])
  expect(connection.configuration.iceServers).toEqual(fresh)
  expect(last(party.offers())).toMatchObject({ to: 'newer', x: { g: 1, d: 2 } })
  expect(fragmentOf(connection.localDescription)).not.toBe(before)
  await answerFrom(party, 'newer')
  connection.become('connected')
  await pass(party, 60_000)
  expect(party.offers()).toHaveLength(2)
  expect(party.log).toEqual(['peer-state newer interrupted', 'peer-state newer connected'])
  expect(party.peer('newer').counts).toMatchObject({ restarts: 1, rebuilds: 0 })
})

test('the polite side asks the other one for it, and has fresh servers before', async () => {
  const { party, connection } = await calling('older')
  connection.become('disconnected')
  await pass(party, 2_500)
  expect(party.sentTo('older')).toEqual(['answer'])
  await serve(party)
  expect(connection.calls).toEqual(['setConfiguration'])
  expect(last(party.server.socket.of('restart'))).toMatchObject({ to: 'older', x: { g: 1 } })
  expect(party.peer('older').counts.restarts).toBe(1)
})

test('a server that does not answer is waited for two seconds', async () => {
  const { party, connection } = await calling('newer')
  connection.become('disconnected')
  await pass(party, 4_499)
  expect(connection.calls).toEqual([])
  await pass(party, 1)
  expect(connection.calls).toEqual(['restartIce'])
})

test.each<[string, PartyOptions, (party: Party) => unknown]>([
  ['the page has its own', { rtc: { iceServers: [] } }, () => undefined],
  ['they came ten seconds ago', {}, (party) => serve(party)],
])('no servers are asked for where %s', async (_, options, prepare) => {
  const { party, connection } = await calling('newer', options)
  await prepare(party)
  connection.calls.length = 0
  connection.become('disconnected')
  await pass(party, 2_500)
  expect(party.server.socket.of('ice-servers')).toEqual([])
  expect(connection.calls).toEqual(['restartIce'])
})

test.each<[Other, string[], string[]]>([
  ['newer', ['offer'], ['rebuild', 'offer']],
  ['older', ['restart'], ['rebuild']],
])(
  'where a fresh start does not help there is a second one after ten seconds, and a new connection ten after that: %s',
  async (id, restart, rebuild) => {
    const { party, connection } = await calling(id)
    const help = async (ms: number): Promise<string[]> => {
      const sent = await sentMeanwhile(party, id, () => pass(party, ms))
      if (id === 'newer') await answerFrom(party, id)
      return sent
    }
    connection.become('disconnected')
    await serve(party)
    expect(await help(2_500)).toEqual(restart)
    expect(await help(9_999)).toEqual([])
    await serve(party)
    expect(await help(1)).toEqual(restart)
    expect(await help(9_999)).toEqual([])
    expect(await help(1)).toEqual(rebuild)
    expect(last(party.server.socket.of('rebuild'))).toMatchObject({ to: id, x: { g: 2 } })
    if (id === 'older') await callFrom(party, id, 2)
    else party.connection().become('connected')
    await settle()
    expect(party.log).toEqual([`peer-state ${id} interrupted`, `peer-state ${id} connected`])
    expect(party.peer(id).counts).toMatchObject({ restarts: 2, rebuilds: 1 })
    await pass(party, 1_000)
    expect(connection.connectionState).toBe('closed')
  },
)

test('while the other side is away nothing is done, and as soon as it is back ICE starts afresh', async () => {
  const { party, connection } = await calling('newer')
  party.server.socket.say({ type: 'peer-away', id: 'newer' })
  connection.become('disconnected')
  await pass(party, 25_000)
  expect(party.offers()).toHaveLength(1)
  expect(party.peer('newer').counts.restarts).toBe(0)
  party.server.socket.say({ type: 'peer-back', id: 'newer' })
  await pass(party, 500)
  await serve(party)
  expect(party.offers()).toHaveLength(2)
})

test('while this side is out of reach nothing is done, and soon after it is back ICE starts afresh', async () => {
  const { party, connection } = await calling('newer')
  party.server.socket.drop(1006)
  connection.become('disconnected')
  await party.clock.advance(8_000)
  expect(connection.calls).toEqual([])
  expect(party.peer('newer').state).toBe('interrupted')
  await party.server.welcome({ resumed: true, peers: [wirePeer('newer', { polite: false })] })
  await pass(party, 500)
  expect(connection.calls).toContain('restartIce')
  expect(party.offers()).toHaveLength(1)
})

// Failures

test.each<[Other, string[]]>([
  ['newer', ['offer']],
  ['older', ['restart']],
])('a connection that has failed is helped at once: %s', async (id, sent) => {
  const { party, connection } = await calling(id)
  await serve(party)
  expect(await sentMeanwhile(party, id, () => connection.become('failed'))).toEqual(sent)
  connection.become('connected')
  expect(party.log).toEqual([`peer-state ${id} interrupted`, `peer-state ${id} connected`])
})

test.each<[Other, string[]]>([
  ['newer', ['rebuild', 'offer']],
  ['older', ['rebuild']],
])('a connection that has failed with its channel closed is built anew at once: %s', async (id, sent) => {
  const { party, connection } = await calling(id)
  at(connection.channels, 0).end()
  expect(await sentMeanwhile(party, id, () => connection.become('failed'))).toEqual(sent)
  expect(party.log).toEqual([`peer-state ${id} interrupted`])
})

test.each<[Other]>([['raw'], ['older raw']])(
  'a peer without this library gets fresh starts in words that it knows, and no new connection: %s',
  async (id) => {
    const { party, connection } = await calling(id)
    const before = party.sentTo(id).length
    at(connection.channels, 0).end()
    connection.become('failed')
    await serve(party)
    await pass(party, 25_000)
    expect(connection.calls.filter((call) => call === 'restartIce')).toHaveLength(2)
    expect([...new Set(party.sentTo(id).slice(before))]).toEqual(['offer'])
    expect(party.connections).toHaveLength(1)
    expect(party.peer(id).state).toBe('failed')
    expect(party.events.error).toMatchObject([{ error: { code: 'negotiation-failed' }, peer: { id } }])
    connection.become('connected')
    expect(party.peer(id).state).toBe('connected')
  },
)

test('a page without this library that was there first and is interrupted is offered a fresh start', async () => {
  const { party, connection } = await calling('older raw')
  const sent = await sentMeanwhile(party, 'older raw', async () => {
    connection.become('disconnected')
    await serve(party)
    await pass(party, 2_500)
  })
  expect(sent).toEqual(['offer'])
  expect(connection.calls).toContain('restartIce')
  await answerFrom(party, 'older raw')
  connection.become('connected')
  expect(party.log).toEqual(['peer-state older raw interrupted', 'peer-state older raw connected'])
})

test('a failed connection that has never stood starts ICE afresh three times', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('newer', { polite: false })] })
  party
    .peer('newer')
    .connect()
    .catch(() => undefined)
  for (let n = 0; n < 6; n += 1) {
    await answerFrom(party, 'newer')
    party.connection().become('failed')
    party.connection().become('connecting')
    await pass(party, 1_000)
  }
  expect(party.connection().calls.filter((call) => call === 'restartIce')).toHaveLength(3)
  expect(party.connections).toHaveLength(1)
})

// Connections for which no way was found

/** The pages of a call whose way is gone for three minutes, while both reach the server. */
async function parted(): Promise<Couple> {
  const pages = await couple()
  await pages.connected()
  const sides = [pages.older, pages.newer]
  for (const { connection } of sides) connection().become('disconnected')
  for (let s = 0; s < 180; s += 15) {
    await pages.pass(15_000)
    for (const { connection } of sides) if (connection().connectionState !== 'failed') connection().become('failed')
  }
  expect([pages.older.peer('newer').state, pages.newer.peer('older').state]).toEqual(['failed', 'failed'])
  return pages
}

test('a way that was gone for minutes is found when it is there again, without anybody’s doing', async () => {
  const pages = await parted()
  const made = pages.older.connections.length
  const before = pages.older.offers().length
  await pages.pass(60_000)
  const offers = pages.older.offers().length - before
  expect(offers).toBeGreaterThan(0)
  expect(offers).toBeLessThan(4)
  expect(pages.older.connections).toHaveLength(made)
  for (const party of [pages.older, pages.newer]) party.connection().become('connected')
  await pages.converse()
  expect([pages.older.peer('newer').state, pages.newer.peer('older').state]).toEqual(['connected', 'connected'])
  const after = pages.older.offers().length
  await pages.pass(300_000)
  expect(pages.older.offers()).toHaveLength(after)
})

test('nobody looks for a way to somebody who cannot be reached, or was hung up', async () => {
  const pages = await parted()
  pages.older.server.socket.say({ type: 'peer-away', id: 'newer' })
  pages.newer.server.socket.say({ type: 'peer-away', id: 'older' })
  const sent = (): number => pages.older.sentTo('newer').length + pages.newer.sentTo('older').length
  const before = sent()
  await pages.pass(120_000)
  expect(sent()).toBe(before)
  for (const [party, other] of [
    [pages.older, 'newer'],
    [pages.newer, 'older'],
  ] as const) {
    party.peer(other).hangup()
    party.room.leave()
  }
  expect(pages.older.clock.planned).toBe(0)
})

// Channels that do not open

test.each<[Other, string[]]>([
  ['newer', ['rebuild', 'offer']],
  ['older', ['rebuild']],
])('a channel that does not open within five seconds is a new connection: %s', async (id, sent) => {
  const party = await join({ connect: 'manual', peers: [wirePeer(id, { polite: id === 'older' })] })
  if (id === 'older') await relay(party, offer(1))
  else {
    party
      .peer(id)
      .connect()
      .catch(() => undefined)
    await answerFrom(party, id)
  }
  const connection = party.connection()
  connection.channelsOpen = 'never'
  connection.become('connected')
  expect(await sentMeanwhile(party, id, () => pass(party, 4_999))).toEqual([])
  expect(await sentMeanwhile(party, id, () => pass(party, 1))).toEqual(sent)
  expect(last(party.server.socket.of('rebuild'))).toMatchObject({ x: { g: 2 } })
  if (id === 'older') await callFrom(party, id, 2)
  else {
    await answerFrom(party, id)
    party.connection().become('connected')
  }
  expect(party.log.slice(-3)).toEqual([
    `peer-state ${id} connected`,
    `peer-state ${id} interrupted`,
    `peer-state ${id} connected`,
  ])
  await pass(party, 60_000)
  expect(party.peer(id).counts.rebuilds).toBe(1)
})

test.each<[Other, string[]]>([
  ['newer', ['offer', 'rebuild', 'offer']],
  ['older', ['restart', 'rebuild']],
])(
  'a connection whose channel is closed soon after it has failed, as Firefox has it, is built anew at once: %s',
  async (id, sent) => {
    const { party, connection } = await calling(id)
    await serve(party)
    expect(
      await sentMeanwhile(party, id, async () => {
        connection.become('failed')
        await settle()
        at(connection.channels, 0).end()
      }),
    ).toEqual(sent)
    expect(party.log).toEqual([`peer-state ${id} interrupted`])
  },
)

test.each<[string, boolean]>([
  ['hangs up says so in time, and nothing is built anew', true],
  ['does not is mended', false],
])('whoever closes the channel of a connection that stands and %s', async (_, hangsUp) => {
  const { party, connection } = await calling('newer')
  at(connection.channels, 0).end()
  await pass(party, 1_000)
  if (hangsUp) await relay(party, { type: 'hangup', from: 'newer', x: { g: 1 } })
  await pass(party, 1_000)
  expect(party.server.socket.of('rebuild')).toHaveLength(hangsUp ? 0 : 1)
  expect(party.peer('newer').state).toBe(hangsUp ? 'closed' : 'interrupted')
})

test.each<[Other]>([['newer'], ['older']])('a connection that comes back without its channel is built anew: %s', async (id) => {
  const { party, connection } = await calling(id)
  connection.become('disconnected')
  at(connection.channels, 0).end()
  connection.become('connected')
  await pass(party, 5_000)
  expect(party.server.socket.of('rebuild')).toHaveLength(1)
})

test('the channel of a peer without this library may never open', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('raw', { polite: false, features: [] })] })
  await callTo(party, 'raw')
  at(party.connection().channels, 0).readyState = 'connecting'
  await pass(party, 60_000)
  expect(party.connections).toHaveLength(1)
  expect(party.peer('raw').state).toBe('connected')
  expect(party.events.error).toBeUndefined()
})

function offer(g: number): Relayed {
  return { type: 'offer', from: 'older', sdp: `v=0\r\na=ice-ufrag:older${g}\r\nm=application 0 sendrecv\r\n`, x: { g, d: 1 } }
}

// The network

test.each(['online', 'network-changed'] as const)(
  '%s: what stands starts ICE afresh at once, with fresh servers',
  async (event) => {
    const { party, connection } = await calling('newer')
    party.page(event)
    await settle()
    await serve(party)
    expect(connection.calls).toEqual(['setConfiguration', 'restartIce'])
    expect(party.offers()).toHaveLength(2)
    expect(party.log).toEqual([])
  },
)

test('network-changed: what is interrupted is helped at once, and once where that helps', async () => {
  const { party, connection } = await calling('newer')
  await serve(party)
  connection.become('disconnected')
  await pass(party, 1_000)
  party.page('network-changed')
  party.page('network-changed')
  await settle()
  expect(restarts(connection)).toBe(1)
  await answerFrom(party, 'newer')
  connection.become('connected')
  await pass(party, 60_000)
  expect(restarts(connection)).toBe(1)
})

test.each<PageEvent>(['online', 'network-changed', 'thawed'])(
  '%s: what is interrupted is helped at once, though what was tried before has not had its time',
  async (event) => {
    const { party, connection } = await calling('newer')
    await serve(party)
    connection.become('disconnected')
    await pass(party, 2_500)
    await answerFrom(party, 'newer')
    await pass(party, 3_000)
    expect(restarts(connection)).toBe(1)
    party.page(event)
    await settle()
    expect(restarts(connection)).toBe(2)
    // And what was spent on the old network does not bring the new connection nearer.
    await answerFrom(party, 'newer')
    await pass(party, 9_999)
    expect(restarts(connection)).toBe(2)
    expect(party.server.socket.of('rebuild')).toEqual([])
  },
)

test('online: a connection whose channels the browser has closed is made anew, and not started afresh', async () => {
  const { party, connection } = await calling('newer')
  await serve(party)
  at(connection.channels, 0).end()
  party.server.socket.say({ type: 'peer-away', id: 'newer' })
  connection.become('failed')
  party.page('online')
  party.server.socket.say({ type: 'peer-back', id: 'newer' })
  await pass(party, 500)
  expect(restarts(connection)).toBe(0)
  expect(party.server.socket.of('rebuild')).toHaveLength(1)
})

test('a page that was stowed, and tells of its return three times, starts ICE afresh once', async () => {
  const { party, connection } = await calling('newer')
  for (const event of ['stowed', 'hidden', 'frozen', 'thawed', 'visible', 'thawed', 'online'] as const) party.page(event)
  await settle()
  await serve(party)
  await pass(party, 100)
  expect(restarts(connection)).toBe(1)
})

test.each(['hidden', 'offline', 'frozen'] as const)('%s: no connection is touched', async (event) => {
  const { party, connection } = await calling('newer')
  party.page(event)
  await settle()
  expect(connection.calls).toEqual([])
})

// Relays

const CUT = { iceServers: fresh, iceCutsAtExpiry: true }

const elapsing = { welcome: { ...CUT, iceExpiresAt: 1_000_000 } }

test.each<[string, number, PartyOptions]>([
  ['other credentials of the same life', 0, {}],
  ['those of another', 1, elapsing],
  ['those of another, where the page has its own servers', 0, { ...elapsing, rtc: { iceServers: fresh } }],
])('a session that goes on and brings %s restarts what is relayed %i times', async (_, times, options) => {
  const { party, connection } = await calling('newer', { welcome: { ...CUT, iceExpiresAt: 2_000_000 }, ...options })
  connection.route = 'relayed'
  await comeBack(party, { ...CUT, iceExpiresAt: 2_000_000, peers: [wirePeer('newer', { polite: false })] })
  await settle()
  expect(restarts(connection)).toBe(times)
})

test('a refused credential asks for fresh ones, once, and starts ICE afresh with them; told is when they bring no relay', async () => {
  const { party, connection } = await calling('newer')
  for (const code of [401, 401]) connection.failAtTurn(code)
  await settle()
  expect(party.server.socket.of('ice-servers')).toHaveLength(1)
  await serve(party)
  expect(connection.calls).toEqual(['setConfiguration', 'restartIce'])
  await answerFrom(party, 'newer')
  for (const code of [401, 401]) connection.failAtTurn(code)
  await pass(party, 9_999)
  expect(party.events.error).toBeUndefined()
  await pass(party, 1)
  expect(party.events.error).toMatchObject([
    { error: { code: 'turn-refused', message: expect.stringContaining('turn:turn.example.org') } },
  ])
  connection.failAtTurn(401)
  await pass(party, 60_000)
  expect(party.events.error).toHaveLength(1)
  expect(connection.calls).toHaveLength(2)
  for (const state of ['disconnected', 'connected'] as const) connection.become(state)
  connection.failAtTurn(401)
  await settle()
  expect(party.server.socket.of('ice-servers')).toHaveLength(2)
})

test('what a search that began before refuses while others are tried tells nothing, and those may be refused one day too', async () => {
  const { party, connection } = await calling('newer')
  for (const times of [1, 2]) {
    connection.failAtTurn(401)
    await settle()
    await serve(party)
    await answerFrom(party, 'newer')
    expect(restarts(connection)).toBe(times)
    for (const _ of 'ab') {
      connection.startGathering()
      connection.failAtTurn(401)
      connection.finishGathering()
    }
    findRelay(connection)
    await pass(party, 60_000)
  }
  expect(party.server.socket.of('ice-servers')).toHaveLength(2)
  expect(party.events.error).toBeUndefined()
})

test('others that come late are tried when they come, and not before', async () => {
  const { party, connection } = await calling('newer')
  connection.failAtTurn(401)
  await pass(party, 30_000)
  expect(connection.calls).toEqual([])
  await serve(party)
  expect(connection.calls).toEqual(['setConfiguration', 'restartIce'])
  await answerFrom(party, 'newer')
  findRelay(connection)
  await serve(party)
  await pass(party, 60_000)
  expect(restarts(connection)).toBe(1)
  expect(party.events.error).toBeUndefined()
})

test('others that come with a new connection to the server are tried, where the question was lost with the old one', async () => {
  const { party, connection } = await calling('newer')
  connection.failAtTurn(401)
  await settle()
  await comeBack(party, { iceServers: fresh, peers: [wirePeer('newer', { polite: false })] })
  await settle()
  expect(restarts(connection)).toBe(1)
})

/** Its latest search has found a relay. */
function findRelay(connection: FakePeerConnection): void {
  const sdp = 'v=0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ relay raddr 0.0.0.0 rport 0\r\n'
  Object.defineProperty(connection, 'localDescription', { get: () => ({ type: 'offer', sdp }), configurable: true })
}

test.each([300, 438, 486, 508, 701])('the error %i of a TURN server is not one of credentials', async (code) => {
  const { party, connection } = await calling('newer')
  connection.failAtTurn(code)
  await settle()
  expect(party.server.socket.of('ice-servers')).toEqual([])
  expect(connection.calls).toEqual([])
  expect(party.events.error).toBeUndefined()
})

test.each<['direct' | 'relayed', boolean, string[]]>([
  ['relayed', true, ['setConfiguration', 'restartIce']],
  ['relayed', false, ['setConfiguration']],
  ['direct', true, ['setConfiguration']],
])(
  'new ICE servers: a connection that is %s, where relays end with their credentials (%s), does %j',
  async (route, cuts, calls) => {
    const { party, connection } = await calling('newer')
    connection.route = route
    await serve(party, cuts)
    expect(connection.calls).toEqual(calls)
    expect(party.log).toEqual([])
  },
)

test('servers that a fresh start has asked for make it one fresh start, also where relays end with their credentials', async () => {
  const { party, connection } = await calling('newer')
  connection.route = 'relayed'
  connection.become('disconnected')
  await pass(party, 2_500)
  await serve(party, true)
  expect(party.offers()).toHaveLength(2)
  await answerFrom(party, 'newer')
  await settle()
  expect(party.offers()).toHaveLength(2)
})

// Counting

test('what has happened is counted', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('newer', { polite: false })] })
  expect(party.peer('newer').counts).toEqual({ glares: 0, restarts: 0, rebuilds: 0, connectMs: undefined })
  party
    .peer('newer')
    .connect()
    .catch(() => undefined)
  await pass(party, 700)
  await answerFrom(party, 'newer')
  await pass(party, 534)
  party.connection().become('connected')
  expect(party.peer('newer').counts).toEqual({ glares: 0, restarts: 0, rebuilds: 0, connectMs: 1_234 })
  party.connection().become('disconnected')
  await pass(party, 300)
  party.connection().become('connected')
  expect(party.peer('newer').counts.connectMs).toBe(1_234)
  party.connection().addTransceiver('audio')
  await settle()
  await relay(party, { type: 'offer', from: 'newer', sdp: 'v=0\r\n', x: { g: 1, d: 2 } })
  expect(last(party.steps)).toBe('glare-ignored')
  expect(party.peer('newer').counts.glares).toBe(1)
})

test('what was counted of a connection stays when another one takes its place', async () => {
  const { party, connection } = await calling('newer')
  await serve(party)
  connection.become('failed')
  await answerFrom(party, 'newer')
  connection.become('connected')
  expect(party.peer('newer').counts.restarts).toBe(1)
  party.peer('newer').hangup()
  expect(party.peer('newer').counts.restarts).toBe(1)
  await callTo(party, 'newer')
  expect(party.peer('newer').counts).toMatchObject({ restarts: 1, rebuilds: 0 })
})

test('a session that goes on leaves what is interrupted to its recovery', async () => {
  const { party, connection } = await calling('newer')
  connection.become('disconnected')
  await comeBack(party, { peers: [wirePeer('newer', { polite: false })] })
  await pass(party, 2_500)
  expect(connection.calls.filter((call) => call === 'restartIce')).toHaveLength(1)
  expect(party.connections).toHaveLength(1)
})
