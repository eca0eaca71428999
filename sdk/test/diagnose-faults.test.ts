/** Each fault is found, by its name, and nothing else is blamed for it. */

import { describe, expect, test } from 'vitest'
import type { CheckId, FindingCode } from '../src/diagnose.ts'
import { NOW, of, Patient, SERVER, STUN, TCP, TLS, tokenFor, UDP, wrong } from './support/patient.ts'
import { problem } from './support/server.ts'

type Fault = [what: string, spoil: (patient: Patient) => void, found: Partial<Record<CheckId, FindingCode>>, skipped: CheckId[]]

const ICE: CheckId[] = ['stun', 'turn-udp', 'turn-tcp', 'turn-tls', 'relay']

const refuse =
  (status: number, code: string) =>
  (patient: Patient): void => {
    patient.probe = () => {
      const refusal = problem(status, { code, message: `It is ${code}.`, hint: 'Mend it.' })
      refusal.headers.set('date', new Date(NOW).toUTCString())
      return refusal
    }
    patient.socket = { refuses: { type: 'error', code: code as 'token-invalid', message: `It is ${code}.` } }
  }

const answer =
  (...answers: [string, number | 'silent' | 'nothing'][]) =>
  ({ ice }: Patient): void => {
    for (const [url, what] of answers) ice.answers.set(url, what)
  }

const FAULTS: Fault[] = [
  ['a token that no key signed', refuse(401, 'token-invalid'), { token: 'token-invalid' }, ['event-stream', ...ICE]],
  ['a token that has expired', refuse(401, 'token-expired'), { token: 'token-expired' }, ['event-stream', ...ICE]],
  ['a token for another room', refuse(403, 'forbidden'), { token: 'forbidden' }, ['event-stream', ...ICE]],
  ['a full room', refuse(409, 'room-full'), { server: 'room-full' }, ['event-stream', ...ICE]],
  [
    'a page of an origin that may not',
    refuse(403, 'origin-forbidden'),
    { server: 'origin-forbidden' },
    ['token', 'event-stream', ...ICE],
  ],
  [
    'a proxy without WebSockets',
    (patient) => {
      patient.socket = 'never opens'
    },
    { websocket: 'websocket-blocked' },
    ['event-stream', ...ICE],
  ],
  [
    'a WebSocket that dies',
    (patient) => {
      patient.socket = 'is closed'
    },
    { websocket: 'websocket-blocked' },
    ['event-stream', ...ICE],
  ],
  [
    'a WebSocket that says nothing',
    (patient) => {
      patient.socket = 'says nothing'
    },
    { websocket: 'timed-out' },
    ['event-stream', ...ICE],
  ],
  [
    'a wrong TURN secret',
    answer([UDP, 401], [TCP, 401], [TLS, 401]),
    { 'turn-udp': 'turn-refused', 'turn-tcp': 'turn-refused', 'turn-tls': 'turn-refused' },
    ['event-stream', 'relay'],
  ],
  ['a TURN quota', answer([UDP, 486]), { 'turn-udp': 'turn-refused' }, ['event-stream']],
  ['a dead TURN port', answer([TCP, 701]), { 'turn-tcp': 'turn-unreachable' }, ['event-stream']],
  [
    'no TURN at all',
    answer([UDP, 'silent'], [TCP, 701], [TLS, 701]),
    { 'turn-udp': 'turn-unreachable', 'turn-tcp': 'turn-unreachable', 'turn-tls': 'turn-unreachable' },
    ['event-stream', 'relay'],
  ],
  [
    'a network without UDP',
    answer([STUN, 'silent'], [UDP, 'silent']),
    { stun: 'stun-unreachable', 'turn-udp': 'udp-blocked' },
    ['event-stream'],
  ],
  ['a closed TURN port for UDP alone', answer([UDP, 'silent']), { 'turn-udp': 'turn-unreachable' }, ['event-stream']],
  ['a dead STUN server', answer([STUN, 701]), { stun: 'stun-unreachable' }, ['event-stream']],
  [
    'relays through which nothing comes',
    ({ ice }) => {
      ice.relays = 'closed'
    },
    { relay: 'relay-closed' },
    ['event-stream'],
  ],
  [
    'no TURN server',
    (patient) => {
      patient.iceServers = [{ urls: [STUN] }]
    },
    { relay: 'turn-missing' },
    ['event-stream', 'turn-udp', 'turn-tcp', 'turn-tls'],
  ],
  [
    'no camera',
    (patient) => {
      patient.devices = ['audioinput', 'audiooutput']
    },
    { camera: 'media-missing' },
    ['event-stream'],
  ],
  [
    'denied devices',
    (patient) => {
      patient.permission = 'denied'
    },
    { camera: 'media-denied', microphone: 'media-denied' },
    ['event-stream'],
  ],
]

test.each(FAULTS)('%s is named', async (_, spoil, found, skipped) => {
  const patient = new Patient()
  spoil(patient)
  const report = await patient.examine()
  expect(wrong(report)).toEqual(found)
  expect(
    report.checks
      .filter(({ status }) => status === 'skipped')
      .map(({ id }) => id)
      .sort(),
  ).toEqual([...skipped].sort())
  for (const { status, todo, id } of report.checks) if (status === 'failed' || status === 'warning') expect(todo, id).not.toBe('')
})

test('what other checks can do makes a warning of a failure', async () => {
  const patient = new Patient()
  answer([STUN, 'silent'], [UDP, 'silent'])(patient)
  expect((await patient.examine()).status).toBe('warning')
  answer([TCP, 701], [TLS, 701])(patient)
  const report = await patient.examine()
  expect([of(report, 'turn-udp').status, of(report, 'turn-udp').code]).toEqual(['failed', 'turn-unreachable'])
  expect(of(report, 'turn-udp').found).toMatch(/within 5 s/)
})

test('where TURN answers by TCP alone it may be the network or the server, and the port is that of the URL', async () => {
  const patient = new Patient()
  const [udp, tcp] = ['turn:turn.example.org:5000', 'turn:turn.example.org:5000?transport=tcp']
  patient.iceServers = [{ urls: [STUN, udp, tcp], username: 'somebody', credential: 'something' }]
  answer([STUN, 'silent'], [udp, 'silent'])(patient)
  const { code, found, todo } = of(await patient.examine(), 'turn-udp')
  expect(code).toBe('udp-blocked')
  expect(found).toMatch(/this network lets no UDP through, or the TURN server does not listen for it/)
  expect(todo).toMatch(/listens at UDP 5000/)
  expect(todo).not.toContain('3478')
})

test.each([
  [
    'turn:no-such-host.example.org',
    'Check that the name no-such-host.example.org is right and has an address, that the TURN server runs',
  ],
  ['turn:192.0.2.7:3478', 'Check that the TURN server runs'],
  ['turn:[2001:db8::7]:3478', 'Check that the TURN server runs'],
])('where nothing answers at %s its name is doubted too, if it is one', async (url, todo) => {
  const patient = new Patient()
  patient.iceServers = [{ urls: [url], username: 'somebody', credential: 'something' }]
  answer([url, 701])(patient)
  expect(of(await patient.examine(), 'turn-udp').todo).toContain(todo)
})

test('a wrong secret is told from a quota, and known at once', async () => {
  const patient = new Patient()
  answer([UDP, 401], [TCP, 486], [TLS, 401])(patient)
  const report = await patient.examine()
  expect(of(report, 'turn-udp').todo).toContain('secret')
  expect(of(report, 'turn-tcp').todo).toContain('quota')
  expect(report.durationMs).toBe(0)
})

test('of two servers for one way one is enough', async () => {
  const patient = new Patient()
  const second = 'turn:other.example.org'
  patient.iceServers = [{ urls: [UDP, second], username: 'somebody', credential: 'something' }]
  answer([second, 701])(patient)
  const report = await patient.examine()
  expect(wrong(report)).toEqual({ 'turn-udp': 'turn-unreachable' })
  expect(of(report, 'turn-udp').status).toBe('warning')
  expect(of(report, 'turn-udp').found).toContain(second)
})

describe('a browser that does not tell the errors of TURN', () => {
  test('names both faults that it may be', async () => {
    const patient = new Patient()
    patient.ice.tellsErrors = false
    answer([UDP, 401], [TCP, 401], [TLS, 'nothing'])(patient)
    const report = await patient.examine()
    expect(wrong(report)).toMatchObject({ 'turn-udp': 'turn-unreachable' })
    expect(of(report, 'turn-udp').found).toContain('or refuses the credential')
    expect(of(report, 'turn-udp').todo).toContain('secret')
  })

  test('says of a STUN server without news that it cannot know', async () => {
    const patient = new Patient()
    answer([STUN, 'nothing'])(patient)
    expect(of(await patient.examine(), 'stun').found).toContain('no NAT')
    patient.ice.tellsErrors = false
    expect(wrong(await patient.examine())).toEqual({ stun: 'stun-unreachable' })
  })
})

describe('clocks', () => {
  const dated = (patient: Patient, ms: number): void => {
    patient.probe = () => new Response('{}', { headers: { date: new Date(NOW + ms).toUTCString() } })
  }

  test.each([
    [600_000, '10 min behind'],
    [-600_000, '10 min ahead of'],
    [-40_000, '40 s ahead of'],
    [-10_800_000, '3 h ahead of'],
  ])('a server that is %i ms ahead of this device', async (ms, words) => {
    const patient = new Patient()
    dated(patient, ms)
    const report = await patient.examine()
    expect(wrong(report)).toEqual({ clock: 'clock-skewed' })
    expect(of(report, 'clock').found).toContain(words)
  })

  test('half a minute is no fault', async () => {
    const patient = new Patient()
    dated(patient, 29_000)
    expect(wrong(await patient.examine())).toEqual({})
  })

  test('a backend that is ahead is told by its token', async () => {
    const patient = new Patient()
    refuse(401, 'token-invalid')(patient)
    const report = await patient.examine({ token: tokenFor('standup', { iat: NOW / 1_000 + 600 }) })
    expect(wrong(report)).toEqual({ token: 'token-invalid', clock: 'clock-skewed' })
    expect(of(report, 'clock').found).toContain('10 min in the future')
  })

  test('a server that shows no time is not judged', async () => {
    const patient = new Patient()
    patient.probe = () => new Response('{}')
    expect(of(await patient.examine(), 'clock').status).toBe('skipped')
  })
})

describe('a server that is not there', () => {
  test('is the one fault', async () => {
    const patient = new Patient()
    patient.probe = () => Promise.reject(new TypeError('Failed to fetch'))
    patient.socket = 'never opens'
    const report = await patient.examine()
    expect(wrong(report)).toEqual({ server: 'server-unreachable' })
    for (const id of ['token', 'websocket', 'event-stream', 'relay'] as const) expect(of(report, id).found).toContain('`server`')
  })

  test('that was to give out the token, too', async () => {
    const patient = new Patient()
    const fetch = (): Promise<Response> => Promise.reject(new TypeError('Failed to fetch'))
    const token = (): never => {
      throw new Error('not signed in')
    }
    expect(wrong(await patient.examine({ token, environment: { fetch } }))).toEqual({
      token: 'token-failed',
      server: 'server-unreachable',
    })
  })

  test('and answers as another program is named so', async () => {
    const patient = new Patient()
    patient.probe = () => new Response('<h1>It works</h1>', { status: 404 })
    patient.socket = 'never opens'
    expect(wrong(await patient.examine())).toEqual({ server: 'server-unreachable' })
  })

  test.each([undefined, tokenFor('standup')])(
    'and answers everything with its one page is named so, with the token %s',
    async (token) => {
      const patient = new Patient()
      patient.probe = () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } })
      patient.socket = 'never opens'
      const report = await patient.examine({ token: token as string })
      expect(wrong(report)).toEqual({ server: 'server-unreachable' })
      expect(of(report, 'server').found).toBe('The server answered 200, and not as Aldis does.')
      expect(of(report, 'token').found).toContain('`server`')
      expect(of(report, 'websocket').found).toMatch(token ? /`server`/ : /`token`/)
    },
  )
})

describe('the page', () => {
  test.each([
    ['https:', 'http://rtc.example.org', 'mixed-content'],
    ['https:', 'ws://192.0.2.7:7654', 'mixed-content'],
    ['https:', 'http://localhost:7654', undefined],
    ['https:', 'http://127.0.0.1:7654', undefined],
    ['http:', 'http://rtc.example.org', undefined],
    ['https:', SERVER, undefined],
  ])('by %s, with the server at %s', async (protocol, url, code) => {
    const patient = new Patient()
    const report = await patient.examine({ environment: { page: { secure: true, protocol } } }, url)
    expect(of(report, 'page').code).toBe(code)
    if (code) {
      expect(of(report, 'websocket').found).toContain('`page`')
      expect(patient.said).toEqual([])
    }
  })

  test('that came by plain http has no camera', async () => {
    const environment = { page: { secure: false, protocol: 'http:' }, enumerateDevices: undefined, getUserMedia: undefined }
    const report = await new Patient().examine({ environment }, 'http://rtc.example.org')
    expect(wrong(report)).toEqual({ page: 'insecure-context' })
    expect(of(report, 'camera').found).toContain('`page`')
  })
})

describe('devices', () => {
  test('are opened only if that is asked for', async () => {
    const patient = new Patient()
    patient.permission = 'prompt'
    expect(of(await patient.examine(), 'camera')).toMatchObject({ status: 'ok', details: { count: 1, permission: 'prompt' } })
    expect(patient.opened).toBe(0)
    expect(of(await patient.examine({ devices: 'ask' }), 'camera').found).toContain('opens')
    expect(patient.opened).toBe(2)
  })

  test.each([
    ['NotAllowedError', 'media-denied'],
    ['NotFoundError', 'media-missing'],
    ['NotReadableError', 'media-busy'],
  ])('that fail with %s', async (name, code) => {
    const getUserMedia = (): Promise<never> => Promise.reject(new DOMException('no', name))
    const report = await new Patient().examine({ devices: 'ask', environment: { getUserMedia } })
    expect(wrong(report)).toEqual({ camera: code, microphone: code })
  })

  test('whose browser does not tell permissions are no fault', async () => {
    const patient = new Patient()
    patient.permission = new TypeError('camera is not a permission')
    expect(of(await patient.examine(), 'camera')).toMatchObject({ status: 'ok', details: { permission: 'unknown' } })
  })

  test('for which nobody answers the question', async () => {
    const report = await new Patient().examine({ devices: 'ask', environment: { getUserMedia: () => new Promise(() => {}) } })
    expect(wrong(report)).toEqual({ camera: 'timed-out', microphone: 'timed-out' })
  })
})

describe('the event stream', () => {
  const events = (...events: string[]): Response =>
    new Response(events.join(''), { headers: { 'content-type': 'text/event-stream' } })
  const hello = `data: ${JSON.stringify({ type: 'welcome', post: '/aldis/v1/signal/abc', iceServers: [{ urls: [STUN] }] })}\n\n`

  test('that is offered is joined after the WebSocket was left, and left', async () => {
    const patient = new Patient()
    patient.stream = () => {
      expect(patient.stays.now).toBe(0)
      return events(': a comment\n\nevent: ping\n\n', hello)
    }
    const report = await patient.examine({}, 'https://rtc.example.org/aldis')
    expect(of(report, 'event-stream').status).toBe('ok')
    expect(patient.posts).toEqual([
      { url: 'https://rtc.example.org/aldis/v1/signal?room=standup', body: { type: 'hello', protocol: 1 } },
      { url: 'https://rtc.example.org/aldis/v1/signal/abc?room=standup', body: { seq: 1, messages: [{ type: 'leave' }] } },
    ])
  })

  test('brings the ICE servers where there is no WebSocket', async () => {
    const patient = new Patient()
    patient.socket = 'never opens'
    patient.stream = () => events(hello)
    const report = await patient.examine()
    expect(wrong(report)).toEqual({ websocket: 'websocket-blocked', relay: 'turn-missing' })
    expect(of(report, 'stun').status).toBe('ok')
  })

  test.each([
    ['is not let in', () => problem(503, { code: 'draining', message: 'Bye.' }), 'draining'],
    ['begins and says nothing', () => events(': nothing\n\n'), 'timed-out'],
    ['breaks', () => Promise.reject(new TypeError('network')), 'server-unreachable'],
    ['never answers', () => new Promise<Response>(() => {}), 'timed-out'],
  ])('that %s', async (_, stream, code) => {
    const patient = new Patient()
    patient.stream = stream
    expect(wrong(await patient.examine())).toEqual({ 'event-stream': code })
  })
})
