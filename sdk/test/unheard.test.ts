import { describe, expect, test } from 'vitest'
import { Scope } from '../src/scope.ts'
import { watchReports } from '../src/unheard.ts'
import { FakeClock, settle } from './support/clock.ts'
import { FakePeerConnection, sdpOf } from './support/connection.ts'
import { FakeTrack } from './support/media.ts'
import { join, pass, relay } from './support/party.ts'
import { wirePeer } from './support/server.ts'

const LOOK_MS = 6_000

interface Flow {
  readonly ssrc: number
  /** What leaves between two looks. */
  readonly packets: number
  /** Whether the other side reports on it. */
  reported: boolean
  readonly rid?: string
  readonly active?: boolean
  /** The section; by default one that sends. */
  readonly mid?: string
  /** Frames that come from the camera between two looks. */
  readonly frames?: number
}

/** A connection that stands, with what leaves it, and how often it was called unheard. */
function watched(...flows: Flow[]) {
  const clock = new FakeClock()
  const scope = new Scope(clock)
  const pc = new FakePeerConnection({})
  const there = { pc, clock, scope, listens: true, unheard: 0 }
  pc.become('connected')
  const sections = [
    ['0', 'sendrecv'],
    ['1', 'recvonly'],
    ['2', 'sendonly'],
  ].map(([mid, currentDirection]) => ({ mid, currentDirection }))
  Object.assign(pc, { getTransceivers: () => sections })
  watchReports(
    pc as unknown as RTCPeerConnection,
    clock,
    scope,
    () => there.listens,
    () => (there.unheard += 1),
  )
  const sent = new Map<number, number>()
  const reports = new Map<number, number>()
  const frames = new Map<number, number>()
  /** Lets so many looks pass. */
  const pass = async (looks: number): Promise<void> => {
    for (let look = 0; look < looks; look += 1) {
      for (const { ssrc, packets, reported, frames: more = 0 } of flows) {
        frames.set(ssrc, (frames.get(ssrc) ?? 0) + more)
        sent.set(ssrc, (sent.get(ssrc) ?? 0) + packets)
        if (reported) reports.set(ssrc, clock.now())
      }
      pc.report = [
        ...flows.map(({ ssrc, rid, active, mid = '0' }) => ({
          ...{ id: `O${ssrc}`, type: 'outbound-rtp', ssrc, mid, rid, active, packetsSent: sent.get(ssrc) },
          ...{ mediaSourceId: `S${ssrc}`, remoteId: `R${ssrc}` },
        })),
        ...flows.map(({ ssrc }) => ({ id: `S${ssrc}`, type: 'media-source', frames: frames.get(ssrc) })),
        ...[...reports].map(([ssrc, timestamp]) => ({ id: `R${ssrc}`, type: 'remote-inbound-rtp', ssrc, timestamp })),
      ]
      await clock.advance(LOOK_MS)
      await settle()
    }
  }
  return Object.assign(there, { pass })
}

test('what leaves and is never reported on is unheard after three looks in a row, once', async () => {
  const there = watched({ ssrc: 1, packets: 300, reported: false })
  await there.pass(3)
  expect(there.unheard).toBe(0)
  await there.pass(1)
  expect(there.unheard).toBe(1)
  await there.pass(10)
  expect(there.unheard).toBe(1)
})

test('so is what was reported on once, beside what still is', async () => {
  const lost = { ssrc: 2, packets: 20, reported: true }
  const there = watched({ ssrc: 1, packets: 300, reported: true }, lost)
  await there.pass(20)
  lost.reported = false
  await there.pass(2)
  expect(there.unheard).toBe(0)
  await there.pass(1)
  expect(there.unheard).toBe(1)
})

test('a camera whose frames do not leave any more is unheard like what leaves', async () => {
  const there = watched({ ssrc: 1, packets: 0, frames: 90, reported: false, mid: '2' })
  await there.pass(4)
  expect(there.unheard).toBe(1)
})

test('a report in time begins the count anew', async () => {
  const flow = { ssrc: 1, packets: 300, reported: false }
  const there = watched(flow)
  for (let round = 0; round < 5; round += 1) {
    flow.reported = false
    await there.pass(2)
    flow.reported = true
    await there.pass(1)
  }
  expect(there.unheard).toBe(0)
})

describe('nobody is unheard', () => {
  test.each<[string, Flow]>([
    ['where hardly anything leaves', { ssrc: 1, packets: 9, reported: false }],
    ['where one of several layers is not wanted', { ssrc: 1, packets: 300, reported: false, rid: 'low' }],
    ['where a section does not send', { ssrc: 1, packets: 0, frames: 90, reported: false, mid: '1' }],
    ['where a page has paused what it sends', { ssrc: 1, packets: 0, frames: 90, reported: false, active: false }],
    ['where everything is reported on', { ssrc: 1, packets: 300, reported: true }],
  ])('%s', async (_, flow) => {
    const there = watched(flow)
    await there.pass(20)
    expect(there.unheard).toBe(0)
  })

  test('while the other side is out of reach, or the connection does not stand', async () => {
    const there = watched({ ssrc: 1, packets: 300, reported: false })
    there.listens = false
    await there.pass(20)
    there.listens = true
    there.pc.become('disconnected')
    await there.pass(20)
    expect(there.unheard).toBe(0)
    there.pc.become('connected')
    await there.pass(4)
    expect(there.unheard).toBe(1)
  })

  test('after the connection was given up', async () => {
    const there = watched({ ssrc: 1, packets: 300, reported: false })
    await there.pass(3)
    there.scope.end()
    await there.pass(3)
    expect(there.unheard).toBe(0)
  })
})

test.each([
  ['Firefox', 1],
  ['Chromium', 0],
])('a call with a %s that does not hear is made anew %d times', async (browser, rebuilds) => {
  const party = await join({ connect: 'manual', peers: [wirePeer('older')] })
  await party.room.publish(new FakeTrack('video').asBrowsers())
  const sdp = sdpOf('u1').replace('o=other', browser === 'Firefox' ? 'o=mozilla...THIS_IS_SDPARTA-153.0' : 'o=-')
  await relay(party, { type: 'offer', from: 'older', sdp, x: { g: 1, d: 1 } })
  const connection = party.connection()
  for (const section of connection.transceivers) Object.assign(section, { mid: '2', currentDirection: 'sendrecv' })
  connection.become('connected')
  for (let packetsSent = 0; packetsSent < 500; packetsSent += 100) {
    const flow = { id: 'O1', type: 'outbound-rtp', ssrc: 1, mid: '2', packetsSent }
    connection.report = [flow]
    await pass(party, LOOK_MS)
  }
  expect(party.sentTo('older').filter((type) => type === 'rebuild')).toHaveLength(rebuilds)
  expect(party.peer('older').counts.rebuilds).toBe(rebuilds)
})
