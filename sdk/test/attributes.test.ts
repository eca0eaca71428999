import { expect, test } from 'vitest'
import { settle } from './support/clock.ts'
import { last } from './support/lists.ts'
import { join, type Party } from './support/party.ts'
import { welcome, wirePeer } from './support/server.ts'

function updates(party: Party): unknown[] {
  return party.server.socket.of('update').map(({ attributes }) => attributes)
}

/** The connection to the server breaks, and is there again. */
async function again(party: Party, changes: Parameters<typeof welcome>[0]): Promise<void> {
  party.server.socket.drop(1006)
  await party.clock.advance(last(party.events.status ?? []).retryInMs ?? 0)
  await party.server.welcome(changes)
}

const me = (attributes?: object): ReturnType<typeof wirePeer> => wirePeer('me', attributes ? { attributes } : {})

test('attributes go out at once, and are yours at once', async () => {
  const party = await join()
  party.room.setAttributes({ hand: 'up' })
  expect(updates(party)).toEqual([{ hand: 'up' }])
  expect(party.room.me.attributes).toEqual({ hand: 'up' })
})

test('of many the latest goes, at the rate that the server allows', async () => {
  const party = await join()
  const sentAt: number[] = []
  for (let n = 0; n < 100; n += 1) {
    const before = updates(party).length
    party.room.setAttributes({ n })
    await party.clock.advance(20)
    if (updates(party).length > before) sentAt.push(party.clock.now())
  }
  await party.clock.advance(1_000)
  expect(updates(party).at(-1)).toEqual({ n: 99 })
  expect(updates(party).length).toBeLessThanOrEqual(5)
  expect(sentAt.slice(1).every((time, at) => time - (sentAt[at] ?? 0) >= 500)).toBe(true)
})

test('what is as the server has it is not sent, also where it was something else in between', async () => {
  const party = await join()
  party.room.setAttributes({ a: 1 })
  party.room.setAttributes({ a: 2 })
  party.room.setAttributes({ a: 1 })
  await party.clock.advance(2_000)
  expect(updates(party)).toEqual([{ a: 1 }])
})

test('a new stay has none, so they are sent again; a session that goes on has them', async () => {
  const party = await join()
  party.room.setAttributes({ a: 1 })
  await party.clock.advance(1_000)
  await again(party, { resumed: true, peer: me({ a: 1 }) })
  expect(updates(party)).toEqual([])
  await again(party, { resumed: false, peer: me() })
  expect(updates(party)).toEqual([{ a: 1 }])
})

test('what was on its way when the connection broke is sent again, and what was set meanwhile in its place', async () => {
  const party = await join()
  party.room.setAttributes({ a: 1 })
  await again(party, { resumed: true, peer: me() })
  await party.clock.advance(1_000)
  expect(updates(party)).toEqual([{ a: 1 }])
  party.server.socket.drop(1006)
  party.room.setAttributes({ a: 2 })
  await party.clock.advance(500)
  await party.server.welcome({ resumed: true, peer: me({ a: 1 }) })
  await party.clock.advance(1_000)
  expect(updates(party)).toEqual([{ a: 2 }])
})

test('the page may change what it gave without changing what is said', async () => {
  const party = await join()
  const mine = { list: [1] }
  party.room.setAttributes(mine)
  mine.list.push(2)
  expect(party.room.me.attributes).toEqual({ list: [1] })
})

test.each<[string, unknown, string]>([
  ['nothing', undefined, '`attributes` must be an object, not undefined.'],
  ['a list', [1], '`attributes` must be an object, not an array.'],
  ['text', 'up', '`attributes` must be an object, not "up".'],
  ['what is no JSON', { n: 1n }, '`attributes` must be JSON'],
  ['what contains itself', Object.assign({}, { self: {} }), ''],
  ['half a character', { a: '\ud800' }, '`attributes` must be whole characters'],
])('%s is refused before anything is sent', async (_, attributes, message) => {
  const party = await join()
  if (message === '') (attributes as { self: unknown }).self = attributes
  expect(() => party.room.setAttributes(attributes as never)).toThrow(
    expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
  )
  expect(updates(party)).toEqual([])
})

test('more than the server takes is refused by its own numbers', async () => {
  const limits = { ...welcome().limits, attributesBytes: 20, jsonDepth: 3 }
  const party = await join({ welcome: { limits } })
  expect(() => party.room.setAttributes({ a: 'x'.repeat(13) })).toThrow('21 bytes, and the server takes 20')
  expect(() => party.room.setAttributes({ a: 'x'.repeat(12) })).not.toThrow()
  expect(() => party.room.setAttributes({ a: [[]] })).toThrow('nested in at most 2 levels')
})

test('the others are told by `peer-updated`, and nothing goes on after leaving', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  party.server.socket.say({ type: 'peer-updated', peer: wirePeer('b', { attributes: { hand: 'up' } }) })
  expect(party.log).toEqual(['peer-updated b'])
  expect(party.peer('b').attributes).toEqual({ hand: 'up' })
  party.room.setAttributes({ a: 1 })
  party.room.setAttributes({ a: 2 })
  party.room.leave()
  await settle()
  expect(party.clock.planned).toBe(0)
})
