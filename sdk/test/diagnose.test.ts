import { expect, test } from 'vitest'
import { CHECKS, diagnose, type Progress } from '../src/diagnose.ts'
import { of, Patient, SECRETS, SERVER, STUN, TCP, TLS, tokenFor, UDP, wrong } from './support/patient.ts'
import { problem } from './support/server.ts'

test('where all is well every check says so, in its order', async () => {
  const report = await new Patient().examine()
  expect(report.checks.map(({ id }) => id)).toEqual(CHECKS)
  expect(report.status).toBe('ok')
  expect(report.checks.filter(({ status }) => status !== 'ok').map(({ id, found }) => [id, found])).toEqual([
    ['event-stream', 'Not offered by this server.'],
  ])
  expect(of(report, 'relay').found).toContain('by UDP')
  expect(of(report, 'stun').found).toContain('public IPv4')
})

test('a report is data that survives JSON and cloning, and a text', async () => {
  const report = await new Patient().examine()
  expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  expect(structuredClone(report)).toEqual(report)
  expect(String(report)).toBe(report.text)
  expect(report.text).toMatch(
    /^Aldis connection check: 0 failed, 0 warning, 13 ok, 1 skipped\nhttps:\/\/rtc\.example\.org · 2026-11-28T12:00:00/,
  )
  expect(report.text).toContain('Chrome/150 Safari/537')
})

test('it leaves nothing behind: no timer, no connection, no stay', async () => {
  const patient = new Patient()
  await patient.examine()
  expect(patient.clock.planned).toBe(0)
  expect(patient.ice.connections.filter(({ closed }) => !closed)).toEqual([])
  expect(patient.said.map(({ type }) => type)).toEqual(['hello', 'ping', 'leave'])
  expect(patient.stays).toEqual({ now: 0, most: 1 })
})

test('each check is told when it begins and when it is done', async () => {
  const told: Progress[] = []
  const report = await new Patient().examine({ onProgress: (progress) => told.push(progress) })
  for (const check of report.checks) expect(told.filter(({ id }) => id === check.id).at(-1)).toEqual(check)
  expect(told[0]).toEqual({ id: 'page', status: 'running' })
})

test('without a room it looks at that of the token, and with one at that', async () => {
  for (const [room, token, asked] of [
    [undefined, tokenFor('standup'), 'standup'],
    [undefined, tokenFor('team-*'), 'team-check'],
    ['lobby', tokenFor('standup'), 'lobby'],
  ] as const) {
    const patient = new Patient()
    const urls: string[] = []
    const fetch = (url: string, init: RequestInit): Promise<Response> => {
      urls.push(url)
      return patient.environment.fetch(url, init)
    }
    await patient.examine({ token, ...(room && { room }), environment: { fetch } })
    expect(urls.map((url) => new URL(url).searchParams.get('room'))).toEqual([asked, asked])
  }
})

test('the report is as bad as the worst of it', async () => {
  const patient = new Patient()
  patient.devices = []
  expect((await patient.examine()).status).toBe('warning')
  patient.socket = 'never opens'
  expect((await patient.examine()).status).toBe('failed')
})

test('nothing takes longer than 5 s, and everything together no longer than 15 s', async () => {
  const patient = new Patient()
  patient.socket = 'says nothing'
  patient.stream = () => new Promise(() => {})
  for (const url of [STUN, UDP, TCP, TLS]) patient.ice.answers.set(url, 'silent')
  const never = (): Promise<never> => new Promise(() => {})
  const report = await patient.examine({
    iceServers: patient.iceServers as RTCIceServer[],
    environment: { enumerateDevices: never },
  })
  expect(report.durationMs).toBeLessThanOrEqual(15_000)
  for (const { id, durationMs } of report.checks) expect(durationMs, id).toBeLessThanOrEqual(5_000)
  expect(report.checks).toHaveLength(CHECKS.length)
})

test('a token function that never answers costs 5 s', async () => {
  const report = await new Patient().examine({ token: () => new Promise(() => {}) })
  expect(wrong(report)).toEqual({ token: 'token-failed' })
  expect(report.durationMs).toBeLessThanOrEqual(5_100)
  expect(of(report, 'server').status).toBe('ok')
})

test('who is aborted rejects with the reason, at once, and says no more', async () => {
  const patient = new Patient()
  patient.socket = 'says nothing'
  const abort = new AbortController()
  const told: Progress[] = []
  const { signal } = abort
  const done = diagnose(SERVER, {
    token: tokenFor('a'),
    signal,
    onProgress: (one) => told.push(one),
    environment: patient.environment,
  })
  await patient.clock.advance(1_000)
  const before = told.length
  abort.abort(new Error('enough'))
  await expect(done).rejects.toThrow('enough')
  expect(told).toHaveLength(before)
  expect(patient.clock.planned).toBe(0)
  await expect(diagnose(SERVER, { signal, environment: patient.environment })).rejects.toThrow('enough')
})

test.each([
  [{ room: 'a b' }, '`room`'],
  [{ devices: 'loudly' as 'look' }, '`devices`'],
])('%j is no option', async (options, message) => {
  const done = diagnose(SERVER, { ...options, environment: new Patient().environment })
  await expect(done).rejects.toMatchObject({ code: 'invalid-option', message: expect.stringContaining(message) })
})

test('under Node, where there is no page and no WebRTC, the server is checked all the same', async () => {
  const patient = new Patient()
  const createConnection = (): never => {
    throw new ReferenceError('RTCPeerConnection is not defined')
  }
  const report = await patient.examine({ environment: { page: undefined, createConnection } })
  expect(report.status).toBe('ok')
  const made = report.checks.filter(({ status }) => status !== 'skipped').map(({ id }) => id)
  expect(made).toEqual(['server', 'token', 'clock', 'websocket'])
})

test('in a page without WebRTC that is the fault', async () => {
  const createConnection = (): never => {
    throw new Error('blocked')
  }
  expect(wrong(await new Patient().examine({ environment: { createConnection } }))).toEqual({ webrtc: 'webrtc-missing' })
})

test('a browser that refuses what a check needs spoils that check only', async () => {
  const enumerateDevices = (): never => {
    throw new DOMException('no', 'SecurityError')
  }
  const report = await new Patient().examine({ environment: { enumerateDevices } })
  expect(wrong(report)).toEqual({ camera: 'check-failed', microphone: 'check-failed' })
  expect(of(report, 'camera').found).toContain('SecurityError')
})

test('no text holds a token, a credential, an address or a session description', async () => {
  const token = tokenFor('standup')
  const leak = `${token} of ${tokenFor('another')} of 203.0.113.7 and [2001:db8::5]:80 to 0f2a-11.local, ::ffff:203.0.113.7 or fe80::1%eth0`
  const worst: ((patient: Patient) => void)[] = [
    () => {},
    (patient) => {
      patient.probe = () => problem(401, { code: 'token-invalid', message: `${leak} ${SECRETS}`, hint: leak })
    },
    (patient) => {
      patient.probe = () => problem(503, { code: 'draining', message: leak, hint: leak })
    },
    (patient) => {
      patient.socket = { refuses: { type: 'error', code: 'internal', message: leak } }
    },
    (patient) => {
      patient.stream = () => Promise.reject(new TypeError(`${leak} ${SECRETS}`))
    },
    (patient) => {
      const urls = ['turn:203.0.113.7:3478', 'turn:[2001:db8::5]:3478?transport=tcp']
      patient.iceServers = [{ urls, username: SECRETS[0] ?? '', credential: SECRETS[1] ?? '' }]
      for (const url of urls) patient.ice.answers.set(url, 701)
    },
  ]
  for (const spoil of worst) {
    const patient = new Patient()
    spoil(patient)
    const report = await patient.examine({ token }, 'https://203.0.113.7:8443')
    const all = JSON.stringify(report) + report.text
    for (const secret of [token, ...token.split('.'), 'eyJ', '2001:db8', '.local', 'v=0', 'candidate:', ...SECRETS])
      expect(all).not.toContain(secret)
    expect(all).toContain('public IPv4')
  }
})

test.each([
  'https://u:pw123456@x.org/?access_token=opaque-secret-123',
  'wss://pw123456@x.org#access_token=opaque-secret-123',
  'http://x.org:8080/a/b?opaque-secret-123',
  '/token?key=opaque-secret-123&room=a',
  'turn:x.org?transport=tcp&key=opaque-secret-123',
])('of the URL %s in a text of others its secrets are kept out', async (url) => {
  const token = (): never => {
    throw new Error(`GET ${url} failed`)
  }
  const report = await new Patient().examine({ token })
  expect(of(report, 'token').found).toMatch(/^The `token` function failed: GET \S+ failed\.$/)
  for (const secret of ['pw123456', 'opaque-secret-123']) expect(JSON.stringify(report) + report.text).not.toContain(secret)
})

test('what tells the URLs of a TURN server apart is no secret', async () => {
  const patient = new Patient()
  patient.ice.answers.set(TCP, 701)
  expect(of(await patient.examine(), 'turn-tcp').found).toContain(TCP)
})
