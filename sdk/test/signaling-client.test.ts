import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SignalingClient } from '../src/client.ts'
import type { SignalingClientOptions } from '../src/enter.ts'
import { type NegotiationMessage, negotiate } from '../src/negotiate.ts'
import type { PeerSignal } from '../src/signals.ts'
import { type AloneOptions, joinAlone } from './support/alone.ts'
import { settle } from './support/clock.ts'
import { FakePeerConnection, sdpOf } from './support/connection.ts'
import { last } from './support/lists.ts'
import { wirePeer } from './support/server.ts'
import { FakeStreams } from './support/streams.ts'
import { newWorld } from './support/world.ts'

const withTwo: AloneOptions = { peers: [wirePeer('b', { attributes: { hand: 'up' } }), wirePeer('raw', { features: [] })] }

test('who is there are plain objects, oldest first', async () => {
  const { client } = await joinAlone(withTwo)
  expect(client.status).toBe('joined')
  expect(client.id).toBe('standup')
  expect(client.me).toMatchObject({ identity: 'bob' })
  expect([...client.peers.values()]).toEqual(withTwo.peers)
})

test('nothing of a browser is needed: no connection is made, whoever is there', async () => {
  const { connections, server } = await joinAlone(withTwo)
  server.socket.say({ type: 'offer', from: 'b', sdp: sdpOf('b'), x: { g: 1, d: 1 } })
  await settle()
  expect(connections).toEqual([])
})

test('the roster follows the server, and each change is an event', async () => {
  const { client, log, server } = await joinAlone(withTwo)
  server.socket.say(
    { type: 'peer-joined', peer: wirePeer('c') },
    { type: 'peer-away', id: 'b' },
    { type: 'peer-back', id: 'b' },
    { type: 'peer-updated', peer: wirePeer('c', { name: 'Cleo' }) },
    { type: 'peer-left', id: 'b', reason: 'left', final: true },
    { type: 'peer-left', id: 'raw', reason: 'unreachable', final: false },
  )
  const changes = ['peer-joined c', 'peer-updated b', 'peer-updated b', 'peer-updated c', 'peer-left b left', 'peer-updated raw']
  expect(log).toEqual(changes)
  expect([...client.peers.values()].map(({ id, presence, name }) => [id, presence, name])).toEqual([
    ['raw', 'away', undefined],
    ['c', 'here', 'Cleo'],
  ])
})

test('whoever comes back as another peer has left and joined, in this order', async () => {
  const { log, server } = await joinAlone(withTwo)
  server.socket.say({ type: 'peer-joined', peer: wirePeer('b2', { previous: 'b' }) })
  expect(log).toEqual(['peer-left b timeout', 'peer-joined b2'])
})

test('whoever is missing after a reconnect is away, and leaves when the window has passed', async () => {
  const { client, clock, log, server } = await joinAlone(withTwo)
  server.socket.drop(1006)
  await clock.advance(500)
  await server.welcome({ resumed: true, peers: [wirePeer('raw', { features: [] })], left: [] })
  expect(client.peers.get('b')?.presence).toBe('away')
  await clock.advance(60_000)
  expect(log).toContain('peer-left b timeout')
  expect([...client.peers.keys()]).toEqual(['raw'])
})

test('where a session could not go on everybody leaves, and those who are there join', async () => {
  const { client, clock, log, server } = await joinAlone(withTwo)
  server.socket.drop(1006)
  await clock.advance(500)
  log.length = 0
  await server.welcome({ resumed: false, peer: wirePeer('me2'), peers: [wirePeer('raw', { features: [] }), wirePeer('new')] })
  expect(log.filter((line) => line.startsWith('peer'))).toEqual([
    'peer-left b timeout',
    'peer-left raw timeout',
    'peer-joined raw',
    'peer-joined new',
  ])
  expect(client.me.id).toBe('me2')
})

// Messages and signals

test('a message is delivered when the peer has acknowledged it, and what comes is told once and in order', async () => {
  const { client, log, server } = await joinAlone(withTwo)
  server.socket.acknowledges = false
  let fate = 'pending'
  void client.send('b', { text: 'hello' }).then(() => {
    fate = 'delivered'
  })
  await settle()
  const { x } = last(server.socket.wire) as unknown as { x: { s: object } }
  expect(fate).toBe('pending')
  server.socket.say({ type: 'ack', from: 'b', x: { a: x.s } })
  await settle()
  expect(fate).toBe('delivered')
  const say = (n: number, data: string): void =>
    server.socket.say({ type: 'message', from: 'b', data, x: { s: { e: 7, n } } } as never)
  say(2, 'two')
  say(1, 'one')
  say(1, 'one')
  expect(log).toEqual(['message b one', 'message b two'])
})

test('signals go out as they were given, in order with messages, and settle', async () => {
  const { client, server } = await joinAlone(withTwo)
  const description = Object.create({ type: 'offer', sdp: sdpOf('a') })
  const sending = [
    client.signal('b', description),
    client.send('b', 1),
    client.signal('b', { type: 'ice-candidate', candidate: null }),
    client.signal('b', { type: 'hangup', reason: 'bye', x: { g: 3, s: 'not ours to say', a: 'nor this' } }),
    client.signal('raw', { type: 'answer', sdp: 'v=0', x: { d: 1, re: 2 } }),
  ]
  expect(server.socket.sent.filter((message) => 'to' in message)).toMatchObject([
    { type: 'offer', to: 'b', sdp: sdpOf('a') },
    { type: 'message', to: 'b', data: 1 },
    { type: 'ice-candidate', to: 'b', candidate: null },
    { type: 'hangup', to: 'b', reason: 'bye', x: { g: 3 } },
    { type: 'answer', to: 'raw', sdp: 'v=0', x: { d: 1, re: 2 }, receipt: true },
  ])
  server.socket.say({ type: 'receipt', re: last(server.socket.of('answer')).msg ?? '', status: 'written' })
  await Promise.all(sending)
})

test('what comes has no trace of the stream, and the numbers of a negotiation', async () => {
  const { log, server } = await joinAlone(withTwo)
  const x = { s: { e: 7, n: 1 }, a: { e: 1, n: 0 }, g: 2, d: 5, re: 'nonsense' }
  server.socket.say({ type: 'offer', from: 'b', sdp: 'v=0', msg: 'm', receipt: true, x } as never)
  expect(log).toEqual(['signal b {"type":"offer","sdp":"v=0","x":{"g":2,"d":5}}'])
})

test('`negotiate` connects over two clients', async () => {
  const ends = await Promise.all([
    joinAlone({ peers: [wirePeer('other', { polite: false })] }),
    joinAlone({ peers: [wirePeer('other')] }),
  ])
  const connections = ends.map(({ client }) => {
    const pc = new FakePeerConnection()
    const polite = client.peers.get('other')?.polite ?? true
    const negotiation = negotiate(pc.asBrowsers(), {
      polite,
      send: (signal) => void client.signal('other', signal),
    })
    client.on('signal', ({ signal }) => void negotiation.receive(signal as NegotiationMessage))
    return pc
  })
  connections[0]?.createDataChannel('chat')
  await settle()
  const [older, newer] = ends
  if (!older || !newer) throw new Error('There are two.')
  newer.server.socket.say({ ...last(older.server.socket.of('offer')), from: 'other' } as never)
  await settle()
  older.server.socket.say({ ...last(newer.server.socket.of('answer')), from: 'other' } as never)
  await settle()
  expect(connections.map(({ signalingState }) => signalingState)).toEqual(['stable', 'stable'])
  expect(connections[0]?.currentRemoteDescription).toMatchObject({ sdp: connections[1]?.currentLocalDescription?.sdp })
})

test.each<[string, unknown]>([
  ['`signal`', undefined],
  ['`signal.type`', { type: 'message', data: 1 }],
  ['`signal.sdp`', { type: 'offer' }],
  ['`signal.sdp`', { type: 'answer', sdp: 7 }],
  ['`signal.candidate`', { type: 'ice-candidate' }],
  ['`signal.reason`', { type: 'hangup', reason: 'x'.repeat(257) }],
  ['`signal.x`', { type: 'restart', x: [] }],
])('a signal that no server would take is refused by name: %s %j', async (name, signal) => {
  const { client, server } = await joinAlone(withTwo)
  const sending = client.signal('b', signal as PeerSignal)
  await expect(sending).rejects.toMatchObject({ code: 'invalid-option', message: expect.stringContaining(name) })
  expect(server.socket.sent).toHaveLength(1)
})

test('to somebody who is not there nothing is sent', async () => {
  const { client } = await joinAlone()
  await expect(client.send('x', 1)).rejects.toMatchObject({ code: 'peer-closed', outcome: 'not-delivered' })
  await expect(client.signal('x', { type: 'restart' })).rejects.toMatchObject({ code: 'peer-closed' })
})

// ICE servers

test('ICE servers are there, are told when they change, and are asked for', async () => {
  const iceServers = [{ urls: ['stun:a'] }]
  const { client, clock, log, server } = await joinAlone({ welcome: { iceServers } })
  expect(client.iceServers).toEqual(iceServers)
  const asking = client.refreshIceServers()
  expect(server.socket.of('ice-servers')).toHaveLength(1)
  server.socket.say({ type: 'ice-servers', iceServers: [{ urls: ['stun:b'] }], iceCutsAtExpiry: false })
  expect(await asking).toEqual([{ urls: ['stun:b'] }])
  expect(log).toEqual(['ice-servers [{"urls":["stun:b"]}]'])
  const unheard = client.refreshIceServers()
  await clock.advance(2_000)
  expect(await unheard).toEqual([{ urls: ['stun:b'] }])
})

// Joining and leaving

test('leaving is final: the server hears it, nothing goes on, and what is asked for is refused', async () => {
  const { client, clock, log, server, watched } = await joinAlone(withTwo)
  const sending = client.send('b', 1)
  server.socket.acknowledges = false
  sending.catch(() => undefined)
  await client[Symbol.asyncDispose]()
  client.leave()
  expect(server.socket.of('leave')).toHaveLength(1)
  expect(log).toEqual(['status left'])
  expect(client.peers.size).toBe(0)
  expect(client.getSnapshot()).toMatchObject({ status: 'left', peers: [] })
  expect(clock.planned).toBe(0)
  expect(watched()).toBe(false)
  await expect(client.send('b', 1)).rejects.toMatchObject({ code: 'left', outcome: 'not-delivered' })
  expect(() => client.setAttributes({})).toThrow(expect.objectContaining({ code: 'left' }))
})

test('an error that is about no message is an event', async () => {
  const { log, server } = await joinAlone()
  server.socket.say({ type: 'error', code: 'rate-limited', message: 'Too many.' })
  expect(log).toHaveLength(1)
})

test('whoever brings a class of sockets needs no global one', async () => {
  const world = newWorld()
  const sockets: FakeWebSocket[] = []
  class FakeWebSocket {
    onopen: unknown = null
    onmessage: unknown = null
    onclose: unknown = null
    onerror: unknown = null
    readonly sent: string[] = []
    closed: number | undefined
    readonly url: string
    constructor(url: string) {
      this.url = url
      sockets.push(this)
    }
    send(text: string): void {
      this.sent.push(text)
    }
    close(code: number): void {
      this.closed = code
    }
  }
  const { openSocket, ...environment } = world.environment
  const options: SignalingClientOptions = { room: 'a', token: 'fixed', WebSocket: FakeWebSocket, environment }
  const abort = new AbortController()
  const joining = SignalingClient.join('https://x.org', { ...options, signal: abort.signal })
  joining.catch(() => undefined)
  await settle()
  const socket = last(sockets)
  expect(socket.url).toBe('wss://x.org/v1/signal?room=a')
  expect(typeof socket.onerror).toBe('function')
  ;(socket.onopen as () => void)()
  expect(socket.sent).toMatchObject([expect.stringContaining('hello')])
  abort.abort(new Error('enough'))
  await expect(joining).rejects.toThrow('enough')
  expect(socket.closed).toBe(1000)
  expect(socket.onmessage).toBeNull()
})

describe('where there is no WebSocket, as in Node 20', () => {
  const { WebSocket } = globalThis
  beforeEach(() => Object.assign(globalThis, { WebSocket: undefined }))
  afterEach(() => Object.assign(globalThis, { WebSocket }))

  test('joining goes by event stream', async () => {
    const { openSocket, ...environment } = newWorld().environment
    const server = new FakeStreams()
    const abort = new AbortController()
    const joining = SignalingClient.join('https://x.org', {
      room: 'a',
      token: 'fixed',
      signal: abort.signal,
      environment: { ...environment, fetch: server.fetch },
    })
    joining.catch(() => undefined)
    await vi.waitFor(() => expect(server.streams).toHaveLength(1))
    expect(server.probes).toBe(0)
    abort.abort()
  })

  test('whoever wants WebSockets alone is told where one comes from', async () => {
    const joining = SignalingClient.join('https://x.org', { room: 'a', token: 'fixed', transport: 'websocket' })
    await expect(joining).rejects.toMatchObject({
      code: 'invalid-option',
      message: '`WebSocket` must be that of the package `ws`, not undefined.',
    })
  })
})
