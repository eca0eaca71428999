import { expect, test } from 'vitest'
import { endpointOf } from '../src/endpoint.ts'
import { AldisError } from '../src/errors.ts'

test.each([
  ['https://rtc.example.org', 'wss://rtc.example.org/v1/signal?room=a', 'https://rtc.example.org/v1/signal?room=a'],
  ['http://localhost:8080', 'ws://localhost:8080/v1/signal?room=a', 'http://localhost:8080/v1/signal?room=a'],
  ['wss://rtc.example.org', 'wss://rtc.example.org/v1/signal?room=a', 'https://rtc.example.org/v1/signal?room=a'],
  ['ws://127.0.0.1:9', 'ws://127.0.0.1:9/v1/signal?room=a', 'http://127.0.0.1:9/v1/signal?room=a'],
  ['https://example.org/aldis', 'wss://example.org/aldis/v1/signal?room=a', 'https://example.org/aldis/v1/signal?room=a'],
  ['https://example.org/aldis//', 'wss://example.org/aldis/v1/signal?room=a', 'https://example.org/aldis/v1/signal?room=a'],
  ['https://[::1]:4433/?x=1#y', 'wss://[::1]:4433/v1/signal?room=a', 'https://[::1]:4433/v1/signal?room=a'],
])('%s is the base of %s', (base, socket, probe) => {
  for (const given of [base, new URL(base)]) {
    const endpoint = endpointOf(given, 'a')
    expect(endpoint.socket).toBe(socket)
    expect(endpoint.probe).toBe(probe)
  }
})

test('tokens of a development server are for one room and one identity', () => {
  expect(endpointOf('ws://localhost:8080/base/', 'team:1').devToken('guest 1')).toBe(
    'http://localhost:8080/base/dev/token?room=team%3A1&identity=guest+1',
  )
})

test.each(['a', 'Team_7.x:y@z-', '0'.repeat(128)])('%s is a room', (room) => {
  const { searchParams } = new URL(endpointOf('https://example.org', room).socket)
  expect(searchParams.get('room')).toBe(room)
})

test.each(['', 'a b', 'ä', 'a/b', 'a\n', 'room*', '0'.repeat(129)])('%j is no room', (room) => {
  expect(() => endpointOf('https://example.org', room)).toThrow(AldisError)
  expect(() => endpointOf('https://example.org', room)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  expect(() => endpointOf('https://example.org', room)).toThrow('`room`')
})

test.each([
  ['', 'not ""'],
  ['rtc.example.org', 'not "rtc.example.org"'],
  ['https://', 'must be a URL of http or ws'],
  ['/aldis', 'must be a URL of http or ws'],
  ['localhost:8080', 'not "localhost:8080"'],
  ['ftp://example.org', 'not "ftp:'],
  ['file:///etc/passwd', 'not "file:'],
])('%j is no server: %s', (base, message) => {
  expect(() => endpointOf(base, 'a')).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  expect(() => endpointOf(base, 'a')).toThrow(message)
})
