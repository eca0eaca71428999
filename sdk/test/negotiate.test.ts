import { expect, test } from 'vitest'
import { type NegotiationMessage, negotiate } from '../src/negotiate.ts'
import { FakeClock, settle } from './support/clock.ts'
import { FakePeerConnection, fragmentOf, sdpOf } from './support/connection.ts'
import { at } from './support/lists.ts'
import { seeded } from './support/random.ts'
import { carry, converse, disagreements, newSide, type Side, twoSides } from './support/sides.ts'
import { uncaughtDuring } from './support/uncaught.ts'

/** Two ends that have each other's descriptions, and nothing more to say. */
async function connected(clock: FakeClock = new FakeClock()): Promise<{ impolite: Side; polite: Side }> {
  const sides = twoSides(clock)
  sides.impolite.pc.createDataChannel('')
  await converse(sides.impolite, sides.polite)
  for (const side of [sides.impolite, sides.polite]) side.steps.length = 0
  return sides
}

/** Makes both offer at once. */
async function glare({ impolite, polite }: { impolite: Side; polite: Side }): Promise<void> {
  impolite.pc.addTransceiver('audio')
  polite.pc.addTransceiver('video')
  await settle()
}

/** Gives a side an offer of somebody. */
function offer(sdp: string, d?: number): NegotiationMessage {
  return { type: 'offer', sdp, ...(d !== undefined && { x: { d } }) }
}

function candidate(usernameFragment?: string): NegotiationMessage {
  return { type: 'ice-candidate', candidate: { candidate: 'candidate:1', ...(usernameFragment && { usernameFragment }) } }
}

// The first offer

test('the impolite side offers as soon as there is something to negotiate, and the polite one answers', async () => {
  const { impolite, polite } = twoSides(new FakeClock())
  impolite.pc.createDataChannel('')
  await carry(impolite, polite)
  await carry(polite, impolite)
  expect(impolite.steps).toEqual(['offer-sent', 'answer-received'])
  expect(polite.steps).toEqual(['offer-received', 'answer-sent'])
  expect(disagreements({ impolite, polite })).toEqual([])
})

test('descriptions are numbered by their sender, and an answer names its offer', async () => {
  const { impolite, polite } = twoSides(new FakeClock())
  const all: unknown[] = []
  const note = async (from: Side, to: Side): Promise<void> => {
    await settle()
    all.push(...from.sent.map((message) => ('x' in message ? [message.type, message.x] : message)))
    await carry(from, to)
  }
  impolite.pc.createDataChannel('')
  await note(impolite, polite)
  await note(polite, impolite)
  impolite.pc.addTransceiver('audio')
  await note(impolite, polite)
  await note(polite, impolite)
  polite.pc.addTransceiver('video')
  await note(polite, impolite)
  await note(impolite, polite)
  expect(all).toEqual([
    ['offer', { d: 1 }],
    ['answer', { d: 1, re: 1 }],
    ['offer', { d: 2 }],
    ['answer', { d: 2, re: 2 }],
    ['offer', { d: 3 }],
    ['answer', { d: 3, re: 3 }],
  ])
})

test('the polite side makes no first offer: it asks for one after ten seconds, once', async () => {
  const clock = new FakeClock()
  const { polite } = twoSides(clock)
  polite.pc.createDataChannel('')
  polite.pc.addTransceiver('audio')
  await clock.advance(9_999)
  polite.pc.addTransceiver('video')
  expect(polite.sent).toEqual([])
  await clock.advance(1)
  expect(polite.sent).toEqual([{ type: 'restart' }])
  expect(polite.steps).toEqual(['restart-sent'])
  await clock.advance(3_600_000)
  expect(polite.sent).toHaveLength(1)
})

test('however often the browser says that there is something to negotiate, the first offer is asked for once', async () => {
  const clock = new FakeClock()
  const { polite } = twoSides(clock)
  for (const ms of [0, 5_000, 10_000]) {
    polite.pc.dispatchEvent(new Event('negotiationneeded'))
    await clock.advance(ms)
  }
  await clock.advance(60_000)
  expect(polite.sent).toEqual([{ type: 'restart' }])
})

test('an offer that comes in time is not asked for', async () => {
  const clock = new FakeClock()
  const { impolite, polite } = twoSides(clock)
  polite.pc.createDataChannel('')
  await clock.advance(9_000)
  impolite.pc.createDataChannel('')
  await converse(impolite, polite)
  expect(clock.planned).toBe(0)
  expect(polite.steps).not.toContain('restart-sent')
})

test('what the polite side had to say is offered once the first offer was answered', async () => {
  const sides = twoSides(new FakeClock())
  sides.polite.pc.addTransceiver('audio')
  sides.impolite.pc.createDataChannel('')
  await converse(sides.impolite, sides.polite)
  expect(sides.polite.steps).toEqual(['offer-received', 'answer-sent', 'offer-sent', 'answer-received'])
  expect(disagreements(sides)).toEqual([])
  expect(sides.impolite.pc.transceivers).toHaveLength(1)
})

test('tracks that are added before the answer are in no answer too few', async () => {
  const clock = new FakeClock()
  const impolite = newSide(false, clock)
  const order: string[] = []
  const polite: Side = newSide(true, clock, {
    beforeAnswer: async () => {
      order.push(polite.pc.signalingState)
      await settle()
      for (const transceiver of polite.pc.transceivers) transceiver.direction = 'sendrecv'
    },
  })
  impolite.pc.addTransceiver('audio', { direction: 'recvonly' })
  await converse(impolite, polite)
  expect(order).toEqual(['have-remote-offer'])
  expect(polite.pc.currentLocalDescription?.sdp).toMatch(/m=audio .*\r\na=mid:0\r\na=sendrecv/)
  expect(polite.steps).toEqual(['offer-received', 'answer-sent'])
})

// Glare

test('where both offer at once the impolite side goes on with its own, and the polite one yields and offers again', async () => {
  const sides = await connected()
  const { impolite, polite } = sides
  await glare(sides)
  expect([impolite.pc.signalingState, polite.pc.signalingState]).toEqual(['have-local-offer', 'have-local-offer'])
  const offered = [at(impolite.sent, 0), at(polite.sent, 0)]
  void impolite.negotiation.receive(at(offered, 1))
  void polite.negotiation.receive(at(offered, 0))
  impolite.sent.length = 0
  polite.sent.length = 0
  await settle()
  expect(impolite.steps).toEqual(['offer-sent', 'offer-received', 'glare-ignored'])
  expect(polite.steps).toEqual(['offer-sent', 'offer-received', 'glare-yielded', 'answer-sent', 'offer-sent'])
  await converse(impolite, polite)
  expect(disagreements(sides)).toEqual([])
  expect([impolite.pc.transceivers.length, polite.pc.transceivers.length]).toEqual([2, 2])
})

test('an answer to the offer that was taken back is dropped by its number', async () => {
  const sides = await connected()
  const { impolite, polite } = sides
  polite.pc.addTransceiver('video')
  await carry(polite, impolite)
  impolite.pc.addTransceiver('audio')
  await settle()
  const [late, theirs] = [at(impolite.sent, 0), at(impolite.sent, 1)]
  expect([late.type, theirs.type]).toEqual(['answer', 'offer'])
  impolite.sent.length = 0
  void polite.negotiation.receive(theirs)
  await settle()
  void polite.negotiation.receive(late)
  await settle()
  expect(polite.steps).toContain('glare-yielded')
  expect(polite.steps).toContain('stale-dropped')
  expect(polite.errors).toEqual([])
})

test.each<[string, number | undefined, 'kept' | 'dropped']>([
  ['the pending offer', 2, 'kept'],
  ['an earlier offer', 1, 'dropped'],
  ['an offer of the future', 3, 'dropped'],
  ['no offer in particular', undefined, 'kept'],
])('an answer to %s is as it should be', async (_, re, fate) => {
  const { impolite } = await connected()
  impolite.pc.addTransceiver('audio')
  await settle()
  await impolite.negotiation.receive({ type: 'answer', sdp: sdpOf('x'), ...(re !== undefined && { x: { re } }) })
  expect(impolite.pc.signalingState).toBe(fate === 'kept' ? 'stable' : 'have-local-offer')
  expect(impolite.steps.includes('stale-dropped')).toBe(fate === 'dropped')
  expect(impolite.errors).toEqual([])
})

test('an answer that nobody waits for is dropped', async () => {
  const { impolite, polite } = await connected()
  for (const side of [impolite, polite]) {
    await side.negotiation.receive({ type: 'answer', sdp: sdpOf('x') })
    expect(side.steps).toEqual(['answer-received', 'stale-dropped'])
    expect(side.errors).toEqual([])
  }
})

test('an offer that comes twice is answered once, and so is one that was overtaken', async () => {
  const clock = new FakeClock()
  const { polite } = twoSides(clock)
  await polite.negotiation.receive(offer(sdpOf('x'), 2))
  await polite.negotiation.receive(offer(sdpOf('x'), 2))
  await polite.negotiation.receive(offer(sdpOf('y'), 1))
  expect(polite.sent.map(({ type }) => type)).toEqual(['answer'])
  expect(polite.steps.filter((step) => step === 'stale-dropped')).toHaveLength(2)
  expect(fragmentOf(polite.pc.remoteDescription)).toBe('x')
})

test('an ignored offer that comes again later is still known', async () => {
  const sides = await connected()
  await glare(sides)
  const theirs = at(sides.polite.sent, 0)
  await sides.impolite.negotiation.receive(theirs)
  await carry(sides.impolite, sides.polite)
  await carry(sides.polite, sides.impolite)
  sides.impolite.steps.length = 0
  await sides.impolite.negotiation.receive(theirs)
  expect(sides.impolite.steps).toEqual(['offer-received', 'stale-dropped'])
})

// Sides without numbers

test('a side without numbers neither gets them nor has to send them', async () => {
  const sides = twoSides(new FakeClock(), { numbered: false })
  sides.impolite.pc.createDataChannel('')
  await settle()
  expect(Object.keys(at(sides.impolite.sent, 0))).toEqual(['type', 'sdp'])
  await carry(sides.impolite, sides.polite)
  expect(Object.keys(at(sides.polite.sent, 0))).toEqual(['type', 'sdp'])
  await carry(sides.polite, sides.impolite)
  await glare(sides)
  await converse(sides.impolite, sides.polite)
  expect(disagreements(sides)).toEqual([])
})

test('the answer to an offer without a number names none', async () => {
  const { polite } = twoSides(new FakeClock())
  await polite.negotiation.receive(offer(sdpOf('x')))
  await polite.negotiation.receive(offer(sdpOf('y')))
  expect(polite.sent).toMatchObject([
    { type: 'answer', x: { d: 1 } },
    { type: 'answer', x: { d: 2 } },
  ])
  expect(at(polite.sent, 0)).not.toHaveProperty('x.re')
})

test.each([
  [true, []],
  [false, [{ type: 'ice-candidate', candidate: null }]],
])('where numbers are understood (%s) the end of candidates is said so: %j', async (numbered, said) => {
  const { impolite } = twoSides(new FakeClock(), { numbered })
  impolite.pc.gathered()
  expect(impolite.sent).toEqual(said)
  await impolite.negotiation.receive({ type: 'ice-candidate', candidate: null })
  expect(impolite.errors).toEqual([])
})

// Candidates

test('a candidate goes out as the browser found it, and is taken by the side that has its description', async () => {
  const { impolite, polite } = await connected()
  impolite.pc.gather()
  const fragment = fragmentOf(impolite.pc.localDescription)
  expect(impolite.sent).toMatchObject([{ type: 'ice-candidate', candidate: { usernameFragment: fragment } }])
  await carry(impolite, polite)
  expect(polite.pc.candidates).toMatchObject([{ usernameFragment: fragment }])
  expect([impolite.steps, polite.steps]).toEqual([['candidate-sent'], ['candidate-received']])
})

test('a candidate that overtakes its description waits for it, offer or answer', async () => {
  const clock = new FakeClock()
  const { impolite, polite } = twoSides(clock)
  void polite.negotiation.receive(candidate('x'))
  void polite.negotiation.receive(candidate())
  await polite.negotiation.receive(offer(sdpOf('x'), 1))
  expect(polite.pc.candidates).toHaveLength(2)
  impolite.pc.createDataChannel('')
  await settle()
  void impolite.negotiation.receive(candidate('y'))
  await settle()
  expect(impolite.pc.candidates).toEqual([])
  await impolite.negotiation.receive({ type: 'answer', sdp: sdpOf('y'), x: { re: 1 } })
  expect(impolite.pc.candidates).toHaveLength(1)
  expect([...polite.errors, ...impolite.errors]).toEqual([])
})

test('a candidate of the next start of ICE waits through the end of this one', async () => {
  const { polite } = twoSides(new FakeClock())
  await polite.negotiation.receive(offer(sdpOf('x'), 1))
  await polite.negotiation.receive(candidate('y'))
  await polite.negotiation.receive(offer(sdpOf('x'), 2))
  expect(polite.pc.candidates).toEqual([])
  await polite.negotiation.receive(offer(sdpOf('y'), 3))
  expect(polite.pc.candidates).toHaveLength(1)
})

test('a candidate belongs to a description with exactly its fragment', async () => {
  const { polite } = twoSides(new FakeClock())
  await polite.negotiation.receive(offer(sdpOf('xyz'), 1))
  for (const fragment of ['xy', 'yz', 'xyz1', 'XYZ']) await polite.negotiation.receive(candidate(fragment))
  expect(polite.pc.candidates).toEqual([])
  expect(polite.errors).toEqual([])
  await polite.negotiation.receive(candidate('xyz'))
  expect(polite.pc.candidates).toHaveLength(1)
})

test.each([
  [9_999, 1],
  [10_000, 0],
])('a candidate that has waited for %i ms through a description of somebody else is kept %i times', async (ms, kept) => {
  const clock = new FakeClock()
  const { polite } = twoSides(clock)
  await polite.negotiation.receive(candidate('y'))
  await clock.advance(ms)
  await polite.negotiation.receive(offer(sdpOf('x'), 1))
  await polite.negotiation.receive(offer(sdpOf('y'), 2))
  expect(polite.pc.candidates).toHaveLength(kept)
})

test('of more than 64 that wait the oldest is forgotten', async () => {
  const { polite } = twoSides(new FakeClock())
  for (let n = 0; n < 66; n += 1) {
    await polite.negotiation.receive({ type: 'ice-candidate', candidate: { candidate: String(n), usernameFragment: 'x' } })
  }
  await polite.negotiation.receive(offer(sdpOf('x'), 1))
  expect(polite.pc.candidates.map((init) => init.candidate)).toEqual(Array.from({ length: 64 }, (_, n) => String(n + 2)))
})

test('candidates of an ignored offer are nobody’s failure', async () => {
  const sides = await connected()
  await glare(sides)
  sides.polite.pc.restartIce()
  sides.polite.pc.gather()
  await carry(sides.polite, sides.impolite)
  void sides.impolite.negotiation.receive(candidate('never-seen'))
  sides.impolite.pc.refuse('addIceCandidate', new DOMException('Unknown ufrag', 'OperationError'))
  void sides.impolite.negotiation.receive(candidate())
  await converse(sides.impolite, sides.polite)
  expect(disagreements(sides)).toEqual([])
})

test('a candidate that the browser refuses although it should know it is an error', async () => {
  const { polite } = await connected()
  polite.pc.refuse('addIceCandidate', new Error('Malformed'))
  await polite.negotiation.receive(candidate(fragmentOf(polite.pc.remoteDescription)))
  expect(polite.errors).toMatchObject([{ code: 'negotiation-failed', cause: { message: 'Malformed' } }])
})

// Restarts

test('the impolite side restarts ICE itself', async () => {
  const sides = await connected()
  const before = fragmentOf(sides.polite.pc.remoteDescription)
  sides.impolite.negotiation.restart()
  await converse(sides.impolite, sides.polite)
  expect(disagreements(sides)).toEqual([])
  expect(fragmentOf(sides.polite.pc.remoteDescription)).not.toBe(before)
  expect(sides.impolite.steps).toEqual(['offer-sent', 'answer-received'])
})

test('the polite side asks the other one to restart ICE', async () => {
  const sides = await connected()
  const before = fragmentOf(sides.polite.pc.remoteDescription)
  sides.polite.negotiation.restart()
  expect(sides.polite.sent).toEqual([{ type: 'restart' }])
  await converse(sides.impolite, sides.polite)
  expect(disagreements(sides)).toEqual([])
  expect(sides.impolite.steps).toEqual(['restart-received', 'offer-sent', 'answer-received'])
  expect(fragmentOf(sides.polite.pc.remoteDescription)).not.toBe(before)
})

test('asked for the first offer before there was a reason for one, it makes one', async () => {
  const { impolite } = twoSides(new FakeClock())
  await impolite.negotiation.receive({ type: 'restart' })
  expect(impolite.steps).toEqual(['restart-received', 'offer-sent'])
})

test('asked for a first offer that was made, it sends it again under its number, and is answered once', async () => {
  const sides = twoSides(new FakeClock())
  sides.impolite.pc.createDataChannel('')
  await settle()
  const first = at(sides.impolite.sent, 0)
  await sides.impolite.negotiation.receive({ type: 'restart' })
  const again = at(sides.impolite.sent, 1)
  expect([first, again]).toMatchObject([
    { type: 'offer', x: { d: 1 } },
    { type: 'offer', x: { d: 1 } },
  ])
  expect('sdp' in first && 'sdp' in again && first.sdp === again.sdp).toBe(true)
  await converse(sides.impolite, sides.polite)
  expect(sides.polite.steps.filter((step) => step === 'answer-sent')).toHaveLength(1)
  expect(sides.polite.steps).toContain('stale-dropped')
  expect(disagreements(sides)).toEqual([])
})

test('asked for a first offer just as there is a reason for one, it makes one and not two', async () => {
  const { impolite } = twoSides(new FakeClock())
  void impolite.negotiation.receive({ type: 'restart' })
  impolite.pc.dispatchEvent(new Event('negotiationneeded'))
  await settle()
  expect(impolite.sent).toMatchObject([{ type: 'offer', x: { d: 1 } }])
})

test('asked while an offer is pending, it restarts ICE after the answer', async () => {
  const sides = await connected()
  sides.impolite.pc.addTransceiver('audio')
  await settle()
  await sides.impolite.negotiation.receive({ type: 'restart' })
  expect(sides.impolite.sent.map(({ type }) => type)).toEqual(['offer'])
  const before = fragmentOf(sides.impolite.pc.localDescription)
  await converse(sides.impolite, sides.polite)
  expect(fragmentOf(sides.impolite.pc.localDescription)).not.toBe(before)
  expect(disagreements(sides)).toEqual([])
})

test('however often it is asked, it starts ICE afresh once, and once more when a candidate of that has had the time to go over', async () => {
  const clock = new FakeClock()
  const sides = await connected(clock)
  const starts = (): number => sides.impolite.pc.calls.filter((call) => call === 'restartIce').length
  sides.impolite.negotiation.restart()
  for (const _ of 'abc') await sides.impolite.negotiation.receive({ type: 'restart' })
  sides.impolite.negotiation.restart()
  expect(starts()).toBe(1)
  await clock.advance(999)
  expect(starts()).toBe(1)
  await clock.advance(1)
  expect(starts()).toBe(2)
  await clock.advance(60_000)
  expect(starts()).toBe(2)
})

test('a fresh start of ICE that was to come ends with the negotiation', async () => {
  const clock = new FakeClock()
  const { impolite } = await connected(clock)
  for (const _ of 'ab') impolite.negotiation.restart()
  impolite.negotiation.close()
  expect(clock.planned).toBe(0)
  await clock.advance(1_000)
  expect(impolite.pc.calls.filter((call) => call === 'restartIce')).toHaveLength(1)
})

// Errors and the end

test('an application that hears of no broken connection is told of the error', async () => {
  const errors: unknown[] = []
  const pc = new FakePeerConnection()
  const link = { polite: true, clock: new FakeClock(), send: () => undefined, onError: (error: unknown) => errors.push(error) }
  const negotiation = negotiate(pc.asBrowsers(), link)
  const cause = new Error('Failed to set SDP')
  for (const d of [1, 2, 3]) {
    pc.refuse('setRemoteDescription', cause)
    await negotiation.receive(offer(sdpOf('x'), d))
  }
  expect(errors).toMatchObject([{ code: 'negotiation-failed', cause, retryable: false }])
  expect(errors).toMatchObject([{ message: expect.stringContaining('Failed to set SDP') }])
})

// The ladder

test.each(['setLocalDescription', 'setRemoteDescription'] as const)(
  'a first offer that fails in %s is answered by `nack`, and the next one is taken',
  async (operation) => {
    const { polite } = twoSides(new FakeClock())
    polite.pc.refuse(operation, new Error('Failed to set SDP'))
    await polite.negotiation.receive(offer(sdpOf('x'), 7))
    expect(polite.sent).toEqual([{ type: 'nack', x: { re: 7 } }])
    expect(polite.pc.signalingState).toBe('stable')
    await polite.negotiation.receive(offer(sdpOf('y'), 8))
    expect(at(polite.sent, -1)).toMatchObject({ type: 'answer', x: { re: 8 } })
    expect(polite.steps).toEqual(['offer-received', 'nack-sent', 'offer-received', 'answer-sent'])
    expect([...polite.errors, ...polite.broken]).toEqual([])
  },
)

test('whoever refused an offer lets the next one come before its own', async () => {
  const clock = new FakeClock()
  const { impolite, polite } = await connected(clock)
  polite.pc.refuse('setRemoteDescription', new Error('Not this one'))
  await polite.negotiation.receive(offer(sdpOf('x'), 2))
  const answerOf = (d: number): NegotiationMessage => ({ type: 'answer', sdp: sdpOf(`a${d}`), x: { d, re: d } })
  await polite.negotiation.receive(answerOf(2))
  polite.sent.length = 0
  polite.pc.addTransceiver('video')
  await clock.advance(2_999)
  expect(polite.sent).toEqual([])
  await polite.negotiation.receive(offer(sdpOf('y'), 3))
  await settle()
  expect(polite.sent.map(({ type }) => type)).toEqual(['answer', 'offer'])
  expect(impolite.broken).toEqual([])
})

test('a `nack` to an offer without a number names none', async () => {
  const { polite } = twoSides(new FakeClock())
  polite.pc.refuse('setRemoteDescription', new Error('No'))
  await polite.negotiation.receive(offer(sdpOf('x')))
  expect(polite.sent).toEqual([{ type: 'nack' }])
})

test('a first offer that was refused is made again by the same side', async () => {
  const sides = twoSides(new FakeClock())
  sides.polite.pc.refuse('setRemoteDescription', new Error('No'))
  sides.impolite.pc.createDataChannel('')
  await converse(sides.impolite, sides.polite)
  expect(sides.impolite.steps).toEqual(['offer-sent', 'nack-received', 'offer-sent', 'answer-received'])
  expect(sides.polite.steps).toEqual(['offer-received', 'nack-sent', 'offer-received', 'answer-sent'])
  expect(disagreements(sides)).toEqual([])
})

test.each([
  ['impolite', 'polite'],
  ['polite', 'impolite'],
] as const)('after an offer of the %s side was refused the %s one goes first', async (offering, refusing) => {
  const clock = new FakeClock()
  const sides = await connected(clock)
  const [first, second] = [sides[offering], sides[refusing]]
  second.pc.refuse('setRemoteDescription', new Error('No'))
  first.pc.addTransceiver('audio')
  await converse(first, second)
  expect(second.steps.slice(0, 4)).toEqual(['offer-received', 'nack-sent', 'offer-sent', 'answer-received'])
  expect(first.steps).toEqual(['offer-sent', 'nack-received', 'offer-received', 'answer-sent', 'offer-sent', 'answer-received'])
  expect(disagreements(sides)).toEqual([])
  expect(second.pc.transceivers).toHaveLength(1)
  expect(clock.planned).toBe(0)
})

test('whoever was refused waits three seconds for the other side’s offer, and then offers again', async () => {
  const clock = new FakeClock()
  const { impolite } = await connected(clock)
  impolite.pc.addTransceiver('audio')
  await settle()
  await impolite.negotiation.receive({ type: 'nack', x: { re: 2 } })
  impolite.pc.addTransceiver('video')
  await clock.advance(2_999)
  expect(impolite.sent).toHaveLength(1)
  await clock.advance(1)
  expect(impolite.sent.slice(1)).toMatchObject([{ type: 'offer', x: { d: 3 } }])
})

test('a second offer in a row that is refused breaks the connection, once', async () => {
  const { polite } = twoSides(new FakeClock())
  for (const d of [1, 2, 3]) {
    polite.pc.refuse('setRemoteDescription', new Error(`No ${d}`))
    await polite.negotiation.receive(offer(sdpOf('x'), d))
  }
  expect(polite.sent).toEqual([{ type: 'nack', x: { re: 1 } }])
  expect(polite.broken).toMatchObject([{ code: 'negotiation-failed', cause: { message: 'No 2' } }])
  expect(polite.errors).toEqual([])
})

test('a refusal counts no more when an offer was taken', async () => {
  const { polite } = twoSides(new FakeClock())
  for (const d of [1, 3, 5, 7]) {
    polite.pc.refuse('setRemoteDescription', new Error('No'))
    await polite.negotiation.receive(offer(sdpOf('x'), d))
    await polite.negotiation.receive(offer(sdpOf('x'), d + 1))
  }
  expect(polite.broken).toEqual([])
})

test('whose offer is refused for the third time gives up', async () => {
  const { impolite } = twoSides(new FakeClock())
  impolite.pc.createDataChannel('')
  await settle()
  for (const re of [1, 2, 3]) await impolite.negotiation.receive({ type: 'nack', x: { re } })
  expect(impolite.sent.map(({ type }) => type)).toEqual(['offer', 'offer', 'offer'])
  expect(impolite.broken).toMatchObject([{ code: 'negotiation-failed' }])
})

test('refusals of its own offers count no more when one was taken', async () => {
  const sides = await connected()
  for (let n = 0; n < 5; n += 1) {
    sides.impolite.pc.refuse('setRemoteDescription', new Error('No'))
    sides.impolite.pc.addTransceiver('audio')
    await converse(sides.impolite, sides.polite)
  }
  expect(disagreements(sides)).toEqual([])
})

test('a refused offer that cannot be taken back breaks the connection, on the side that refuses', async () => {
  const { polite } = twoSides(new FakeClock())
  const cause = new Error('Failed to set SDP')
  polite.pc.refuse('setLocalDescription', cause)
  polite.pc.refuse('rollback', new Error('Nor that'))
  await polite.negotiation.receive(offer(sdpOf('x'), 1))
  expect(polite.sent).toEqual([])
  expect(polite.broken).toMatchObject([{ cause }])
})

test('and on the side that was refused', async () => {
  const { impolite } = twoSides(new FakeClock())
  impolite.pc.createDataChannel('')
  await settle()
  impolite.pc.refuse('rollback', new Error('No'))
  await impolite.negotiation.receive({ type: 'nack', x: { re: 1 } })
  expect(impolite.sent).toHaveLength(1)
  expect(impolite.broken).toHaveLength(1)
})

test('an answer that the browser refuses is followed by another offer, and the third one breaks the connection', async () => {
  const { impolite } = twoSides(new FakeClock())
  impolite.pc.createDataChannel('')
  const cause = new Error('Failed to set SDP')
  for (const re of [1, 2, 3]) {
    await settle()
    expect(impolite.broken).toEqual([])
    expect(at(impolite.sent, -1)).toMatchObject({ type: 'offer', x: { d: re } })
    impolite.pc.refuse('setRemoteDescription', cause)
    await impolite.negotiation.receive({ type: 'answer', sdp: sdpOf('x'), x: { re } })
  }
  expect(impolite.sent).toHaveLength(3)
  expect(impolite.broken).toMatchObject([{ cause }])
})

test('after an answer that the browser refused, that to the next offer is taken', async () => {
  const sides = await connected()
  sides.impolite.pc.refuse('setRemoteDescription', new Error('No'))
  sides.impolite.pc.addTransceiver('audio')
  await converse(sides.impolite, sides.polite)
  expect(sides.impolite.steps).toEqual(['offer-sent', 'answer-received', 'offer-sent', 'answer-received'])
  expect(disagreements(sides)).toEqual([])
})

test('an offer that the browser cannot make breaks the connection', async () => {
  const { impolite } = twoSides(new FakeClock())
  const cause = new Error('RTP extension ID reassignment')
  impolite.pc.refuse('setLocalDescription', cause)
  impolite.pc.createDataChannel('')
  await settle()
  expect(impolite.broken).toMatchObject([{ code: 'negotiation-failed', cause }])
  expect(impolite.errors).toEqual([])
  expect(impolite.sent).toEqual([])
})

test.each<[string, 'offering' | 'idle', NegotiationMessage]>([
  ['to an earlier offer', 'offering', { type: 'nack', x: { re: 1 } }],
  ['to an offer of the future', 'offering', { type: 'nack', x: { re: 3 } }],
  ['that nobody waits for', 'idle', { type: 'nack', x: { re: 1 } }],
  ['that nobody waits for, without a number,', 'idle', { type: 'nack' }],
])('a `nack` %s is dropped', async (_, doing, nack) => {
  const clock = new FakeClock()
  const { impolite } = await connected(clock)
  if (doing === 'offering') impolite.pc.addTransceiver('audio')
  await settle()
  await impolite.negotiation.receive(nack)
  expect(impolite.steps.slice(-2)).toEqual(['nack-received', 'stale-dropped'])
  expect(impolite.pc.signalingState).toBe(doing === 'offering' ? 'have-local-offer' : 'stable')
  expect(impolite.sent).toHaveLength(doing === 'offering' ? 1 : 0)
  expect(clock.planned).toBe(doing === 'offering' ? 1 : 0)
})

// The watchdog

test('an offer without an answer is made again every ten seconds, and the third one breaks the connection', async () => {
  const clock = new FakeClock()
  const { impolite } = await connected(clock)
  impolite.pc.addTransceiver('audio')
  for (const d of [2, 3, 4]) {
    await clock.advance(9_999)
    expect(impolite.sent).toHaveLength(d - 1)
    expect(at(impolite.sent, -1)).toMatchObject({ type: 'offer', x: { d } })
    expect(impolite.broken).toEqual([])
    await clock.advance(1)
  }
  expect(impolite.sent).toHaveLength(3)
  expect(impolite.steps).toEqual(['offer-sent', 'offer-repeated', 'offer-sent', 'offer-repeated', 'offer-sent', 'offer-repeated'])
  expect(impolite.broken).toMatchObject([{ code: 'negotiation-failed' }])
  expect(clock.planned).toBe(0)
})

test('the answer to an offer that was made again is taken, and one to the first dropped', async () => {
  const clock = new FakeClock()
  const sides = await connected(clock)
  sides.impolite.pc.addTransceiver('audio')
  await clock.advance(10_000)
  await sides.impolite.negotiation.receive({ type: 'answer', sdp: sdpOf('late'), x: { re: 2 } })
  expect(at(sides.impolite.steps, -1)).toBe('stale-dropped')
  await converse(sides.impolite, sides.polite)
  expect(disagreements(sides)).toEqual([])
  expect(clock.planned).toBe(0)
})

test('while the other side is out of reach no offer counts as unanswered', async () => {
  const clock = new FakeClock()
  let reachable = false
  const side = newSide(false, clock, { reachable: () => reachable })
  side.pc.createDataChannel('')
  await clock.advance(3_600_000)
  expect(side.sent).toHaveLength(1)
  expect(side.broken).toEqual([])
  reachable = true
  await clock.advance(10_000)
  expect(side.sent).toHaveLength(2)
})

test('a side without numbers gets no second offer, because it could not say which one it answers', async () => {
  const clock = new FakeClock()
  const side = newSide(false, clock, { numbered: false })
  side.pc.createDataChannel('')
  await clock.advance(3_600_000)
  expect(side.sent).toHaveLength(1)
  expect(side.broken).toEqual([])
})

test.each(['an offer has no answer', 'the other side goes first'])('closing ends the wait while %s', async (what) => {
  const clock = new FakeClock()
  const { impolite } = await connected(clock)
  impolite.pc.addTransceiver('audio')
  await settle()
  if (what === 'the other side goes first') await impolite.negotiation.receive({ type: 'nack', x: { re: 2 } })
  expect(clock.planned).toBe(1)
  impolite.negotiation.close()
  expect(clock.planned).toBe(0)
})
test('where nobody listens for errors they harm nobody', async () => {
  const pc = new FakePeerConnection()
  const negotiation = negotiate(pc.asBrowsers(), { polite: true, clock: new FakeClock(), send: () => undefined })
  pc.refuse('setRemoteDescription', new Error('No'))
  await negotiation.receive(offer(sdpOf('x'), 1))
  await negotiation.receive(offer(sdpOf('y'), 2))
  expect(fragmentOf(pc.remoteDescription)).toBe('y')
})

test('nonsense of the other side is an error, not the end', async () => {
  const { polite } = twoSides(new FakeClock())
  await polite.negotiation.receive({ type: 'offer' } as NegotiationMessage)
  await polite.negotiation.receive({ type: 'ice-candidate' } as NegotiationMessage)
  await polite.negotiation.receive({ type: 'poem' } as unknown as NegotiationMessage)
  expect(polite.errors.map(({ code }) => code)).toEqual(['negotiation-failed', 'invalid-option'])
  await polite.negotiation.receive(offer(sdpOf('x'), 1))
  expect(polite.sent).toMatchObject([{ type: 'nack' }, { type: 'answer' }])
})

test('closing ends everything: no timer, no message, no error', async () => {
  const clock = new FakeClock()
  const { impolite, polite } = twoSides(clock)
  polite.pc.createDataChannel('')
  await polite.negotiation.receive(candidate('x'))
  await settle()
  for (const side of [impolite, polite]) {
    side.negotiation.close()
    side.negotiation.close()
    side.pc.createDataChannel('late')
    side.pc.gathered()
    await side.negotiation.receive(offer(sdpOf('x'), 1))
    await side.negotiation.receive({ type: 'restart' })
  }
  await clock.advance(60_000)
  expect(clock.planned).toBe(0)
  expect([...impolite.sent, ...polite.sent]).toEqual([])
  expect([...impolite.errors, ...polite.errors]).toEqual([])
})

test('a connection that is closed under its negotiation fails nothing', async () => {
  const { impolite, polite } = twoSides(new FakeClock())
  impolite.pc.createDataChannel('')
  void polite.negotiation.receive(offer(sdpOf('x'), 1))
  polite.pc.close()
  impolite.pc.close()
  void impolite.negotiation.receive({ type: 'restart' })
  await settle()
  expect([...impolite.errors, ...polite.errors]).toEqual([])
  expect([...impolite.sent, ...polite.sent]).toEqual([])
})

// Chance

/** What goes wrong in a history. */
type Faults = 'none' | 'lost and refused'

/** How a history has ended. */
interface Ending {
  readonly wrong: string[]
  readonly broken: number
  readonly steps: string[]
}

/** A short history of two sides that do what they like over a slow but orderly way. */
async function history(seed: number, faults: Faults = 'none'): Promise<Ending> {
  const random = seeded(seed)
  const clock = new FakeClock()
  const sides: { impolite: Side; polite: Side } = {
    impolite: newSide(false, clock, { send: (message) => travel(message, () => sides.polite, 'there') }),
    polite: newSide(true, clock, { send: (message) => travel(message, () => sides.impolite, 'back') }),
  }
  const arrives = { there: 0, back: 0 }
  const travel = (message: NegotiationMessage, to: () => Side, way: 'there' | 'back'): void => {
    arrives[way] = Math.max(arrives[way], clock.now() + Math.floor(random() * 40))
    if (faults !== 'none' && message.type !== 'ice-candidate' && random() < 0.1) return
    clock.after(arrives[way] - clock.now(), () => void to().negotiation.receive(message))
  }
  for (const { pc } of [sides.impolite, sides.polite]) {
    pc.delay = () => new Promise((resolve) => void clock.after(Math.floor(random() * 10), resolve))
    pc.createDataChannel('')
  }
  const doings: ((side: Side) => unknown)[] = [
    ({ pc }) => pc.addTransceiver(random() < 0.5 ? 'audio' : 'video'),
    ({ pc }) => {
      for (const transceiver of pc.transceivers) transceiver.direction = random() < 0.5 ? 'sendrecv' : 'recvonly'
    },
    ({ pc }) => pc.gather(),
    ({ negotiation }) => negotiation.restart(),
  ]
  if (faults !== 'none') {
    const operations = ['setLocalDescription', 'setRemoteDescription', 'setRemoteDescription', 'rollback'] as const
    doings.push(({ pc }) => pc.refuse(at(operations, Math.floor(random() * operations.length)), new Error('No')))
  }
  for (let count = 4 + random() * 8; count > 0; count -= 1) {
    clock.after(Math.floor(random() * 200), () => {
      at(doings, Math.floor(random() * doings.length))(random() < 0.5 ? sides.impolite : sides.polite)
    })
  }
  await clock.drain()
  const both = [sides.impolite, sides.polite]
  return {
    wrong: disagreements(sides),
    broken: both.filter(({ broken }) => broken.length > 0).length,
    steps: both.flatMap(({ steps }) => steps),
  }
}

test('whatever two sides do at once, in the end both are stable, have each other’s descriptions, and no error', async () => {
  const histories = 2_000
  let glares = 0
  for (let seed = 1; seed <= histories; seed += 1) {
    const { wrong, steps } = await history(seed)
    expect(wrong, `seed ${seed}`).toEqual([])
    if (steps.includes('glare-yielded')) glares += 1
  }
  expect(glares).toBeGreaterThan(histories / 5)
})

test('where descriptions are lost and refused, in the end both are stable with each other’s descriptions, or one says that it is broken', async () => {
  const histories = 2_000
  const count = { broken: 0, repeated: 0, refused: 0 }
  for (let seed = 1; seed <= histories; seed += 1) {
    const { wrong, broken, steps } = await history(seed, 'lost and refused')
    if (broken === 0) expect(wrong, `seed ${seed}`).toEqual([])
    else count.broken += 1
    if (steps.includes('offer-repeated')) count.repeated += 1
    if (steps.includes('nack-sent')) count.refused += 1
  }
  // Of each there is something, and most of them end well.
  expect(count.broken).toBeLessThan(histories / 2)
  expect(Math.min(count.broken, count.repeated, count.refused)).toBeGreaterThan(histories / 20)
})

test('what was under way when it was closed sends nothing', async () => {
  const { impolite, polite } = twoSides(new FakeClock())
  let go: () => void = () => undefined
  for (const side of [impolite, polite]) side.pc.delay = () => new Promise((resolve) => (go = resolve))
  impolite.pc.createDataChannel('')
  await settle()
  impolite.negotiation.close()
  go()
  await settle()
  void polite.negotiation.receive(offer(sdpOf('x'), 1))
  await settle()
  polite.negotiation.close()
  go()
  await settle()
  go()
  await settle()
  expect([...impolite.sent, ...polite.sent]).toEqual([])
})

test('an application that throws in onError does not stop the mailbox, and its error reaches the console as uncaught', async () => {
  const mistake = new Error('a mistake of the application')
  const pc = new FakePeerConnection()
  const negotiation = negotiate(pc.asBrowsers(), {
    polite: true,
    clock: new FakeClock(),
    send: () => undefined,
    onError: () => {
      throw mistake
    },
  })
  const uncaught = await uncaughtDuring(() => negotiation.receive({ type: 'ice-candidate' } as NegotiationMessage))
  expect(uncaught).toEqual([mistake])
  await negotiation.receive(offer(sdpOf('y'), 2))
  expect(fragmentOf(pc.remoteDescription)).toBe('y')
})
