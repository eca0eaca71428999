import { expect, test } from 'vitest'
import { joinRoom } from '../src/join.ts'
import { settle } from './support/clock.ts'
import { FakeStream, FakeTrack } from './support/media.ts'
import { callFrom, join } from './support/party.ts'
import { welcome, wirePeer } from './support/server.ts'
import { newWorld, type World } from './support/world.ts'

const reason = new Error('The user went elsewhere.')

function joining(signal: AbortSignal, token: string | (() => Promise<string>) = 'fixed'): World & { room: Promise<unknown> } {
  const world = newWorld()
  const room = joinRoom('https://x.org', { room: 'a', token, signal, environment: world.environment })
  room.catch(() => undefined)
  return { ...world, room }
}

test('who has given up already joins nothing', async () => {
  const { room, server, clock, watched } = joining(AbortSignal.abort(reason))
  await expect(room).rejects.toBe(reason)
  expect(server.sockets).toEqual([])
  expect(clock.planned).toBe(0)
  expect(watched()).toBe(false)
})

test.each<[string, (world: World) => void | Promise<void>]>([
  ['while it waits for a token', () => undefined],
  ['while the socket opens', settle],
  [
    'while it waits for `welcome`',
    async ({ server }) => {
      await settle()
      server.socket.open()
    },
  ],
  [
    'while it waits for the next attempt',
    async ({ server }) => {
      await settle()
      server.socket.drop(1006)
      await settle()
    },
  ],
])('joining is given up %s, with the reason, and nothing goes on', async (_, until) => {
  const abort = new AbortController()
  const world = joining(abort.signal)
  await until(world)
  abort.abort(reason)
  await expect(world.room).rejects.toBe(reason)
  const sockets = world.server.sockets.length
  await world.clock.advance(60_000)
  expect(world.server.sockets).toHaveLength(sockets)
  expect(world.server.sockets.every(({ closedWith }) => closedWith !== undefined || sockets === 1)).toBe(true)
  expect(world.clock.planned).toBe(0)
  expect(world.watched()).toBe(false)
})

test('once joined, it leaves; and a room that was left is not interested any more', async () => {
  const abort = new AbortController()
  const party = await join({ signal: abort.signal })
  abort.abort(reason)
  expect(party.room.status).toBe('left')
  expect(party.server.socket.of('leave')).toHaveLength(1)
  const other = new AbortController()
  let listening = 0
  const add = other.signal.addEventListener.bind(other.signal)
  const remove = other.signal.removeEventListener.bind(other.signal)
  other.signal.addEventListener = (...args: Parameters<typeof add>) => {
    listening += 1
    add(...args)
  }
  other.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listening -= 1
    remove(...args)
  }
  const left = await join({ signal: other.signal })
  expect(listening).toBe(1)
  left.room.leave()
  expect(listening).toBe(0)
})

test('a call that is given up before it stands is hung up', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b', { polite: false })] })
  const abort = new AbortController()
  const calling = party.peer('b').connect({ signal: abort.signal })
  calling.catch(() => undefined)
  await settle()
  abort.abort(reason)
  await expect(calling).rejects.toBe(reason)
  expect(party.sentTo('b')).toEqual(['offer', 'hangup'])
  expect(party.peer('b').state).toBe('closed')
  await expect(party.peer('b').connect({ signal: abort.signal })).rejects.toBe(reason)
})

test('a call that stands is left alone by the signal of its beginning', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  const abort = new AbortController()
  const calling = party.peer('b').connect({ signal: abort.signal })
  await callFrom(party, 'b')
  await calling
  abort.abort(reason)
  expect(party.peer('b').state).toBe('connected')
})

test('who gives up waiting for a camera is told at once, and the camera is switched off when it comes', async () => {
  const camera = new FakeTrack('video')
  let give: (stream: MediaStream) => void = () => undefined
  const getUserMedia = (): Promise<MediaStream> => new Promise((resolve) => (give = resolve))
  const party = await join({ environment: { getUserMedia } })
  const abort = new AbortController()
  const publishing = party.room.publish({ video: true }, { signal: abort.signal })
  publishing.catch(() => undefined)
  abort.abort(reason)
  await expect(publishing).rejects.toBe(reason)
  give(new FakeStream([camera]).asBrowsers())
  await settle()
  expect(camera.stopped).toBe(true)
  expect(party.room.getSnapshot().published).toEqual([])
})

test('`await using` leaves at the end of its block', async () => {
  const world = newWorld()
  let status = ''
  {
    const entering = joinRoom('https://x.org', { room: 'a', token: 'fixed', environment: world.environment })
    await settle()
    world.server.socket.open()
    world.server.socket.say(welcome())
    await using room = await entering
    room.on('status', (event) => {
      status = event.status
    })
    expect(room.status).toBe('joined')
  }
  expect(status).toBe('left')
  expect(world.server.socket.of('leave')).toHaveLength(1)
})
