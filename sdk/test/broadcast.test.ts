import { expect, test } from 'vitest'
import { last } from './support/lists.ts'
import { join } from './support/party.ts'
import { wirePeer } from './support/server.ts'

const raw = wirePeer('raw', { features: [] })

test('what is sent to the room goes to everybody who is there, and resolves with those who got it', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b'), raw, wirePeer('c')] })
  const sending = party.room.send({ text: 'hello' })
  expect(party.server.socket.of('message').map(({ to }) => to)).toEqual(['b', 'raw', 'c'])
  const { msg: re = '' } = last(party.server.socket.of('message').filter(({ to }) => to === 'raw'))
  party.server.socket.say({ type: 'error', code: 'peer-gone', message: 'Gone.', re, to: 'raw' })
  expect((await sending).map(({ id }) => id)).toEqual(['b', 'c'])
})

test('where nobody is there nobody got it, and where nobody got it it says why', async () => {
  const party = await join({ connect: 'manual' })
  expect(await party.room.send(1)).toEqual([])
  party.server.socket.say({ type: 'peer-joined', peer: wirePeer('b') })
  party.server.socket.acknowledges = false
  const sending = party.room.send(1)
  party.server.socket.say({ type: 'peer-left', id: 'b', reason: 'left', final: true })
  await expect(sending).rejects.toMatchObject({ code: 'peer-closed', outcome: 'unknown' })
})

test('what is no JSON, too large, or sent after leaving goes to nobody', async () => {
  const party = await join({ connect: 'manual', peers: [wirePeer('b')] })
  await expect(party.room.send(undefined)).rejects.toMatchObject({ code: 'invalid-option' })
  await expect(party.room.send('x'.repeat(70_000))).rejects.toMatchObject({ code: 'message-too-large' })
  party.room.leave()
  await expect(party.room.send(1)).rejects.toMatchObject({ code: 'left' })
  expect(party.server.socket.of('message')).toEqual([])
})
