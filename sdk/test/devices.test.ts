import { expect, test } from 'vitest'
import type { DeviceChoice } from '../src/devices.ts'
import { settle } from './support/clock.ts'
import type { FakePeerConnection } from './support/connection.ts'
import { at, last } from './support/lists.ts'
import { FakeStream, FakeTrack } from './support/media.ts'
import { answerFrom, callFrom, join, type Party, type PartyOptions } from './support/party.ts'
import { wirePeer } from './support/server.ts'

/** How many cameras may be open. */
interface Device {
  cameras: 'any-number' | 'one-at-a-time'
}

/** A room whose browser gives what it is asked for, and the tracks that it gave. */
async function withDevices(
  options: PartyOptions = {},
): Promise<{ party: Party; given: FakeTrack[]; asked: unknown[]; refuse: unknown[]; device: Device }> {
  const given: FakeTrack[] = []
  const asked: unknown[] = []
  const refuse: unknown[] = []
  const device: Device = { cameras: 'any-number' }
  const give = async (wanted: MediaStreamConstraints): Promise<MediaStream> => {
    asked.push(wanted)
    if (refuse.length > 0) throw refuse.shift()
    const isOpen = given.some(({ kind, stopped }) => kind === 'video' && !stopped)
    if (device.cameras === 'one-at-a-time' && isOpen) throw new DOMException('In use.', 'NotReadableError')
    const kinds = (['audio', 'video'] as const).filter((kind) => wanted[kind])
    const tracks = kinds.map((kind) => new FakeTrack(kind))
    given.push(...tracks)
    return new FakeStream(tracks).asBrowsers()
  }
  const getDisplayMedia = (wanted: MediaStreamConstraints): Promise<MediaStream> => give({ video: true, ...wanted })
  const party = await join({ peers: [wirePeer('b')], ...options, environment: { getUserMedia: give, getDisplayMedia } })
  return { party, given, asked, refuse, device }
}

const sending = (connection: FakePeerConnection): unknown[] => connection.sending
const offers = (party: Party): number => party.steps.filter((step) => step === 'offer-sent').length
const tracksOf = (stream: MediaStream | undefined): unknown[] => stream?.getTracks() ?? []

// Camera and microphone

test('camera and microphone are switched on in one stream, and off', async () => {
  const { party, given, asked } = await withDevices()
  const connection = await callFrom(party, 'b')
  const stream = await party.room.setCamera(true)
  expect(await party.room.setMicrophone(true)).toBe(stream)
  await settle()
  expect(asked).toEqual([{ video: true }, { audio: true }])
  expect(tracksOf(stream)).toEqual(given)
  expect(new Set(sending(connection))).toEqual(new Set(given))
  expect(connection.transceivers.map(({ sender }) => sender.streams)).toEqual([[stream], [stream]])
  expect(await party.room.setCamera(false)).toBeUndefined()
  await settle()
  expect(at(given, 0).stopped).toBe(true)
  expect(tracksOf(stream)).toEqual([given[1]])
  expect(sending(connection)).toEqual([given[1]])
})

test('what is on already stays as it is, and what is off already too', async () => {
  const { party, given, asked } = await withDevices()
  await party.room.setCamera(false)
  const stream = await party.room.setCamera(true)
  expect(await party.room.setCamera(true)).toBe(stream)
  expect(asked).toHaveLength(1)
  expect(at(given, 0).stopped).toBe(false)
})

test('another camera takes the place of the first in its stream and its section, without an offer', async () => {
  const { party, given, asked } = await withDevices()
  const connection = await callFrom(party, 'b')
  const stream = await party.room.setCamera('front')
  await settle()
  await answerTo(party)
  const before = offers(party)
  expect(await party.room.setCamera({ facingMode: 'environment' })).toBe(stream)
  await settle()
  expect(asked).toEqual([{ video: { deviceId: { exact: 'front' } } }, { video: { facingMode: 'environment' } }])
  expect(sending(connection)).toEqual([given[1]])
  expect(tracksOf(stream)).toEqual([given[1]])
  expect([at(given, 0).stopped, at(given, 1).stopped]).toEqual([true, false])
  expect(offers(party)).toBe(before)
})

/** The peer answers what is offered to it. */
async function answerTo(party: Party): Promise<void> {
  if (party.offers().length > 0) await answerFrom(party, 'b')
}

test('of choices that follow each other the last is what comes out', async () => {
  const { party, given } = await withDevices()
  const choices: DeviceChoice[] = [true, false, 'second', 'third', false, true, false]
  await Promise.all(choices.map((choice) => party.room.setCamera(choice)))
  expect(given.every(({ stopped }) => stopped)).toBe(true)
  expect(party.room.getSnapshot().published).toEqual([])
})

test('what `publish` opened is switched the same way', async () => {
  const { party, given } = await withDevices()
  const stream = await party.room.publish({ audio: true, video: true })
  expect(await party.room.setCamera('other')).toBe(stream)
  await party.room.setMicrophone(false)
  expect(given.map(({ stopped }) => stopped)).toEqual([true, true, false])
  expect(tracksOf(stream)).toEqual([given[2]])
})

test('a camera that opens only when the other is closed takes its place all the same', async () => {
  const { party, given, device } = await withDevices()
  const connection = await callFrom(party, 'b')
  await party.room.setMicrophone(true)
  const stream = await party.room.setCamera(true)
  device.cameras = 'one-at-a-time'
  expect(await party.room.setCamera('back')).toBe(stream)
  await settle()
  expect(given.map(({ stopped }) => stopped)).toEqual([false, true, false])
  expect(sending(connection)).toContain(given[2])
})

test('a device that is refused leaves what is on, and the next choice is tried all the same', async () => {
  const { party, given, refuse } = await withDevices()
  await party.room.setCamera(true)
  refuse.push(new DOMException('No.', 'NotAllowedError'))
  await expect(party.room.setCamera('other')).rejects.toMatchObject({ code: 'media-denied' })
  expect(at(given, 0).stopped).toBe(false)
  await party.room.setCamera('third')
  expect(at(given, 0).stopped).toBe(true)
})

test('a camera that opens after the room was left is switched off', async () => {
  const { party, given } = await withDevices()
  const opening = party.room.setCamera(true)
  party.room.leave()
  await expect(opening).rejects.toMatchObject({ code: 'left' })
  expect(given.every(({ stopped }) => stopped)).toBe(true)
  await expect(party.room.setMicrophone(true)).rejects.toMatchObject({ code: 'left' })
})

// The screen

test('a screen is shared in a stream of its own, beside the camera, and ends by `stopSharing`', async () => {
  const { party, given } = await withDevices()
  const connection = await callFrom(party, 'b')
  const camera = await party.room.setCamera(true)
  const screen = await party.room.shareScreen({ video: true, audio: true })
  await settle()
  expect(screen).not.toBe(camera)
  expect(sending(connection)).toHaveLength(3)
  party.room.stopSharing()
  await settle()
  expect(sending(connection)).toEqual([given[0]])
  expect(given.map(({ stopped }) => stopped)).toEqual([false, true, true])
  await party.room.setCamera('other')
  expect(party.room.getSnapshot().published).toEqual([camera])
})

test('a screen that its user no longer shares is unpublished by itself', async () => {
  const { party, given } = await withDevices()
  await party.room.shareScreen()
  last(given).end()
  expect(party.room.getSnapshot().published).toEqual([])
})

test('a screen that its user does not share says so', async () => {
  const { party, refuse } = await withDevices()
  refuse.push(new DOMException('No.', 'NotAllowedError'))
  await expect(party.room.shareScreen()).rejects.toMatchObject({ code: 'media-denied', message: 'The screen was denied.' })
  const without = await join()
  await expect(without.room.shareScreen()).rejects.toMatchObject({ code: 'insecure-context' })
})

// Replacing

test('a track takes the place of another on every connection, without an offer, and for whoever comes later', async () => {
  const { party } = await withDevices({ peers: [wirePeer('b', { polite: false }), wirePeer('c', { polite: false })] })
  const [old, next] = [new FakeTrack('video'), new FakeTrack('video')]
  const stream = new FakeStream([old, new FakeTrack('audio')])
  await party.room.publish(stream.asBrowsers())
  for (const id of ['b', 'c']) await answerFrom(party, id)
  const before = offers(party)
  await party.room.replaceTrack(old.asBrowsers(), next.asBrowsers())
  for (const connection of party.connections) {
    expect(sending(connection)).toContain(next)
    expect(sending(connection)).not.toContain(old)
  }
  await settle()
  expect(offers(party)).toBe(before)
  expect(stream.getTracks()).toContain(next)
  expect(old.stopped).toBe(false)
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('d', { polite: false }) })
  await settle()
  expect(sending(party.connection())).toContain(next)
  expect(sending(party.connection())).not.toContain(old)
  // What took its place ends as it would have.
  next.end()
  await settle()
  expect(sending(party.connection())).not.toContain(next)
})

test.each<[string, (old: FakeTrack, other: FakeTrack) => [unknown, unknown]]>([
  ['`old` must be a track that is published', (_, other) => [other, new FakeTrack('video')]],
  ['`next` must be a track of video', (old) => [old, new FakeTrack('audio')]],
  ['`next` must be a track of video', (old) => [old, {}]],
  ['`next` must be a track that is not published yet', (old) => [old, old]],
  ['The track has ended already', (old) => [old, Object.assign(new FakeTrack('video'), { readyState: 'ended' })]],
])('%s', async (message, tracks) => {
  const { party } = await withDevices()
  const old = new FakeTrack('video')
  const stream = await party.room.publish(old.asBrowsers())
  const [one, other] = tracks(old, new FakeTrack('video'))
  const replacing = party.room.replaceTrack(one as MediaStreamTrack, other as MediaStreamTrack)
  await expect(replacing).rejects.toMatchObject({ code: 'invalid-option', message: expect.stringContaining(message) })
  expect(tracksOf(stream)).toEqual([old])
})

// Who comes later

test.each(['older', 'newer'] as const)('who joins later gets all that is published: a peer that is %s', async (age) => {
  const { party, given } = await withDevices({ peers: [] })
  await party.room.setCamera(true)
  await party.room.setMicrophone(true)
  await party.room.shareScreen()
  const own = new FakeTrack('video')
  await party.room.publish(own.asBrowsers())
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('late', { polite: age === 'older' }) })
  if (age === 'older') await callFrom(party, 'late')
  await settle()
  expect(new Set(sending(party.connection()))).toEqual(new Set([...given, own]))
})

test('who joins later does not get what was taken back', async () => {
  const { party, given } = await withDevices({ peers: [] })
  await party.room.setCamera(true)
  await party.room.setMicrophone(true)
  await party.room.setCamera(false)
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('late', { polite: false }) })
  await settle()
  expect(sending(party.connection())).toEqual([given[1]])
})
