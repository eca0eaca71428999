import { expect, test } from 'vitest'
import type { CodecPreferences } from '../src/codecs.ts'
import { joinRoom } from '../src/join.ts'
import { settle } from './support/clock.ts'
import { FakeTrack } from './support/media.ts'
import { callFrom, join, type Party } from './support/party.ts'
import { wirePeer } from './support/server.ts'
import { newWorld } from './support/world.ts'

const KNOWN = {
  audio: ['audio/opus', 'audio/red', 'audio/PCMU'],
  video: ['video/VP8', 'video/rtx', 'video/H264', 'video/VP9', 'video/rtx', 'video/AV1'],
}
const environment = {
  getCapabilities: (kind: 'audio' | 'video') => KNOWN[kind].map((mimeType) => ({ mimeType, clockRate: 90_000 })),
}

function preferences(party: Party, kind: 'audio' | 'video'): unknown[] {
  return party
    .connection()
    .transceivers.filter(({ receiver }) => receiver.track.kind === kind)
    .map((transceiver) => transceiver.preferences)
}

test.each(['older', 'newer'] as const)('what is preferred comes first, the rest as it was, to a peer that is %s', async (age) => {
  const codecs = { video: ['video/vp9', 'video/H264'] }
  const party = await join({ codecs, environment, peers: [wirePeer('b', { polite: age === 'older' })] })
  if (age === 'older') await callFrom(party, 'b')
  await settle()
  expect(preferences(party, 'video')).toEqual([['video/VP9', 'video/H264', 'video/VP8', 'video/rtx', 'video/rtx', 'video/AV1']])
  expect(preferences(party, 'audio')).toEqual([undefined])
})

test('a section that comes later has the same preferences', async () => {
  const party = await join({ codecs: { audio: ['audio/PCMU'] }, environment, peers: [wirePeer('b', { polite: false })] })
  await party.room.publish(new FakeTrack('audio').asBrowsers())
  await party.room.publish(new FakeTrack('audio').asBrowsers())
  await settle()
  party.room.setAttributes({})
  await party.room.publish(new FakeTrack('audio').asBrowsers())
  await settle()
  for (const preferred of preferences(party, 'audio')) expect(preferred).toEqual(['audio/PCMU', 'audio/opus', 'audio/red'])
})

test('what the browser does not know is left out, and said', async () => {
  const party = await join({
    codecs: { video: ['video/VP10', 'video/AV1', 'video/Theora'] },
    environment,
    peers: [wirePeer('b', { polite: false })],
  })
  await settle()
  expect(party.warnings).toEqual(['aldis: this browser has no codec video/VP10, video/Theora: `codecs.video` goes on without.'])
  expect(preferences(party, 'video')).toMatchObject([['video/AV1', 'video/VP8']].map((start) => expect.arrayContaining(start)))
})

test('where none of them is known nothing is asked of the browser', async () => {
  const party = await join({ codecs: { video: ['video/VP10'] }, environment, peers: [wirePeer('b', { polite: false })] })
  await settle()
  expect(preferences(party, 'video')).toEqual([undefined])
})

test.each<[unknown, string]>([
  ['video/VP9', '`codecs` must be an object, not "video/VP9".'],
  [{ video: 'video/VP9' }, '`codecs.video` must be a list of types as \'video/…\', not "video/VP9".'],
  [{ video: ['VP9'] }, '`codecs.video` must be a list of types as \'video/…\', not "VP9".'],
  [{ audio: ['video/VP9'] }, '`codecs.audio` must be a list of types as \'audio/…\', not "video/VP9".'],
  [{ screen: [] }, '`codecs` must be lists named `audio` and `video`, not "screen".'],
])('%j is refused: %s', async (codecs, message) => {
  const world = newWorld(environment)
  const options = { room: 'a', codecs: codecs as CodecPreferences, environment: world.environment }
  await expect(joinRoom('https://x.org', options)).rejects.toMatchObject({
    code: 'invalid-option',
    message,
  })
})
