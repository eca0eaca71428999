import { expect, test } from 'vitest'
import { RETRYABLE_CODES, type WireError } from '../src/generated/wire.ts'
import { fromServer, refusalOf } from '../src/problem.ts'
import { problem } from './support/server.ts'

test('an error of the server keeps its code, its words and its time', () => {
  const wire: WireError = { code: 'rate-limited', message: 'Too much.', hint: 'Wait.', retryAfterMs: 400 }
  expect(fromServer(wire)).toMatchObject({ ...wire, retryable: true })
})

test.each(RETRYABLE_CODES)('%s may go away by itself', (code) => {
  expect(fromServer({ code, message: '' }).retryable).toBe(true)
})

test.each(['forbidden', 'token-expired', 'origin-forbidden', 'protocol-unsupported', 'removed'] as const)(
  '%s does not go away by itself',
  (code) => {
    expect(fromServer({ code, message: '' }).retryable).toBe(false)
  },
)

test('a code that this version does not know is passed on', async () => {
  const refusal = await refusalOf(problem(418, { code: 'teapot', message: 'Short and stout.', hint: 'Tip it over.' }))
  expect(refusal).toMatchObject({ code: 'teapot', message: 'Short and stout.', hint: 'Tip it over.', retryable: false })
})

test.each([
  ['a page of a proxy', new Response('<html>Bad gateway</html>', { status: 502 }), true],
  ['nothing at all', new Response(null, { status: 503 }), true],
  ['a page of another server', new Response('<html>Not here</html>', { status: 404 }), false],
  ['other JSON', problem(400, { error: 'nope' }), false],
  ['a code that is no text', problem(500, { code: 5, message: 'x' }), true],
  ['a message that is no text', problem(500, { code: 'internal', message: null }), true],
  ['a list', new Response('[]', { status: 400 }), false],
  ['null', new Response('null', { status: 400 }), false],
  ['a number', new Response('7', { status: 599 }), true],
])('%s is no refusal of Aldis', async (_, answer, retryable) => {
  const refusal = await refusalOf(answer)
  expect(refusal).toMatchObject({ code: 'server-unreachable', retryable })
  expect(refusal.message).toContain(String(answer.status))
})
