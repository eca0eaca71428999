import { expect, test } from 'vitest'
import { settle } from './support/clock.ts'
import type { FakePeerConnection } from './support/connection.ts'
import { sdpOf } from './support/connection.ts'
import { last } from './support/lists.ts'
import { FakeTrack } from './support/media.ts'
import { answerFrom, callFrom, join, type Party } from './support/party.ts'
import { wirePeer } from './support/server.ts'

/** A room with one other whose connection stands, whichever side made the offer. */
async function called(who: 'older' | 'newer'): Promise<Party> {
  const party = await join({ peers: [wirePeer('b', { polite: who === 'older' })] })
  if (who === 'older') await callFrom(party, 'b')
  else await answerFrom(party, 'b')
  party.connection().become('connected')
  return party
}

function directions(connection: FakePeerConnection): string[] {
  return connection.transceivers.filter(({ receiver }) => receiver.track.kind === 'video').map(({ direction }) => direction)
}

test.each(['older', 'newer'] as const)('what is unpublished as soon as it was published is not sent to the %s', async (who) => {
  const party = await called(who)
  const track = new FakeTrack('video')
  await party.room.publish(track.asBrowsers())
  expect(party.connection().sending).toEqual([])
  party.room.unpublish(track.asBrowsers())
  await settle()
  expect(party.connection().sending).toEqual([])
  expect(directions(party.connection())).toEqual(['recvonly'])
})

test.each(['older', 'newer'] as const)('what is published as soon as it was unpublished is sent to the %s', async (who) => {
  const party = await called(who)
  const track = new FakeTrack('video')
  await party.room.publish(track.asBrowsers())
  await settle()
  party.room.unpublish(track.asBrowsers())
  await party.room.publish(track.asBrowsers())
  await settle()
  expect(party.connection().sending).toEqual([track])
  expect(directions(party.connection()).filter((direction) => direction === 'sendrecv')).toHaveLength(1)
})

test('of two that take each other’s place again and again the last one is sent', async () => {
  const party = await called('newer')
  const [one, two] = [new FakeTrack('video'), new FakeTrack('video')]
  for (const [next, before] of [
    [one, two],
    [two, one],
    [one, two],
  ] as const) {
    party.room.unpublish(before.asBrowsers())
    await party.room.publish(next.asBrowsers())
  }
  await settle()
  expect(party.connection().sending).toEqual([one])
})

test('a track that the page itself sends is left alone by what is published and unpublished', async () => {
  const party = await called('newer')
  const [own, published] = [new FakeTrack('video'), new FakeTrack('video')]
  const section = party.connection().addTransceiver(own)
  await settle()
  await party.room.publish(published.asBrowsers())
  await settle()
  expect(new Set(party.connection().sending)).toEqual(new Set([own, published]))
  party.room.unpublish(published.asBrowsers())
  await settle()
  expect(party.connection().sending).toEqual([own])
  expect(section.direction).toBe('sendrecv')
})

test('what is published while the first offer is being applied goes into its sections', async () => {
  const party = await join({ peers: [wirePeer('b')] })
  party.server.socket.say({ type: 'offer', from: 'b', sdp: sdpOf('b1'), x: { g: 1, d: 1 } })
  const connection = party.connection()
  let apply: () => void = () => undefined
  connection.delay = () =>
    new Promise((resolve) => {
      apply = resolve
    })
  await settle()
  const track = new FakeTrack('video')
  await party.room.publish(track.asBrowsers())
  await settle()
  expect(connection.transceivers).toEqual([])
  connection.delay = () => Promise.resolve()
  apply()
  await settle()
  expect(connection.sending).toEqual([track])
  expect(connection.transceivers).toHaveLength(2)
  expect(party.sentTo('b')).toEqual(['answer'])
  expect(last(party.server.socket.of('answer')).sdp).toMatch(/m=video .*\r\na=mid:2\r\na=sendrecv/)
})
