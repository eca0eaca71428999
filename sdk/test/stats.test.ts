import { expect, test } from 'vitest'
import { callFrom, join, type Party } from './support/party.ts'
import { wirePeer } from './support/server.ts'

interface Moment {
  readonly at: number
  readonly sent: number
  readonly received: number
  readonly packets?: number
  readonly lost?: number
  readonly sentPackets?: number
  readonly sentLost?: number
}

/** What a browser says at a moment of a connection: the pair in use, another one by which everything comes, and what was counted. */
function report(moment: Moment, how: 'chromium' | 'firefox' = 'chromium'): { id: string }[] {
  const { at, sent, received, packets = 0, lost = 0, sentPackets = 0, sentLost = 0 } = moment
  const used = { localCandidateId: 'l', remoteCandidateId: 'r', bytesSent: sent, bytesReceived: 0, timestamp: at }
  const chromium = how === 'chromium'
  const all = [
    {
      id: 'spare',
      type: 'candidate-pair',
      bytesSent: 0,
      bytesReceived: received,
      nominated: !chromium,
      state: 'failed',
      timestamp: at,
    },
    {
      id: 'used',
      type: 'candidate-pair',
      ...used,
      ...(chromium ? { currentRoundTripTime: 0.025 } : { nominated: true, selected: true, state: 'succeeded' }),
    },
    { id: 'l', type: 'local-candidate', candidateType: 'relay', protocol: 'udp' },
    { id: 'r', type: 'remote-candidate', candidateType: 'srflx', protocol: 'udp' },
    { id: 'i1', type: 'inbound-rtp', packetsReceived: packets - lost, packetsLost: lost },
    { id: 'i2', type: 'inbound-rtp', packetsReceived: 0, packetsLost: 0 },
    { id: 'o', type: 'outbound-rtp', packetsSent: sentPackets },
    { id: 'ri', type: 'remote-inbound-rtp', packetsLost: sentLost, roundTripTime: 0.5 },
  ]
  // Chromium forgets ways that are over; its transport does not.
  const transport = { id: 't', type: 'transport', selectedCandidatePairId: 'used', bytesSent: sent, bytesReceived: received }
  return chromium
    ? [transport, ...all.filter(({ id }) => id !== 'spare')]
    : [{ id: 't', type: 'transport' } as { id: string }, ...all]
}

async function called(): Promise<Party> {
  const party = await join({ peers: [wirePeer('b')] })
  await callFrom(party, 'b')
  return party
}

test('without a connection the shape is the same, and everything is nothing', async () => {
  const { room } = await join({ connect: 'manual', peers: [wirePeer('b')] })
  const nothing = { bytes: 0, bitsPerSecond: undefined, packets: 0, packetsLost: 0, lossRate: undefined }
  const none = {
    state: 'new',
    roundTripMs: undefined,
    path: undefined,
    sent: nothing,
    received: nothing,
    glares: 0,
    restarts: 0,
    rebuilds: 0,
    connectMs: undefined,
  }
  expect(await room.peers.get('b')?.stats()).toEqual(none)
  expect(await room.stats()).toEqual({ peers: new Map([['b', none]]), sent: nothing, received: nothing })
})

test.each([
  ['chromium', 25],
  ['firefox', 500],
] as const)('the way and what goes over it are found as %s says them', async (how, roundTripMs) => {
  const party = await called()
  party.connection().report = report(
    { at: 1_000, sent: 500, received: 700, packets: 10, lost: 1, sentPackets: 5, sentLost: 2 },
    how,
  )
  expect(await party.peer('b').stats()).toEqual({
    state: 'connected',
    roundTripMs,
    path: { local: 'relay', remote: 'srflx', relayed: true, protocol: 'udp' },
    sent: { bytes: 500, bitsPerSecond: undefined, packets: 5, packetsLost: 2, lossRate: undefined },
    received: { bytes: 700, bitsPerSecond: undefined, packets: 10, packetsLost: 1, lossRate: undefined },
    glares: 0,
    restarts: 0,
    rebuilds: 0,
    connectMs: 0,
  })
})

test('rates are those between two calls', async () => {
  const party = await called()
  const stats = async (moment: Moment): Promise<unknown[]> => {
    party.connection().report = report(moment)
    const { sent, received } = await party.peer('b').stats()
    return [sent.bitsPerSecond, received.bitsPerSecond, sent.lossRate, received.lossRate]
  }
  const first = { at: 1_000, sent: 1_000, received: 0, packets: 100, lost: 10, sentPackets: 10 }
  expect(await stats(first)).toEqual([undefined, undefined, undefined, undefined])
  const second = { at: 3_000, sent: 2_000, received: 500, packets: 200, lost: 30, sentPackets: 20, sentLost: 5 }
  expect(await stats(second)).toEqual([4_000, 2_000, 0.5, 0.2])
  // The same moment again: the same rates, and the next call counts from it.
  expect(await stats(second)).toEqual([4_000, 2_000, 0.5, 0.2])
  // Packets that were thought lost have come, and none was sent.
  expect(await stats({ ...second, at: 4_000, packets: 210, lost: 20 })).toEqual([0, 0, undefined, 0])
  // A count that falls is no rate.
  expect(await stats({ at: 5_000, sent: 10, received: 10 })).toEqual([0, 0, undefined, undefined])
})

test('a room has everybody’s, and their sum', async () => {
  const party = await join({ peers: [wirePeer('b'), wirePeer('c')] })
  for (const id of ['b', 'c']) await callFrom(party, id)
  const look = async (at: number, sent: number, lost: number): ReturnType<Party['room']['stats']> => {
    for (const connection of party.connections) {
      connection.report = report({ at, sent, received: 2 * sent, packets: at, lost })
    }
    return party.room.stats()
  }
  await look(1_000, 1_000, 0)
  const stats = await look(2_000, 2_000, 100)
  expect([...stats.peers.keys()]).toEqual(['b', 'c'])
  expect(stats.sent).toMatchObject({ bytes: 4_000, bitsPerSecond: 16_000, packets: 0, lossRate: undefined })
  expect(stats.received).toEqual({ bytes: 8_000, bitsPerSecond: 32_000, packets: 4_000, packetsLost: 200, lossRate: 0.1 })
})
