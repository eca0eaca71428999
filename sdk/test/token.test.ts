import { expect, test } from 'vitest'
import { endpointOf } from '../src/endpoint.ts'
import { AldisError } from '../src/errors.ts'
import { type TokenOption, type TokenSource, tokenSource } from '../src/token.ts'
import { problem } from './support/server.ts'
import { newWorld, type World } from './support/world.ts'

const endpoint = endpointOf('https://rtc.example.org', 'standup')

function sourceOf(option: TokenOption | undefined, world: World = newWorld()): TokenSource {
  return tokenSource(option, endpoint, world.environment)
}

test('a token that is given is used as it is, and asking again brings no other', async () => {
  const source = sourceOf('eyJh.e30.c2ln_-=')
  expect(source.renewable).toBe(false)
  expect(await source.get()).toBe('eyJh.e30.c2ln_-=')
})

test.each([
  ['', 'not a JSON Web Token'],
  ['a b', 'not a JSON Web Token'],
  ['{"token":"x"}', 'not a JSON Web Token'],
  ['a.b.c\n', 'not a JSON Web Token'],
])('%j is no token', async (option, message) => {
  await expect(sourceOf(option).get()).rejects.toMatchObject({ code: 'token-failed', retryable: false })
  await expect(sourceOf(option).get()).rejects.toThrow(message)
})

test('a function is asked each time', async () => {
  let count = 0
  const source = sourceOf(() => `token${++count}`)
  expect(source.renewable).toBe(true)
  expect([await source.get(), await source.get()]).toEqual(['token1', 'token2'])
})

test('a function may take its time', async () => {
  expect(await sourceOf(async () => 'later').get()).toBe('later')
})

test.each<[string, () => unknown, string]>([
  ['returns nothing', () => undefined, 'of type undefined'],
  ['resolves to a Response', async () => new Response('x'), 'of type object'],
  ['returns an error page', () => '<html>', 'not a JSON Web Token'],
  [
    'throws',
    () => {
      throw new TypeError('fetch failed')
    },
    'The `token` function failed: fetch failed.',
  ],
  ['rejects', () => Promise.reject(new Error('offline')), 'offline.'],
  ['rejects with no error', () => Promise.reject('offline'), 'offline.'],
])('a function that %s has failed; it may do better later, if it said so itself', async (what, option, message) => {
  const source = sourceOf(option as () => string)
  const retryable = /^(throws|rejects)/.test(what)
  await expect(source.get()).rejects.toMatchObject({ code: 'token-failed', retryable })
  await expect(source.get()).rejects.toThrow(message)
})

test('a function may throw an error of this library, whose code stays', async () => {
  const error = new AldisError('server-unreachable', 'The backend is down.')
  await expect(sourceOf(() => Promise.reject(error)).get()).rejects.toMatchObject({ code: 'server-unreachable', cause: error })
})

test('without a token a development server is asked, always for the same guest', async () => {
  const world = newWorld()
  world.server.answer = () => new Response('{"token":"dev.token"}')
  const source = sourceOf(undefined, world)
  expect(source.renewable).toBe(true)
  expect([await source.get(), await source.get()]).toEqual(['dev.token', 'dev.token'])
  const urls = world.server.requests.map(({ url }) => url)
  expect(urls[0]).toBe('https://rtc.example.org/dev/token?room=standup&identity=guest-i000')
  expect(urls[1]).toBe(urls[0])
})

test.each([
  [0, 'guest-0000'],
  [0.000001, 'guest-0001'],
  [0.999999, 'guest-zzzy'],
])('chance %d names a guest %s', async (chance, guest) => {
  const world = newWorld({ random: () => chance })
  world.server.answer = () => new Response('{"token":"dev.token"}')
  await sourceOf(undefined, world).get()
  expect(world.server.requests[0]?.url).toContain(`identity=${guest}`)
})

test('a server that gives out no tokens says that one must be passed', async () => {
  const world = newWorld()
  world.server.answer = () => problem(404, { code: 'not-found', message: 'Nothing is here.' })
  const failure = await sourceOf(undefined, world)
    .get()
    .catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'token-missing', retryable: false })
  expect(String(failure)).toContain('Pass `token`')
})

test.each<[string, () => Response | Promise<Response>, object]>([
  ['refuses', () => problem(503, { code: 'draining', message: 'Bye.', retryAfterMs: 9 }), { code: 'draining', retryAfterMs: 9 }],
  [
    'is behind a proxy that fails',
    () => new Response('<html>', { status: 502 }),
    { code: 'server-unreachable', retryable: true },
  ],
  ['cannot be reached', () => Promise.reject(new TypeError('x')), { code: 'server-unreachable', retryable: true }],
  [
    'is another program with one page for everything',
    () => new Response('<!doctype html>'),
    { code: 'server-unreachable', retryable: false, message: 'The server answered 200, and not as Aldis does.' },
  ],
  ['answers with nothing', () => new Response('null'), { code: 'server-unreachable' }],
  ['answers with no token', () => new Response('{}'), { code: 'token-failed' }],
  ['answers with another type', () => new Response('{"token":7}'), { code: 'token-failed' }],
])('a development server that %s', async (_, answer, error) => {
  const world = newWorld()
  world.server.answer = answer
  await expect(sourceOf(undefined, world).get()).rejects.toMatchObject(error)
})
