import { expect, test } from 'vitest'
import { joinRoom } from '../src/join.ts'
import { settle } from './support/clock.ts'
import { welcome } from './support/server.ts'
import { newWorld, type World } from './support/world.ts'

async function knock(): Promise<World & { readonly joining: Promise<unknown> }> {
  const world = newWorld()
  const joining = joinRoom('https://x.org', { room: 'a', token: 'fixed', environment: world.environment })
  joining.catch(() => undefined)
  await settle()
  world.server.socket.open()
  return { ...world, joining }
}

test('a server that welcomes in another version is not joined, and both versions are said', async () => {
  const { joining, server, clock } = await knock()
  server.socket.say(welcome({ protocol: 2 }))
  await expect(joining).rejects.toMatchObject({
    code: 'server-incompatible',
    message: 'This client speaks version 1 of the protocol. The server speaks version 2.',
    hint: 'Update the server or the client.',
  })
  expect(clock.planned).toBe(0)
})

test('a server that refuses this version is not joined, and both versions are said', async () => {
  const { joining, server, clock } = await knock()
  const message = '`hello`: `protocol` 1 is not supported; this server speaks 2.'
  server.socket.say({ type: 'error', code: 'protocol-unsupported', message, hint: 'Send `protocol: 2`.' })
  server.socket.drop(4426)
  await expect(joining).rejects.toMatchObject({
    code: 'server-incompatible',
    message: `This client speaks version 1 of the protocol. The server says: ${message}`,
    cause: { code: 'protocol-unsupported' },
  })
  expect(server.sockets).toHaveLength(1)
  expect(clock.planned).toBe(0)
})
