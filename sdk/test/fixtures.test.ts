import { expect, test } from 'vitest'
import { AldisError } from '../src/errors.ts'
import type { ServerMessage } from '../src/generated/wire.ts'
import { refusalOf } from '../src/problem.ts'
import * as fixtures from './generated/fixtures.ts'
import { settle } from './support/clock.ts'
import { join, type Party } from './support/party.ts'
import { problem, wirePeer } from './support/server.ts'

/** Everybody whom the protocol's page names. */
const everybody = ['bq3tz6m2c5xw4nrhd7ykvj2eua', 'k7nq2vx5m4wzt3jy6rbhcdfpea', 'd2vm6kx4q7zwt5nyjc3rbhfpea'].map((id) =>
  wirePeer(id),
)

/** Says a block of the page in a room where everybody is. */
async function said(message: ServerMessage): Promise<Party> {
  const party = await join({ peers: everybody, connect: 'manual', welcome: { peer: wirePeer('me') } })
  party.server.socket.say(message)
  await settle()
  return party
}

const named = <T extends { type: string }>(blocks: readonly T[]): { title: string; block: T }[] =>
  blocks.map((block, index) => ({ title: `${index} ${block.type}`, block }))

test.each(named(fixtures.server.filter(({ type }) => type !== 'error')))(
  '$title of the server is understood',
  async ({ block }) => {
    const party = await said(block)
    expect(party.events.error).toBeUndefined()
    expect(party.warnings).toEqual([])
    expect(party.room.status).toBe('joined')
  },
)

test.each(fixtures.server.filter((block) => block.type === 'error'))('the error $code is told as it was said', async (block) => {
  const party = await said(block)
  const { code, message, hint = '', retryAfterMs } = block
  // One about a message that nobody remembers is about a call that has ended.
  const told = block.re === undefined ? [{ error: { code, message, hint, retryAfterMs } }] : []
  expect(party.events.error ?? []).toMatchObject(told)
  expect(party.room.status).toBe('joined')
})

test.each(named(fixtures.relayed))('$title of a peer is understood', async ({ block }) => {
  const party = await said(block)
  expect(party.events.error).toBeUndefined()
  expect(party.room.status).toBe('joined')
})

test.each(fixtures.problem)('the refusal $code becomes an error with its message and its hint', async (block) => {
  const refusal = await refusalOf(problem(503, block))
  expect(refusal).toBeInstanceOf(AldisError)
  expect(refusal).toMatchObject(block)
})

test('the page’s `welcome` joins the room that it describes', async () => {
  const block = fixtures.server.find((message) => message.type === 'welcome')
  const party = await join({ connect: 'manual', welcome: { ...block } })
  expect(party.room.me).toMatchObject({ id: block?.peer.id, identity: 'bob' })
  expect([...party.room.peers.values()]).toMatchObject(block?.peers ?? [])
})
