import { expect, test } from 'vitest'
import type { LeaveReason } from '../src/generated/wire.ts'
import { settle } from './support/clock.ts'
import { type FakePeerConnection, sdpOf } from './support/connection.ts'
import { alive, couple } from './support/couple.ts'
import { at, last } from './support/lists.ts'
import { FakeStream, FakeTrack } from './support/media.ts'
import { answerFrom, callFrom, comeBack, join, type Party, type PartyOptions, pass, relay } from './support/party.ts'
import { wirePeer } from './support/server.ts'

/** A call with `b`, who was here first, with a picture of it. */
async function calling(options: PartyOptions = {}): Promise<{ party: Party; old: FakePeerConnection; picture: FakeTrack }> {
  const party = await join({ peers: [wirePeer('b')], ...options })
  const old = await callFrom(party, 'b')
  const picture = bring(old)
  await pass(party, 20_000)
  party.log.length = 0
  return { party, old, picture }
}

function bring(connection: FakePeerConnection): FakeTrack {
  const track = new FakeTrack('video')
  connection.bring(track, [new FakeStream([track])])
  return track
}

function leaves(party: Party, id: string, reason: LeaveReason): void {
  party.server.socket.say({ type: 'peer-left', id, reason, final: true })
}

/** `b` comes back as another peer, which it proves. */
async function returns(party: Party): Promise<void> {
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('b2', { previous: 'b' }) })
  await settle()
}

const connects: PartyOptions[] = [{ connect: 'mesh' }, { connect: 'manual' }]

// The other side comes back as another peer

test.each(connects)(
  'whoever comes back as another peer keeps its picture until its new connection stands: %j',
  async (options) => {
    const { party, old, picture } = await calling(options)
    await returns(party)
    expect(party.log).toEqual([
      'track-removed b',
      'peer-state b closed',
      'peer-left b timeout',
      'peer-joined b2',
      'track b2',
      'peer-state b2 interrupted',
    ])
    expect(last(party.events.track ?? []).track).toBe(picture)
    expect(old.connectionState).toBe('connected')
    party.log.length = 0
    await relay(party, { type: 'offer', from: 'b2', sdp: sdpOf('b2'), x: { g: 1, d: 1 } })
    const next = bring(party.connection())
    expect(party.log).toEqual([])
    party.connection().become('connected')
    await settle()
    expect(party.log).toEqual(['track-removed b2', 'track b2', 'peer-state b2 connected'])
    expect(last(party.events.track ?? []).track).toBe(next)
    await pass(party, 1_000)
    expect(alive(party)).toEqual([party.connection().name])
    expect(party.peer('b2').streams.flatMap((stream) => stream.getTracks())).toEqual([next])
  },
)

test('a newer peer that comes back as another one is offered the next connection', async () => {
  const party = await join({ peers: [wirePeer('b', { polite: false })] })
  await answerFrom(party, 'b')
  party.connection().become('connected')
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('b2', { previous: 'b', polite: false }) })
  await settle()
  expect(last(party.offers())).toMatchObject({ to: 'b2', x: { g: 1, d: 1 } })
  expect(alive(party)).toHaveLength(2)
})

test.each<[string, (party: Party) => unknown, string[]]>([
  ['hanging up', (party) => party.peer('b2').hangup(), ['track-removed b2', 'peer-state b2 closed']],
  ['its leaving', (party) => leaves(party, 'b2', 'left'), ['track-removed b2', 'peer-state b2 closed', 'peer-left b2 left']],
  [
    'its hanging up',
    (party) => party.server.socket.say({ type: 'hangup', from: 'b2', x: { g: 1 } }),
    ['track-removed b2', 'peer-state b2 closed'],
  ],
])('%s ends what it has inherited', async (_, end, log) => {
  const { party } = await calling()
  await returns(party)
  party.log.length = 0
  await end(party)
  await settle()
  expect(party.log).toEqual(log)
  expect(alive(party)).toEqual([])
})

test('a picture whose next connection never comes is gone after a while', async () => {
  const { party } = await calling()
  await returns(party)
  party.log.length = 0
  await pass(party, 20_000)
  expect(party.log).toEqual(expect.arrayContaining(['track-removed b2', 'peer-state b2 failed']))
  expect(alive(party)).toEqual([])
})

test('a connection that does not stand is not inherited', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  await relay(party, { type: 'offer', from: 'b', sdp: sdpOf('b'), x: { g: 1, d: 1 } })
  await returns(party)
  expect(party.log).toEqual(['peer-state b closed', 'peer-left b timeout', 'peer-joined b2', 'peer-state b2 connecting'])
  expect(alive(party)).toEqual([])
})

test('an earlier stay that nobody knows changes nothing', async () => {
  const party = await join()
  await returns(party)
  expect(party.log).toEqual(['peer-joined b2', 'peer-state b2 connecting'])
})

test('who was called by the new stay twice is connected once', async () => {
  const { party } = await calling()
  await returns(party)
  await callFrom(party, 'b2', 1)
  await callFrom(party, 'b2', 2)
  await pass(party, 1_000)
  expect(alive(party)).toEqual([party.connection().name])
  expect(party.peer('b2').state).toBe('connected')
})

// This side comes back as another peer

test.each(connects)(
  'where this side is another peer now, the picture of the others stays until the next connection stands: %j',
  async (options) => {
    const { party, old, picture } = await calling(options)
    const b = party.peer('b')
    await comeBack(party, { resumed: false, peers: [wirePeer('b', { polite: true })] })
    expect(party.peer('b')).toBe(b)
    expect([old.connectionState, b.streams.flatMap((stream) => stream.getTracks())]).toEqual(['connected', [picture]])
    expect(b.state).toBe('interrupted')
    party.log.length = 0
    await relay(party, { type: 'offer', from: 'b', sdp: sdpOf('again'), x: { g: 1, d: 1 } })
    const next = bring(party.connection())
    party.connection().become('connected')
    await settle()
    expect(party.log).toEqual(['track-removed b', 'track b', 'peer-state b connected'])
    expect(last(party.events.track ?? []).track).toBe(next)
    await pass(party, 1_000)
    expect(alive(party)).toEqual([party.connection().name])
  },
)

test('the application hears only of an interruption when this side is another peer', async () => {
  const { party } = await calling()
  await comeBack(party, { resumed: false, peers: [wirePeer('b')] })
  expect(party.log.filter((line) => !line.startsWith('status'))).toEqual(['peer-state b interrupted'])
})

test('where this side is another peer, whoever is not there but still connected is away until the call ends', async () => {
  const { party, old } = await calling()
  await comeBack(party, { resumed: false, peers: [] })
  expect(party.peer('b').presence).toBe('away')
  expect(old.connectionState).toBe('connected')
  old.become('failed')
  await pass(party, 60_000)
  expect(party.log.at(-1)).toBe('peer-left b timeout')
  expect(alive(party)).toEqual([])
})

test.each<['newer' | 'older', 'newer' | 'older', number]>([
  ['newer', 'older', 100],
  ['older', 'newer', 100],
  ['newer', 'older', 12_000],
  ['older', 'newer', 12_000],
])(
  'the %s side comes back as another peer, and both go on as before: the %s one hears of it after %i ms',
  async (which, other, ms) => {
    const pages = await couple()
    await pages.connected()
    const [here, there] = [pages[which], pages[other]]
    const pictures = [bring(here.connection()), bring(there.connection())]
    for (const party of [here, there]) party.log.length = 0
    here.server.socket.drop(1006)
    await pages.pass(1_000)
    pages.names[which] = 'another'
    // Whoever comes later is polite, whatever it was before.
    await here.server.welcome({
      resumed: false,
      peer: wirePeer('another'),
      peers: [wirePeer(other, { polite: true })],
    })
    await pages.pass(ms)
    there.server.socket.say({ type: 'peer-joined', peer: wirePeer('another', { polite: false, previous: which }) })
    await pages.pass(200)
    expect([here.peer(other).state, there.peer('another').state]).toEqual(['interrupted', 'interrupted'])
    const shown = [here.peer(other), there.peer('another')].map(({ streams }) => streams.flatMap((stream) => stream.getTracks()))
    expect(shown).toEqual(pictures.map((picture) => [picture]))
    // What was said before the other one knew of it comes again.
    await pages.pass(2_000)
    await pages.connected()
    expect([here.peer(other).state, there.peer('another').state]).toEqual(['connected', 'connected'])
    expect([alive(here), alive(there)]).toEqual([[here.connection().name], [there.connection().name]])
    expect([...(here.events.error ?? []), ...(there.events.error ?? [])]).toEqual([])
    const sending = [here.peer(other).send('here'), there.peer('another').send('there')]
    await pages.pass(200)
    await expect(Promise.all(sending)).resolves.toHaveLength(2)
    expect(here.log.filter((line) => line.startsWith('peer-state'))).toEqual([
      `peer-state ${other} interrupted`,
      `peer-state ${other} connected`,
    ])
  },
)

// The server gives up a peer whose call goes on

test.each<LeaveReason>(['timeout', 'unreachable'])('%s: a call that stands goes on, and the peer is away', async (reason) => {
  const { party, old } = await calling()
  leaves(party, 'b', reason)
  await pass(party, 120_000)
  expect(party.log).toEqual(['peer-updated b'])
  expect(party.peer('b')).toMatchObject({ presence: 'away', state: 'connected' })
  expect(old.connectionState).toBe('connected')
  await expect(party.peer('b').send(1)).rejects.toMatchObject({ code: 'peer-closed', outcome: 'not-delivered' })
  old.become('failed')
  await pass(party, 60_000)
  expect(party.log).toContain('track-removed b')
  expect(party.log.at(-1)).toBe(`peer-left b ${reason}`)
  expect([...party.room.peers.keys()]).toEqual([])
  expect(alive(party)).toEqual([])
})

test('a call whose peer the server has given up survives a blip', async () => {
  const { party, old } = await calling()
  leaves(party, 'b', 'timeout')
  old.become('disconnected')
  await pass(party, 2_000)
  old.become('connected')
  await pass(party, 60_000)
  expect([...party.room.peers.keys()]).toEqual(['b'])
  expect(party.peer('b').state).toBe('connected')
})

test('each interruption of such a call has its own fifteen seconds, and what happens to others is none of its business', async () => {
  const { party, old } = await calling()
  leaves(party, 'b', 'timeout')
  old.become('disconnected')
  for (let n = 0; n < 10; n += 1) {
    party.server.socket.say({ type: 'peer-joined', peer: wirePeer(`c${n}`) })
    party.server.socket.say({ type: 'peer-left', id: `c${n}`, reason: 'left', final: true })
  }
  await pass(party, 8_000)
  old.become('connected')
  await pass(party, 5_000)
  old.become('disconnected')
  await pass(party, 14_999)
  expect([...party.room.peers.keys()]).toEqual(['b'])
  await pass(party, 1)
  expect([...party.room.peers.keys()]).toEqual([])
  expect(party.log.at(-1)).toBe('peer-left b timeout')
})

test('whoever is back under the same id while such a call is interrupted stays', async () => {
  const { party, old } = await calling()
  leaves(party, 'b', 'timeout')
  old.become('disconnected')
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('b') })
  await pass(party, 60_000)
  expect([...party.room.peers.keys()]).toEqual(['b'])
})

test('leaving in such an interruption leaves nothing planned', async () => {
  const { party, old } = await calling()
  leaves(party, 'b', 'timeout')
  old.become('disconnected')
  party.room.leave()
  await settle()
  expect(party.clock.planned).toBe(0)
})

test.each<LeaveReason>(['left', 'removed', 'replaced'])('%s: the call ends at once', async (reason) => {
  const { party } = await calling()
  leaves(party, 'b', reason)
  expect(party.log).toEqual(['track-removed b', 'peer-state b closed', `peer-left b ${reason}`])
  expect(alive(party)).toEqual([])
})

test('timeout: a call that does not stand ends at once', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  leaves(party, 'b', 'timeout')
  expect(party.log).toEqual(['peer-state b closed', 'peer-left b timeout'])
})

test('hanging up a call that goes on without the server ends it', async () => {
  const { party } = await calling()
  leaves(party, 'b', 'timeout')
  party.log.length = 0
  const b = party.peer('b')
  b.hangup()
  expect(party.log).toEqual(['track-removed b', 'peer-state b closed', 'peer-left b timeout'])
  await expect(b.connect()).rejects.toMatchObject({ code: 'peer-closed' })
  expect(alive(party)).toEqual([])
})

test('whoever comes back as another peer after the server gave it up keeps its picture too', async () => {
  const { party, picture } = await calling()
  leaves(party, 'b', 'timeout')
  party.log.length = 0
  await returns(party)
  expect(party.log.slice(0, 5)).toEqual([
    'track-removed b',
    'peer-state b closed',
    'peer-left b timeout',
    'peer-joined b2',
    'track b2',
  ])
  expect(last(party.events.track ?? []).track).toBe(picture)
  await callFrom(party, 'b2')
  expect([...party.room.peers.keys()]).toEqual(['b2'])
  await pass(party, 1_000)
  expect(alive(party)).toEqual([party.connection().name])
})

test.each<[string, string[]]>([
  ['in `left`', ['b']],
  ['nowhere', []],
])('after a resume that has the peer %s, a call that stands goes on', async (_, left) => {
  const { party } = await calling()
  await comeBack(party, { left, peers: [], resume: { token: 'r', windowMs: 30_000 } })
  await pass(party, 60_000)
  expect(party.peer('b')).toMatchObject({ presence: 'away', state: 'connected' })
  expect(party.events['peer-left']).toBeUndefined()
})

test('leaving ends the calls that went on without the server', async () => {
  const { party } = await calling()
  leaves(party, 'b', 'timeout')
  party.room.leave()
  await settle()
  expect(alive(party)).toEqual([])
  expect(party.clock.planned).toBe(0)
  expect(party.room.peers.size).toBe(0)
  expect(party.events['peer-left']).toBeUndefined()
})

// Connections that fail while the server is away

/** The server is away for so long, and is there again with the same session. Meanwhile `happen` does. */
async function outage(party: Party, ms: number, id: string, polite: boolean, happen: () => void): Promise<void> {
  const sockets = party.server.sockets.length
  party.server.socket.drop(1006)
  happen()
  for (let passed = 0; passed < ms; passed += 1_000) {
    await party.clock.advance(1_000)
    if (party.server.sockets.length > sockets && passed + 1_000 < ms) party.server.socket.drop(1006)
  }
  for (let n = 0; n < 20 && party.room.status !== 'joined'; n += 1) {
    await party.server.welcome({ resumed: true, peers: [wirePeer(id, { polite })] })
    await party.clock.advance(1_000)
  }
}

test.each([
  ['newer', 'closed'],
  ['newer', 'open'],
  ['older', 'closed'],
  ['older', 'open'],
])(
  'a call with a %s peer whose connection fails in an outage of 40 s, its channel %s, comes back after it',
  async (id, channel) => {
    const polite = id === 'older'
    const party = await join({ peers: [wirePeer(id, { polite })] })
    if (polite) await callFrom(party, id)
    else {
      await answerFrom(party, id)
      party.connection().become('connected')
    }
    await pass(party, 20_000)
    party.log.length = 0
    const old = party.connection()
    await outage(party, 40_000, id, polite, () => {
      if (channel === 'closed') at(old.channels, 0).end()
      old.become('failed')
    })
    expect(party.room.status).toBe('joined')
    expect(party.log).not.toContain(`peer-state ${id} failed`)
    await pass(party, 3_000)
    if (!polite) await answerFrom(party, id)
    else if (channel === 'closed') await callFrom(party, id, 2)
    else expect(party.sentTo(id)).toContain('restart')
    party.connection().become('connected')
    await settle()
    const states = party.log.filter((line) => line.startsWith('peer-state'))
    expect(states).toEqual([`peer-state ${id} interrupted`, `peer-state ${id} connected`])
  },
)

test.each([
  ['a newer peer', 'newer', 'offer'],
  ['an older peer', 'older', 'restart'],
])(
  'what was said to %s on a connection to the server that was dead already is said again after the outage',
  async (_, id, type) => {
    const polite = id === 'older'
    const party = await join({ peers: [wirePeer(id, { polite })] })
    if (polite) await callFrom(party, id)
    else {
      await answerFrom(party, id)
      party.connection().become('connected')
    }
    await pass(party, 20_000)
    party.log.length = 0
    party.server.socket.acknowledges = false
    at(party.connection().channels, 0).end()
    party.connection().become('failed')
    await party.clock.advance(12_000)
    await outage(party, 40_000, id, polite, () => undefined)
    const end = party.clock.now() + 11_000
    while (party.clock.now() < end && !party.sentTo(id).includes(type as 'offer')) await pass(party, 500)
    expect(party.sentTo(id)).toContain(type)
  },
)

// Calls that are over

test('an offer of a call that was hung up is answered by `hangup`, of that call', async () => {
  const { party } = await calling()
  party.peer('b').hangup()
  await relay(party, { type: 'offer', from: 'b', sdp: sdpOf('late'), x: { g: 1, d: 2 } })
  expect(party.server.socket.of('hangup')).toMatchObject([
    { to: 'b', x: { g: 1 } },
    { to: 'b', x: { g: 1 } },
  ])
  expect(party.peer('b').state).toBe('closed')
  await callFrom(party, 'b', 2)
  expect(party.peer('b').state).toBe('connected')
})

test('an offer of an earlier call is answered by nothing', async () => {
  const { party } = await calling()
  await callFrom(party, 'b', 2)
  party.peer('b').hangup()
  const before = party.sentTo('b').length
  await relay(party, { type: 'offer', from: 'b', sdp: sdpOf('late'), x: { g: 1, d: 2 } })
  expect(party.sentTo('b')).toHaveLength(before)
})
