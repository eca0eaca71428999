import { expect, test } from 'vitest'
import { endpointOf } from '../src/endpoint.ts'
import { Signaling } from '../src/signaling.ts'
import { tokenSource } from '../src/token.ts'
import { settle } from './support/clock.ts'
import { comeBack, expectSilence, joined, type Line, started, tokens } from './support/line.ts'
import { problem } from './support/server.ts'
import { newWorld } from './support/world.ts'

test('the token function is asked for each attempt', async () => {
  const line = await joined()
  await comeBack(line)
  await comeBack(line)
  expect(tokens(line)).toEqual(['token1', 'token2', 'token3'])
})

test('a token that is refused twice in a row is refused', async () => {
  const line = await started()
  for (const _ of [1, 2]) {
    line.server.socket.open()
    line.server.socket.say({ type: 'error', code: 'token-invalid', message: 'Bad signature.' })
    line.server.socket.drop(4401)
    await settle()
  }
  expect(tokens(line)).toEqual(['token1', 'token2'])
  expect(line.statuses).toMatchObject([{ status: 'failed', error: { code: 'token-invalid', message: 'Bad signature.' } }])
  await expectSilence(line)
})

test('a token that let in makes a later refusal a first one', async () => {
  const line = await joined()
  for (const _ of [1, 2, 3]) {
    line.server.socket.drop(4401)
    await line.server.welcome()
  }
  expect(line.status()).toEqual({ status: 'joined' })
})

test('a token that was given as text cannot be renewed', async () => {
  const line = await joined({ token: 'fixed' })
  line.server.socket.say({ type: 'error', code: 'token-expired', message: 'Expired.' })
  line.server.socket.drop(4401)
  await settle()
  expect(line.status()).toMatchObject({ status: 'failed', error: { code: 'token-expired' } })
  await expectSilence(line)
})

test('a token that is no token fails at once', async () => {
  const line = await started({ token: 'not a token' })
  expect(line.statuses).toMatchObject([{ status: 'failed', error: { code: 'token-failed' } }])
  expect(line.server.sockets).toEqual([])
  await expectSilence(line)
})

test('a token function that throws is asked again after a wait', async () => {
  let count = 0
  const token = (): string => {
    count += 1
    if (count < 3) throw new Error('offline')
    return 'at-last'
  }
  const line = await started({ token })
  expect(line.status()).toMatchObject({ status: 'connecting', error: { code: 'token-failed' }, retryInMs: 250 })
  await line.clock.advance(750)
  expect(tokens(line)).toEqual(['at-last'])
})

test('a token that comes after the page has left opens nothing', async () => {
  let give: (token: string) => void = () => undefined
  const line = await started({ token: () => new Promise((resolve) => (give = resolve)) })
  line.signaling.leave()
  give('late')
  await settle()
  expect(line.server.sockets).toEqual([])
})

test('a token function that fails after the page has left fails nothing', async () => {
  let fail: (error: Error) => void = () => undefined
  const line = await started({ token: () => new Promise((_, reject) => (fail = reject)) })
  line.signaling.leave()
  fail(new Error('aborted'))
  await settle()
  expect(line.statuses).toEqual([{ status: 'left' }])
})

test('a token that expires soon is renewed in band', async () => {
  const line = await joined()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  expect(line.server.socket.of('auth')).toEqual([{ type: 'auth', token: 'token2' }])
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('a token that was given as text is not sent again', async () => {
  const line = await joined({ token: 'fixed' })
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  expect(line.server.socket.of('auth')).toEqual([])
})

test('a new token that cannot be had changes nothing yet', async () => {
  let count = 0
  const token = (): string => {
    count += 1
    if (count === 2) throw new Error('offline')
    return `token${count}`
  }
  const line = await joined({ token })
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  expect(line.statuses).toEqual([{ status: 'joined' }])
  line.server.socket.drop(4401)
  await settle()
  expect(tokens(line)).toEqual(['token1', 'token3'])
})

test('a new token that comes when its connection is gone is not sent on the next', async () => {
  const waiting: ((token: string) => void)[] = []
  const line = await started({ token: () => new Promise((resolve) => waiting.push(resolve)) })
  waiting[0]?.('first')
  await line.server.welcome()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  waiting[2]?.('third')
  await line.server.welcome()
  waiting[1]?.('second')
  await settle()
  expect(line.server.sockets.flatMap((socket) => socket.of('auth'))).toEqual([])
})

// In band, again

/** A line whose token expires soon, and the new one that was sent for it. */
async function expiring(token?: () => string): Promise<Line> {
  const line = await joined(token && { token })
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  return line
}

function sentTokens({ server }: Line): string[] {
  return server.socket.of('auth').map(({ token }) => token)
}

test('a new token that the server does not take is followed by others, with pauses, until it takes one', async () => {
  const line = await expiring()
  line.server.socket.say({ type: 'error', code: 'token-invalid', message: 'Bad signature.' })
  await line.clock.advance(5_249)
  expect(sentTokens(line)).toEqual(['token2'])
  await line.clock.advance(1)
  expect(sentTokens(line)).toEqual(['token2', 'token3'])
  await line.clock.advance(5_500)
  expect(sentTokens(line)).toEqual(['token2', 'token3', 'token4'])
  line.server.socket.say({ type: 'auth-ok', tokenExpiresAt: 1 })
  await line.clock.advance(600_000)
  expect(sentTokens(line)).toHaveLength(3)
  expect(line.statuses).toEqual([{ status: 'joined' }])
})

test('a token function that fails before the expiry is asked again', async () => {
  let count = 0
  const line = await expiring(() => {
    count += 1
    if (count === 2 || count === 3) throw new Error('offline')
    return `token${count}`
  })
  expect(sentTokens(line)).toEqual([])
  await line.clock.advance(5_250 + 5_500)
  expect(sentTokens(line)).toEqual(['token4'])
})

test('a token function that takes its time is not asked again meanwhile', async () => {
  const waiting: ((token: string) => void)[] = []
  const line = await started({ token: () => new Promise((resolve) => waiting.push(resolve)) })
  waiting[0]?.('first')
  await line.server.welcome()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await line.clock.advance(60_000)
  expect(waiting).toHaveLength(2)
  waiting[1]?.('second')
  await settle()
  expect(sentTokens(line)).toEqual(['second'])
})

test('a token that is announced twice is renewed by the last announcement alone', async () => {
  const line = await expiring()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 })
  await settle()
  await line.clock.advance(5_250)
  expect(sentTokens(line)).toEqual(['token2', 'token3', 'token4'])
})

test('a token that comes when another announcement has asked for the next is not sent', async () => {
  const waiting: ((token: string) => void)[] = []
  const line = await started({ token: () => new Promise((resolve) => waiting.push(resolve)) })
  waiting[0]?.('first')
  await line.server.welcome()
  line.server.socket.say({ type: 'token-expiring', tokenExpiresAt: 1 }, { type: 'token-expiring', tokenExpiresAt: 1 })
  waiting[2]?.('third')
  waiting[1]?.('second')
  await settle()
  expect(sentTokens(line)).toEqual(['third'])
})

test('nothing is renewed any more when the connection is gone', async () => {
  const line = await expiring()
  line.server.socket.drop(1006)
  await line.clock.advance(250)
  await line.server.welcome()
  await line.clock.advance(60_000)
  expect(sentTokens(line)).toEqual([])
  expect(tokens(line)).toEqual(['token1', 'token3'])
})

test('a server that gives out no tokens is asked once', async () => {
  const world = newWorld()
  world.server.answer = () => problem(404, { code: 'not-found', message: 'Nothing is here.' })
  const endpoint = endpointOf('https://rtc.example.org', 'standup')
  const source = tokenSource(undefined, endpoint, world.environment)
  const signaling = new Signaling({
    endpoint,
    token: source,
    features: [],
    environment: world.environment,
    joinTimeoutMs: 10_000,
    transport: 'websocket',
  })
  signaling.start()
  await settle()
  expect(world.server.requests).toHaveLength(1)
})
