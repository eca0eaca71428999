import { expect, test } from 'vitest'
import { FakeClock, settle } from './support/clock.ts'
import { fragmentOf } from './support/connection.ts'
import { carry, converse, type Side, twoSides } from './support/sides.ts'

/** What is known of a connection on whose old ways ICE still is, and of one whose ICE has found a new one. */
const DEAF = [{ id: 'T', type: 'transport', iceState: 'checking' }]
const HEARING = [{ id: 'T', type: 'transport', iceState: 'connected' }]

/** Two ends that are connected; the polite one is of this browser. */
async function connected(browser: 'Chromium' | 'Firefox', clock: FakeClock): Promise<{ impolite: Side; polite: Side }> {
  const sides = twoSides(clock)
  if (browser === 'Firefox') Object.assign(sides.polite.pc, { name: 'mozilla...THIS_IS_SDPARTA-153.0' })
  sides.impolite.pc.createDataChannel('')
  await converse(sides.impolite, sides.polite)
  for (const { pc } of [sides.impolite, sides.polite]) pc.become('connected')
  return sides
}

/** The impolite side starts ICE afresh, and finds a candidate; the polite one has answered. */
async function startAfresh({ impolite, polite }: { impolite: Side; polite: Side }): Promise<void> {
  impolite.pc.restartIce()
  await settle()
  impolite.pc.gather()
  await carry(impolite, polite)
  expect(polite.sent.map(({ type }) => type)).toEqual(['answer'])
}

/** Which of the candidates that a side has are of the present start of ICE. */
function fresh({ pc }: Side): number {
  return pc.candidates.filter(({ usernameFragment }) => usernameFragment === fragmentOf(pc.currentRemoteDescription)).length
}

test('a Firefox that answers a fresh start of ICE gets no candidates for half a second', async () => {
  const clock = new FakeClock()
  const sides = await connected('Firefox', clock)
  await startAfresh(sides)
  await clock.advance(499)
  sides.impolite.pc.gather()
  await carry(sides.impolite, sides.polite)
  expect(fresh(sides.polite)).toBe(0)
  await clock.advance(1)
  expect(fresh(sides.polite)).toBe(2)
  sides.impolite.pc.gather()
  await carry(sides.impolite, sides.polite)
  expect(fresh(sides.polite)).toBe(3)
  expect(sides.polite.errors).toEqual([])
})

test('also one that calls itself new because a section was added', async () => {
  const clock = new FakeClock()
  const sides = await connected('Firefox', clock)
  sides.polite.pc.become('new')
  await startAfresh(sides)
  expect(fresh(sides.polite)).toBe(0)
  sides.polite.pc.report = DEAF
  await clock.advance(5_500)
  expect(sides.polite.broken).toHaveLength(1)
})

test('other browsers get them at once', async () => {
  const sides = await connected('Chromium', new FakeClock())
  await startAfresh(sides)
  expect(fresh(sides.polite)).toBe(1)
})

test('so does a Firefox to which nothing comes through: there is no old way to stay on, and no time to lose', async () => {
  const sides = await connected('Firefox', new FakeClock())
  sides.polite.pc.become('disconnected')
  await startAfresh(sides)
  expect(fresh(sides.polite)).toBe(1)
})

test('and a Firefox whose ICE goes on as it was', async () => {
  const sides = await connected('Firefox', new FakeClock())
  sides.impolite.pc.addTransceiver('audio')
  await settle()
  sides.impolite.pc.gather()
  await carry(sides.impolite, sides.polite)
  expect(sides.polite.pc.candidates).toHaveLength(1)
})

test('a Firefox that says it is connected, and has found no new way five seconds later, needs another connection', async () => {
  const clock = new FakeClock()
  const sides = await connected('Firefox', clock)
  await startAfresh(sides)
  sides.polite.pc.report = DEAF
  await clock.advance(5_499)
  expect(sides.polite.broken).toEqual([])
  await clock.advance(1)
  expect(sides.polite.broken.map(({ code, message }) => [code, message])).toEqual([
    ['negotiation-failed', expect.stringContaining('ICE was started afresh, and nothing came of it.')],
  ])
})

test.each([
  ['has found one', HEARING, 'connected'],
  ['does not say', [], 'connected'],
  ['knows that nothing comes through', DEAF, 'disconnected'],
] as const)('one that %s does not', async (_, report, state) => {
  const clock = new FakeClock()
  const sides = await connected('Firefox', clock)
  await startAfresh(sides)
  sides.polite.pc.report = report
  sides.polite.pc.become(state)
  await clock.advance(60_000)
  expect(sides.polite.broken).toEqual([])
})

test('another fresh start begins another head start', async () => {
  const clock = new FakeClock()
  const sides = await connected('Firefox', clock)
  await startAfresh(sides)
  sides.polite.pc.report = DEAF
  await carry(sides.polite, sides.impolite)
  await clock.advance(400)
  await startAfresh(sides)
  await clock.advance(400)
  expect(fresh(sides.polite)).toBe(0)
  await clock.advance(100)
  expect(fresh(sides.polite)).toBe(1)
  await clock.advance(4_999)
  expect(sides.polite.broken).toEqual([])
})

test('a negotiation that is closed looks at nothing any more', async () => {
  const clock = new FakeClock()
  const sides = await connected('Firefox', clock)
  await startAfresh(sides)
  sides.polite.pc.report = DEAF
  sides.polite.negotiation.close()
  await clock.advance(60_000)
  expect([fresh(sides.polite), sides.polite.broken]).toEqual([0, []])
})
