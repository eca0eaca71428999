/** Introductions by hand: what happens between two pages that carry a text each way. */

import { expect, test } from 'vitest'
import { answer, type Invitation, invite, type Reply } from '../src/manual/index.ts'
import { settle } from './support/clock.ts'
import type { FakePeerConnection } from './support/connection.ts'
import { CHROMIUM } from './support/descriptions.ts'
import { logOf, newPlace, type Place } from './support/introduction.ts'
import { FakeStream, tracks } from './support/media.ts'
import './support/uncaught.ts'

const sdpWithoutWays = CHROMIUM.replace(/^a=candidate.*\r\n/gm, '')

/** Two that are connected. */
async function introduced(
  place: Place = newPlace(),
): Promise<{ place: Place; invitation: Invitation; reply: Reply; pages: Page[] }> {
  const pages = [place.page(), place.page()]
  const [here, there] = pages as [Page, Page]
  const invitation = await invite(here.options)
  const reply = await answer(invitation.text, there.options)
  await Promise.all([invitation.accept(reply.text), reply.connected()])
  await settle()
  return { place, invitation, reply, pages }
}

type Page = ReturnType<Place['page']>

test('two who carried a text each way are connected, and speak both ways', async () => {
  const { invitation, reply } = await introduced()
  const heard: unknown[] = []
  const ends = [invitation, reply].map((call) => call.channel('chat'))
  for (const end of ends) end.on('message', ({ data }) => heard.push(data))
  await settle()
  ends[0]?.send('from the one who invited')
  ends[1]?.send('from the one who was invited')
  await settle()
  expect(heard).toEqual(['from the one who invited', 'from the one who was invited'])
  expect([invitation.state, reply.state]).toEqual(['connected', 'connected'])
})

test('a channel reaches the other side, and refuses to be sent to anybody else', async () => {
  const { invitation } = await introduced()
  const channel = invitation.channel()
  await settle()
  const [other] = channel.peers
  expect(channel.send('hello', other === undefined ? {} : { to: other })).toEqual([{ identity: 'the other side' }])
  expect(() => channel.send('hello', { to: { identity: 'the other side' } })).toThrow(
    '`to` must be the other side, as events of the channel name it, not an object (Object).',
  )
})

test('the texts are short enough for a QR code, and hold no media', async () => {
  const place = newPlace()
  const invitation = await invite(place.page().options)
  const reply = await answer(invitation.text, place.page().options)
  expect(invitation.text).toMatch(/^aldis1i\.[\w-]+$/)
  expect(reply.text).toMatch(/^aldis1r\.[\w-]+$/)
  expect(Math.max(invitation.text.length, reply.text.length)).toBeLessThan(120)
  expect(invitation.connection.localDescription?.sdp.match(/^m=/gm)).toHaveLength(1)
})

test('media that was published before they stand comes after, and more of it whenever it is wanted', async () => {
  const place = newPlace()
  const [here, there] = [place.page(), place.page()]
  const invitation = await invite(here.options)
  const camera = new FakeStream(tracks('video', 1))
  await invitation.publish(camera.asBrowsers())
  const reply = await answer(invitation.text, there.options)
  const log = [logOf(invitation), logOf(reply)]
  await reply.publish(new FakeStream(tracks('audio', 1)).asBrowsers())
  await invitation.accept(reply.text)
  await settle()
  expect(log).toEqual([
    ['state connected', 'track audio'],
    ['state connected', 'track video'],
  ])
  expect(reply.streams.map(({ id }) => id)).toEqual([camera.id])

  const screen = new FakeStream(tracks('video', 1))
  await reply.publish(screen.asBrowsers())
  await settle()
  reply.unpublish(screen.asBrowsers())
  await settle()
  expect(log[0]?.slice(2)).toEqual(['track video', 'track-removed video'])
})

test('no two first offers cross, whoever publishes first', async () => {
  const place = newPlace()
  const invitation = await invite(place.page().options)
  const reply = await answer(invitation.text, place.page().options)
  const steps: string[] = []
  for (const call of [invitation, reply]) call.on('negotiation', ({ step }) => steps.push(step))
  for (const call of [invitation, reply]) await call.publish(new FakeStream(tracks('video', 1)).asBrowsers())
  await invitation.accept(reply.text)
  await settle()
  expect(steps.filter((step) => step.startsWith('glare') || step.endsWith('dropped'))).toEqual([])
})

test.each(['invitation', 'reply'] as const)(
  'when the network of the %s changes, ICE starts afresh over the channel',
  async (which) => {
    const both = await introduced()
    const before = both.invitation.connection.localDescription?.sdp.match(/ice-ufrag:(\S+)/)?.[1]
    both.pages[which === 'invitation' ? 0 : 1]?.tell('network-changed')
    await settle()
    expect(both.invitation.connection.localDescription?.sdp.match(/ice-ufrag:(\S+)/)?.[1]).not.toBe(before)
    expect(both.invitation.connection.signalingState).toBe('stable')
    expect([both.invitation.state, both.reply.state]).toEqual(['connected', 'connected'])
  },
)

test('the side that was invited waits for the handshake of DTLS all along', async () => {
  const { reply } = await introduced()
  const sdp = reply.connection.remoteDescription?.sdp ?? ''
  expect([sdp.match(/^m=/gm)?.length, sdp.match(/^a=setup:.*$/gm)]).toEqual([3, ['a=setup:active']])
})

test('a connection that fails while the reply is carried asks for nothing when it stands', async () => {
  const place = newPlace()
  const invitation = await invite(place.page().options)
  const reply = await answer(invitation.text, place.page().options)
  const steps: string[] = []
  invitation.on('negotiation', ({ step }) => steps.push(step))
  ;(reply.connection as unknown as FakePeerConnection).become('failed')
  await place.clock.advance(60_000)
  expect(reply.state).toBe('connecting')
  await invitation.accept(reply.text)
  await settle()
  expect([reply.state, steps]).toEqual(['connected', ['answer-received', 'offer-sent', 'answer-received']])
})

test('an interruption heals by itself, or is the end after 30 s', async () => {
  const both = await introduced()
  const log = [logOf(both.invitation), logOf(both.reply)]
  both.place.network.cut()
  await both.place.clock.advance(20_000)
  both.place.network.mend()
  await both.place.clock.advance(60_000)
  both.place.network.cut()
  await both.place.clock.advance(29_999)
  expect(both.reply.state).toBe('interrupted')
  await both.place.clock.advance(1)
  const line = ['state interrupted', 'state connected', 'state interrupted', 'state failed The connection is gone.']
  expect(log).toEqual([line, line])
  expect(both.place.clock.planned).toBe(0)
})

test.each(['invitation', 'reply'] as const)(
  'when the %s closes, the other side is told why, and nothing is left',
  async (which) => {
    const both = await introduced()
    const [here, there] = which === 'invitation' ? [both.invitation, both.reply] : [both.reply, both.invitation]
    const log = logOf(there)
    here.close('bye')
    await both.place.clock.advance(1_000)
    expect(log).toEqual(['state closed The other side closed the call: bye.'])
    expect([here.state, here.connection.connectionState, there.connection.connectionState]).toEqual([
      'closed',
      'closed',
      'closed',
    ])
    expect(both.place.clock.planned).toBe(0)
    expect(both.pages.some(({ world }) => world.watched())).toBe(false)
    await expect(there.publish(new FakeStream(tracks('audio', 1)).asBrowsers())).rejects.toMatchObject({ code: 'peer-closed' })
  },
)

test('a page that goes away closes its call', async () => {
  const both = await introduced()
  both.pages[0]?.tell('left')
  await settle()
  expect(both.reply.state).toBe('closed')
})

test('a text that is no reply to this invitation changes nothing, and the right one connects', async () => {
  const place = newPlace()
  const [invitation, another] = [await invite(place.page().options), await invite(place.page().options)]
  const [reply, foreign] = [await answer(invitation.text, place.page().options), await answer(another.text, place.page().options)]
  await expect(invitation.accept('hello')).rejects.toMatchObject({ code: 'text-invalid' })
  await expect(invitation.accept(invitation.text)).rejects.toMatchObject({ code: 'text-misplaced' })
  await expect(invitation.accept(foreign.text)).rejects.toMatchObject({ code: 'text-foreign' })
  await invitation.accept(reply.text)
  expect(reply.state).toBe('connected')
  await expect(invitation.accept(reply.text)).rejects.toMatchObject({ code: 'invalid-option' })
  await expect(answer(reply.text, place.page().options)).rejects.toMatchObject({ code: 'text-misplaced' })
})

test('where no way is found the side that invited says so after 30 s, and the other one waits', async () => {
  const place = newPlace()
  const invitation = await invite(place.page().options)
  const answered = await answer(invitation.text, place.page().options)
  place.network.cut()
  const accepted = invitation.accept(answered.text).catch((error: unknown) => error)
  await place.clock.advance(30_000)
  expect(await accepted).toMatchObject({ code: 'negotiation-failed', message: 'No way to the other side was found.' })
  expect([invitation.state, answered.state]).toEqual(['failed', 'connecting'])
})

test('a STUN server that does not answer is waited for only so long', async () => {
  const place = newPlace()
  const page = place.page()
  const createConnection = (configuration: RTCConfiguration): RTCPeerConnection => {
    const connection = page.world.environment.createConnection(configuration)
    return Object.defineProperty(connection, 'iceGatheringState', { get: () => 'gathering', set: () => undefined })
  }
  let text = ''
  const inviting = invite({ environment: { ...page.options.environment, createConnection }, gatherMs: 500 }).then(
    (invitation) => {
      text = invitation.text
    },
  )
  await place.clock.advance(499)
  expect(text).toBe('')
  await place.clock.advance(1)
  await inviting
  expect(text).toMatch(/^aldis1i/)
})

test('a device without a network is told so, and nothing is left', async () => {
  const place = newPlace()
  const page = place.page()
  const createConnection = (configuration: RTCConfiguration): RTCPeerConnection => {
    const connection = page.world.environment.createConnection(configuration)
    return Object.defineProperty(connection, 'localDescription', { get: () => ({ type: 'offer', sdp: sdpWithoutWays }) })
  }
  const inviting = invite({ environment: { ...page.options.environment, createConnection } })
  await expect(inviting).rejects.toMatchObject({ code: 'negotiation-failed', hint: 'Connect it to a network.' })
  expect([place.clock.planned, page.world.watched()]).toEqual([0, false])
})

test('whoever was invited goes on calling until the reply has arrived, and no longer', async () => {
  const place = newPlace()
  const invitation = await invite(place.page().options)
  const reply = await answer(invitation.text, place.page().options)
  const told: (string | undefined)[] = []
  const pc = reply.connection as unknown as { addIceCandidate: (candidate: RTCIceCandidateInit) => Promise<void> }
  pc.addIceCandidate = async ({ candidate }) => void told.push(candidate?.split(' ').slice(4, 6).join(':'))
  await place.clock.advance(60_000)
  // The inviter's address again, so that its router stays open, and one that nobody has tried before.
  expect(told.slice(0, 4)).toEqual(['192.0.2.7:9', '192.0.2.1:50000', '192.0.2.7:9', '192.0.2.1:50001'])
  expect(told).toHaveLength(30)
  await invitation.accept(reply.text)
  await place.clock.advance(60_000)
  expect(told).toHaveLength(30)
})

// Giving up

const elsewhere = new Error('The user went elsewhere.')

test('who gives up an invitation or a reply is told at once, and nothing is left', async () => {
  const place = newPlace()
  const text = (await invite(place.page().options)).text
  for (const write of [(options: object) => invite(options), (options: object) => answer(text, options)]) {
    const made: RTCPeerConnection[] = []
    const createConnection = (configuration: RTCConfiguration): RTCPeerConnection => {
      const connection = place.network.createConnection(configuration)
      made.push(connection)
      return connection
    }
    const abort = new AbortController()
    const options = { environment: { ...place.page().world.environment, createConnection }, signal: abort.signal }
    const writing = write(options)
    abort.abort(elsewhere)
    await expect(writing).rejects.toBe(elsewhere)
    await expect(write(options)).rejects.toBe(elsewhere)
    expect(made.map(({ signalingState }) => signalingState)).toEqual(['closed', 'closed'])
  }
})

test('a reply that was accepted and is given up before the call stands closes it, and leaves one that stands alone', async () => {
  const place = newPlace()
  const [here, there] = [place.page(), place.page()]
  const invitation = await invite(here.options)
  const reply = await answer(invitation.text, there.options)
  const early = AbortSignal.abort(elsewhere)
  await expect(invitation.accept(reply.text, { signal: early })).rejects.toBe(elsewhere)
  const abort = new AbortController()
  await invitation.accept(reply.text, { signal: abort.signal })
  abort.abort(elsewhere)
  await settle()
  expect([invitation.state, reply.state]).toEqual(['connected', 'connected'])

  const other = await invite(place.page().options)
  const another = await answer(other.text, place.page().options)
  const late = new AbortController()
  const accepting = other.accept(another.text, { signal: late.signal })
  late.abort(elsewhere)
  await expect(accepting).rejects.toBe(elsewhere)
  expect(other.state).toBe('closed')
})

test('who gives up waiting for a call leaves it to come about', async () => {
  const place = newPlace()
  const invitation = await invite(place.page().options)
  const reply = await answer(invitation.text, place.page().options)
  const abort = new AbortController()
  const waiting = reply.connected({ signal: abort.signal })
  abort.abort(elsewhere)
  await expect(waiting).rejects.toBe(elsewhere)
  await invitation.accept(reply.text)
  await reply.connected()
  expect(reply.state).toBe('connected')
})
