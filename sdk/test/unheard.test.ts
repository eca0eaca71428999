import { describe, expect, test } from 'vitest'
import { Scope } from '../src/scope.ts'
import { watchReports } from '../src/unheard.ts'
import { FakeClock, settle } from './support/clock.ts'
import { FakePeerConnection, sdpOf } from './support/connection.ts'
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
}

/** A connection that stands, with what leaves it, and how often it was called unheard. */
function watched(...flows: Flow[]) {
  const clock = new FakeClock()
  const scope = new Scope(clock)
  const pc = new FakePeerConnection({})
  const there = { pc, clock, scope, listens: true, unheard: 0 }
  pc.become('connected')
  watchReports(
    pc as unknown as RTCPeerConnection,
    clock,
    scope,
    () => there.listens,
    () => (there.unheard += 1),
  )
  const sent = new Map<number, number>()
  const reports = new Map<number, number>()
  /** Lets so many looks pass. */
  const pass = async (looks: number): Promise<void> => {
    for (let look = 0; look < looks; look += 1) {
      for (const { ssrc, packets, reported } of flows) {
        sent.set(ssrc, (sent.get(ssrc) ?? 0) + packets)
        if (reported) reports.set(ssrc, clock.now())
      }
      pc.report = [
        ...flows.map(({ ssrc, rid }) => ({ id: `O${ssrc}`, type: 'outbound-rtp', ssrc, packetsSent: sent.get(ssrc), rid })),
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
  const sdp = sdpOf('u1').replace('o=other', browser === 'Firefox' ? 'o=mozilla...THIS_IS_SDPARTA-153.0' : 'o=-')
  await relay(party, { type: 'offer', from: 'older', sdp, x: { g: 1, d: 1 } })
  const connection = party.connection()
  connection.become('connected')
  for (let packetsSent = 0; packetsSent < 500; packetsSent += 100) {
    connection.report = [Object.assign({ id: 'O1' }, { type: 'outbound-rtp', ssrc: 1, packetsSent })]
    await pass(party, LOOK_MS)
  }
  expect(party.sentTo('older').filter((type) => type === 'rebuild')).toHaveLength(rebuilds)
  expect(party.peer('older').counts.rebuilds).toBe(rebuilds)
})
