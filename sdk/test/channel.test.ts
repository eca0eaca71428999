import { expect, test } from 'vitest'
import type { Channel, ChannelOptions } from '../src/channel.ts'
import { AldisError } from '../src/errors.ts'
import { settle } from './support/clock.ts'
import { FakeDataChannel } from './support/data-channel.ts'
import { at } from './support/lists.ts'
import { callFrom, join, type Party } from './support/party.ts'
import { wirePeer } from './support/server.ts'

/** The browser's channel of a name on a connection. */
function end(party: Party, label: string, connection = 0): FakeDataChannel {
  const found = at(party.connections, connection).channels.find((channel) => channel.label === label)
  if (found === undefined) throw new Error(`There is no channel ${label}.`)
  return found
}

/** What happens on a channel, in words. */
function journal(channel: Channel): string[] {
  const lines: string[] = []
  channel.on('open', ({ peer }) => lines.push(`open ${peer.id}`))
  channel.on('close', ({ peer }) => lines.push(`close ${peer.id}`))
  channel.on('message', ({ data, from }) => lines.push(`${from.id}: ${String(data)}`))
  return lines
}

const newer = (id: string): ReturnType<typeof wirePeer> => wirePeer(id, { polite: false })

test('the channel without a name comes with every connection', async () => {
  const party = await join({ peers: [newer('b'), newer('c')] })
  const channel = party.room.channel()
  const lines = journal(channel)
  expect(party.room.channel('')).toBe(channel)
  expect(end(party, '').init).toEqual({ negotiated: true, id: 0 })
  expect(end(party, '').binaryType).toBe('arraybuffer')
  end(party, '', 0).open()
  end(party, '', 1).open()
  end(party, '', 0).hear('hi')
  end(party, '', 1).end()
  expect(lines).toEqual(['open b', 'open c', 'b: hi', 'close c'])
  expect(at(party.connections, 0).channels).toHaveLength(1)
})

test('a named channel is opened by the side that offers, on connections that are there and on those that come', async () => {
  const party = await join({ peers: [newer('b')] })
  const chat = party.room.channel('chat', { ordered: false, maxRetransmits: 0 })
  expect(party.room.channel('chat', { ordered: true })).toBe(chat)
  party.server.socket.say({ type: 'peer-joined', peer: newer('c') })
  for (const connection of [0, 1]) {
    expect(end(party, 'chat', connection).init).toEqual({ ordered: false, maxRetransmits: 0 })
    expect(end(party, 'chat', connection).binaryType).toBe('arraybuffer')
  }
})

test('the side that answers waits for the other to open it', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const chat = party.room.channel('chat')
  const connection = await callFrom(party, 'b')
  expect(connection.channels.map(({ label }) => label)).toEqual([''])
  const lines = journal(chat)
  const theirs = new FakeDataChannel('chat')
  connection.offerChannel(theirs)
  theirs.open()
  await settle()
  theirs.hear('hello')
  expect(theirs.binaryType).toBe('arraybuffer')
  expect(lines).toContain('open b')
  expect(lines.at(-1)).toBe('b: hello')
})

test.each(['newer', 'older'])('with a raw peer that is %s both sides open it, and each hears both', async (age) => {
  const party = await join({ peers: [wirePeer('b', { polite: age === 'older', features: [] })] })
  const chat = party.room.channel('chat')
  if (age === 'older') await callFrom(party, 'b')
  const lines = journal(chat)
  const ours = end(party, 'chat')
  const theirs = new FakeDataChannel('chat')
  party.connection().offerChannel(theirs)
  ours.open()
  theirs.open()
  ours.hear('on yours')
  theirs.hear('on mine')
  expect(lines.filter((line) => line.startsWith('b:'))).toEqual(['b: on yours', 'b: on mine'])
  expect(chat.peers.map(({ id }) => id)).toEqual(['b'])
  chat.send('once')
  expect([...ours.sent, ...theirs.sent]).toEqual(['once'])
})

test('what came before anybody asked for the channel is told to whoever asks, after the opening', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const connection = await callFrom(party, 'b')
  const theirs = new FakeDataChannel('chat')
  connection.offerChannel(theirs)
  theirs.open()
  theirs.hear('one')
  theirs.hear('two')
  const lines = journal(party.room.channel('chat'))
  expect(lines).toEqual([])
  await settle()
  theirs.hear('three')
  expect(lines).toEqual(['open b', 'b: one', 'b: two', 'b: three'])
})

test('of more than 64 that wait the oldest are forgotten', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const connection = await callFrom(party, 'b')
  const theirs = new FakeDataChannel('chat')
  connection.offerChannel(theirs)
  theirs.open()
  for (let n = 0; n < 300; n += 1) theirs.hear(n)
  const lines = journal(party.room.channel('chat'))
  await settle()
  expect(lines).toHaveLength(65)
  expect([lines.at(1), lines.at(-1)]).toEqual(['b: 236', 'b: 299'])
})

test('a channel that closed before anybody asked for it is forgotten', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  const connection = await callFrom(party, 'b')
  const theirs = new FakeDataChannel('chat')
  connection.offerChannel(theirs)
  theirs.open()
  theirs.hear('lost')
  theirs.end()
  const lines = journal(party.room.channel('chat'))
  await settle()
  expect(lines).toEqual([])
})

test('sending reaches everybody that it is open to, and returns them', async () => {
  const party = await join({ peers: [newer('b'), newer('c'), newer('d')] })
  const chat = party.room.channel('chat')
  expect(chat.send('nobody')).toEqual([])
  end(party, 'chat', 0).open()
  end(party, 'chat', 2).open()
  expect(chat.peers.map(({ id }) => id)).toEqual(['b', 'd'])
  expect(chat.send('hello').map(({ id }) => id)).toEqual(['b', 'd'])
  expect(chat.send('to one', { to: party.peer('d') }).map(({ id }) => id)).toEqual(['d'])
  expect(chat.send('to two', { to: [party.peer('d'), party.peer('b')] }).map(({ id }) => id)).toEqual(['d', 'b'])
  const bytes = new Uint8Array([1, 2])
  chat.send(bytes)
  expect([0, 1, 2].map((index) => end(party, 'chat', index).sent)).toEqual([
    ['hello', 'to two', bytes],
    [],
    ['hello', 'to one', 'to two', bytes],
  ])
})

test('sending to somebody that it is not open to sends to nobody', async () => {
  const party = await join({ peers: [newer('b'), newer('c')] })
  const chat = party.room.channel('chat')
  end(party, 'chat', 0).open()
  const send = (): unknown => chat.send('x', { to: [party.peer('b'), party.peer('c')] })
  expect(send).toThrow(AldisError)
  expect(send).toThrow(expect.objectContaining({ code: 'not-connected', retryable: true }))
  expect(send).toThrow('the c')
  expect(end(party, 'chat', 0).sent).toEqual([])
})

test('a message that the browser does not take is too large', async () => {
  const party = await join({ peers: [newer('b')] })
  const chat = party.room.channel('chat')
  end(party, 'chat').open()
  const send = (): unknown => chat.send('x'.repeat(300_000))
  expect(send).toThrow(expect.objectContaining({ code: 'message-too-large', cause: expect.any(TypeError) }))
})

test.each<[string, string, (channel: FakeDataChannel) => void, boolean]>([
  [
    'whose buffer is full',
    'channel-full',
    (channel) => {
      channel.buffer = 'full'
    },
    true,
  ],
  [
    'for whom the message is too large',
    'message-too-large',
    (channel) => {
      channel.maxSize = 1
    },
    false,
  ],
])('a peer %s is told of, and the others have got the message', async (_, code, spoil, retryable) => {
  const party = await join({ peers: [newer('b'), newer('c'), newer('d')] })
  const chat = party.room.channel('chat')
  for (const index of [0, 1, 2]) end(party, 'chat', index).open()
  spoil(end(party, 'chat', 0))
  expect(() => chat.send('hello')).toThrow(expect.objectContaining({ code, retryable, cause: expect.any(Error) }))
  expect([0, 1, 2].map((index) => end(party, 'chat', index).sent)).toEqual([[], ['hello'], ['hello']])
})

test.each<[string, string, ChannelOptions]>([
  ['a name that is too long', 'é'.repeat(32_768), {}],
  ['a name that is no text', 7 as unknown as string, {}],
  ['two limits at once', 'chat', { maxRetransmits: 1, maxPacketLifeTime: 100 }],
])('%s is refused where the channel is asked for, and harms no call', async (_, name, options) => {
  const party = await join({ peers: [newer('b')] })
  expect(() => party.room.channel(name, options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  party.server.socket.say({ type: 'peer-joined', peer: newer('c') })
  await settle()
  expect(party.offers().map(({ to }) => to)).toEqual(['b', 'c'])
  expect(party.events.error).toBeUndefined()
  expect(party.room.channel('chat', { maxRetransmits: 1 }).options).toEqual({ maxRetransmits: 1 })
})

test('a channel goes on with the next connection to the same peer', async () => {
  const party = await join({ peers: [newer('b')] })
  const chat = party.room.channel('chat')
  end(party, 'chat', 0).open()
  party.peer('b').hangup()
  expect(chat.peers).toEqual([])
  party
    .peer('b')
    .connect()
    .catch(() => undefined)
  end(party, 'chat', 1).open()
  expect(chat.peers.map(({ id }) => id)).toEqual(['b'])
  chat.send('again')
  expect(end(party, 'chat', 1).sent).toEqual(['again'])
  expect(end(party, 'chat', 0).sent).toEqual([])
})

test.each([{ maxRetransmits: -1 }, { maxRetransmits: 70_000 }, { maxPacketLifeTime: -1 }])(
  'the limit %j is refused, and harms no call',
  async (options) => {
    const party = await join({ peers: [newer('b')] })
    expect(() => party.room.channel('chat', options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    party.server.socket.say({ type: 'peer-joined', peer: newer('c') })
    await settle()
    expect(party.offers().map(({ to }) => to)).toEqual(['b', 'c'])
  },
)

test('channels that nobody asked for are forgotten with their connection', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  for (let g = 1; g <= 20; g += 1) {
    await party.clock.advance(2_000)
    party.server.socket.say({ type: 'pong' })
    await callFrom(party, 'b', g)
    party.server.socket.say({ type: 'hangup', from: 'b', x: { g } })
    await settle()
  }
  await callFrom(party, 'b', 21)
  const main = at(party.connection().channels, 0)
  main.open()
  const reached = party.room.channel().send('hi')
  expect(reached.map(({ id }) => id)).toEqual(['b'])
})

// More than a browser takes at once

test('what waits is that of the slowest peer, and `drained` waits for all of them', async () => {
  const party = await join({ peers: [newer('b'), newer('c')] })
  const channel = party.room.channel()
  expect(channel.bufferedAmount).toBe(0)
  const ends = [end(party, '', 0), end(party, '', 1)] as const
  for (const one of ends) one.open()
  ends[0].bufferedAmount = 100_000
  ends[1].bufferedAmount = 200_000
  expect(channel.bufferedAmount).toBe(200_000)
  let drained = false
  void channel.drained().then(() => {
    drained = true
  })
  ends[0].drain(0)
  await settle()
  expect(drained).toBe(false)
  ends[1].drain(65_537)
  await settle()
  expect(drained).toBe(false)
  ends[1].drain(65_536)
  await settle()
  expect(drained).toBe(true)
  await channel.drained()
})

test('two that wait for different amounts are both told', async () => {
  const party = await join({ peers: [newer('b')] })
  const channel = party.room.channel()
  const browsers = end(party, '')
  browsers.open()
  browsers.bufferedAmount = 1_000
  const told: number[] = []
  for (const below of [100, 500]) void channel.drained({ below }).then(() => told.push(below))
  browsers.drain(400)
  await settle()
  expect(told).toEqual([500])
  browsers.drain(50)
  await settle()
  expect(told).toEqual([500, 100])
})

test('who closes is not waited for, and whoever gives up is told at once', async () => {
  const party = await join({ peers: [newer('b')] })
  const channel = party.room.channel()
  const browsers = end(party, '')
  browsers.open()
  browsers.bufferedAmount = 1_000_000
  const abort = new AbortController()
  const given = channel.drained({ signal: abort.signal })
  const waiting = channel.drained()
  abort.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  browsers.end()
  await waiting
})

test('the channel opens to whoever joins later, and says so, and `send` reaches them', async () => {
  const party = await join({ peers: [newer('b')] })
  const chat = party.room.channel('chat')
  const lines = journal(chat)
  end(party, 'chat').open()
  party.server.socket.say({ type: 'peer-joined', peer: newer('late') })
  await settle()
  end(party, 'chat', 1).open()
  expect(lines).toEqual(['open b', 'open late'])
  expect(chat.send('hello').map(({ id }) => id)).toEqual(['b', 'late'])
})
