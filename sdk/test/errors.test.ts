import { expect, test } from 'vitest'
import { callError } from '../src/call-errors.ts'
import { AldisError, asAldisError, reason } from '../src/errors.ts'

test('an error has a code, a message and a hint, and is not worth another try unless it says so', () => {
  const error = new AldisError('left', 'This room was left.')
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'AldisError', code: 'left', message: 'This room was left.', retryable: false })
  expect(error.hint).toBe('Join again with `joinRoom`.')
  expect(error.retryAfterMs).toBeUndefined()
  expect('cause' in error).toBe(false)
})

test('what accompanies an error takes the place of what it has by itself', () => {
  const cause = new Error('why')
  const details = { hint: 'Wait.', retryable: true, retryAfterMs: 7, cause }
  expect(new AldisError('left', 'Gone.', details)).toMatchObject(details)
})

test('an error of the server without a hint has none', () => {
  expect(new AldisError('room-full', 'Full.').hint).toBe('')
  expect(String(new AldisError('room-full', 'Full.'))).toBe('AldisError: room-full: Full.')
})

test('one line shows the code and the hint', () => {
  const line = 'AldisError: left: This room was left. Join again with `joinRoom`.'
  expect(String(new AldisError('left', 'This room was left.'))).toBe(line)
})

test('whatever was thrown becomes an error of this library, and what is one already stays as it is', () => {
  const own = new AldisError('left', 'Gone.')
  expect(asAldisError(own, 'token-failed', 'No token')).toBe(own)
  const cause = new TypeError('fetch failed')
  expect(asAldisError(cause, 'token-failed', 'No token')).toMatchObject({
    code: 'token-failed',
    message: 'No token: fetch failed.',
    cause,
  })
})

test.each([
  [new Error('It broke'), 'It broke.'],
  [new Error('It broke.'), 'It broke.'],
  [new Error('Really?'), 'Really?'],
  ['text', 'text.'],
  [undefined, 'undefined.'],
  [{ toString: (): string => 'odd!' }, 'odd!'],
])('%o ends a sentence', (thrown, sentence) => {
  expect(reason(thrown)).toBe(sentence)
})

test('what only calls come to has its hint from the room that raises it, unless it brings another', () => {
  const cause = new Error('why')
  expect(callError('media-busy', 'The camera does not start.', { cause })).toMatchObject({
    code: 'media-busy',
    message: 'The camera does not start.',
    hint: 'Close the program that uses it.',
    retryable: false,
    cause,
  })
  expect('cause' in callError('media-busy', 'It does not start.')).toBe(false)
  expect(callError('channel-full', 'It is full.', { hint: 'Wait.' })).toMatchObject({ hint: 'Wait.', retryable: true })
})
