import { expect, test } from 'vitest'
import { joinRoom } from '../src/join.ts'
import { settle } from './support/clock.ts'
import { FakeStream, FakeTrack } from './support/media.ts'
import { callFrom, join, type Party } from './support/party.ts'
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

/** A room whose user is asked for a device or a screen, and answers when the test says so. */
async function prompting(): Promise<{ party: Party; answer: (track: FakeTrack) => Promise<void>; asked: () => number }> {
  const prompts: ((stream: MediaStream) => void)[] = []
  let asked = 0
  const ask = (): Promise<MediaStream> => {
    asked += 1
    return new Promise((resolve) => prompts.push(resolve))
  }
  const party = await join({ environment: { getUserMedia: ask, getDisplayMedia: ask } })
  const answer = async (track: FakeTrack): Promise<void> => {
    prompts.shift()?.(new FakeStream([track]).asBrowsers())
    await settle()
  }
  return { party, answer, asked: () => asked }
}

test.each<[string, FakeTrack, (party: Party, signal: AbortSignal) => Promise<unknown>]>([
  ['a camera', new FakeTrack('video'), ({ room }, signal) => room.setCamera(true, { signal })],
  ['a microphone', new FakeTrack('audio'), ({ room }, signal) => room.setMicrophone(true, { signal })],
  ['a screen', new FakeTrack('video'), ({ room }, signal) => room.shareScreen({ video: true, signal })],
])('who gives up waiting for %s is told at once, and nothing is published when it comes', async (_, track, open) => {
  const { party, answer, asked } = await prompting()
  const abort = new AbortController()
  const opening = open(party, abort.signal)
  opening.catch(() => undefined)
  await settle()
  abort.abort(reason)
  await expect(opening).rejects.toBe(reason)
  await answer(track)
  expect(track.stopped).toBe(true)
  expect(party.room.getSnapshot().published).toEqual([])
  await expect(open(party, abort.signal)).rejects.toBe(reason)
  expect(asked()).toBe(1)
})

test('a camera that was given up holds up no other, and takes its place no more', async () => {
  const { party, answer, asked } = await prompting()
  const abort = new AbortController()
  const first = party.room.setCamera('front', { signal: abort.signal })
  first.catch(() => undefined)
  const given = party.room.setCamera('side', { signal: abort.signal })
  given.catch(() => undefined)
  const second = party.room.setCamera('back')
  await settle()
  expect(asked()).toBe(1)
  abort.abort(reason)
  await settle()
  expect(asked()).toBe(2)
  const [front, back] = [new FakeTrack('video'), new FakeTrack('video')]
  await answer(front)
  await answer(back)
  await expect(first).rejects.toBe(reason)
  await expect(given).rejects.toBe(reason)
  expect((await second)?.getTracks()).toEqual([back])
  expect([front.stopped, back.stopped]).toEqual([true, false])
})

test('a device that opens only when the other one is closed leaves that on where it was given up', async () => {
  const [front, back] = [new FakeTrack('video'), new FakeTrack('video')]
  let refuse: (error: unknown) => void = () => undefined
  const answers = [Promise.resolve(new FakeStream([front]).asBrowsers()), new Promise<never>((_, reject) => (refuse = reject))]
  const getUserMedia = (): Promise<MediaStream> => answers.shift() ?? Promise.resolve(new FakeStream([back]).asBrowsers())
  const { room } = await join({ environment: { getUserMedia } })
  await room.setCamera(true)
  const abort = new AbortController()
  const switching = room.setCamera('back', { signal: abort.signal })
  switching.catch(() => undefined)
  await settle()
  abort.abort(reason)
  refuse(new DOMException('In use.', 'NotReadableError'))
  await settle()
  await expect(switching).rejects.toBe(reason)
  expect(front.stopped).toBe(false)
  expect(room.getSnapshot().publishedTracks).toEqual([front])
})

test.each<[string, (room: Party['room']) => Promise<unknown>]>([
  ['setCamera', (room) => room.setCamera(true, { sginal: 1 } as never)],
  ['setMicrophone', (room) => room.setMicrophone(true, { sginal: 1 } as never)],
  ['shareScreen', (room) => room.shareScreen({ signal: 1 as never })],
])('%s is told of a wrong signal', async (_, open) => {
  const { party, asked } = await prompting()
  await expect(open(party.room)).rejects.toMatchObject({ code: 'invalid-option' })
  expect(asked()).toBe(0)
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
