/** A page, a server and a network that are examined. All is well with them until the test says otherwise. */

import type { DiagnosisEnvironment } from '../../src/diagnose/environment.ts'
import type { Check, CheckId } from '../../src/diagnose/report.ts'
import { type DiagnoseOptions, diagnose, type Report } from '../../src/diagnose.ts'
import type { ClientMessage, IceServer, ServerMessage } from '../../src/generated/wire.ts'
import type { SocketEvents } from '../../src/socket.ts'
import { FakeClock } from './clock.ts'
import { FakeIceNetwork } from './ice.ts'
import { problem, welcome } from './server.ts'
import { newWorld } from './world.ts'

export const SERVER = 'https://rtc.example.org'

/** The moment of the examination. */
export const NOW: number = Date.parse('2026-11-28T12:00:00Z')

const USERNAME = '1796000000:n4c2k7vq'
const CREDENTIAL = 'mGJ0bG9va3MgbGlrZSB0aGlzPQ=='
export const STUN = 'stun:turn.example.org:3478'
export const UDP = 'turn:turn.example.org:3478'
export const TCP = 'turn:turn.example.org:3478?transport=tcp'
export const TLS = 'turns:turn.example.org:443?transport=tcp'

/** Everything that a report must not hold. */
export const SECRETS: readonly string[] = [USERNAME, CREDENTIAL, '203.0.113.7', '192.168.1.5', '198.51.100.9']

/** How the WebSocket behaves. */
type SocketWay = 'welcomes' | 'never opens' | 'is closed' | 'says nothing' | 'is missing' | { readonly refuses: ServerMessage }

/** See the module. */
export class Patient {
  readonly clock: FakeClock = new FakeClock()
  readonly ice: FakeIceNetwork = new FakeIceNetwork()
  iceServers: IceServer[] = [{ urls: [STUN] }, { urls: [UDP, TCP, TLS], username: USERNAME, credential: CREDENTIAL }]
  socket: SocketWay = 'welcomes'
  /** How many are in the room now, and how many there ever were at once. */
  readonly stays: { now: number; most: number } = { now: 0, most: 0 }
  /** What the WebSockets were told. */
  readonly said: ClientMessage[] = []
  readonly posts: { readonly url: string; readonly body: unknown }[] = []
  probe: () => Response | Promise<Response> = () => new Response('{}', { headers: { date: new Date(NOW).toUTCString() } })
  stream: () => Response | Promise<Response> = () => problem(406, { code: 'not-acceptable', message: 'No.' })
  devices: readonly MediaDeviceKind[] = ['videoinput', 'audioinput']
  permission: PermissionState | Error = 'granted'
  opened = 0

  readonly environment: DiagnosisEnvironment = {
    ...newWorld().environment,
    clock: this.clock,
    openSocket: (_, __, events) => this.#open(events),
    fetch: (url, init) => this.#ask(url, init),
    createConnection: this.ice.createConnection,
    getUserMedia: async () => {
      this.opened += 1
      return { getTracks: () => [] } as unknown as MediaStream
    },
    wallClock: () => NOW + this.clock.now(),
    page: { secure: true, protocol: 'https:' },
    agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36',
    enumerateDevices: async () => this.devices.map((kind) => ({ kind })),
    queryPermission: async () => {
      if (this.permission instanceof Error) throw this.permission
      return this.permission
    },
  }

  /** Runs the diagnosis to its end. */
  async examine({ environment, ...options }: DiagnoseOptions = {}, url: string = SERVER): Promise<Report> {
    const all = 'token' in options ? options : { token: tokenFor('standup'), ...options }
    let over = false
    const done = diagnose(url, { ...all, environment: { ...this.environment, ...environment } })
    const end = (): void => {
      over = true
    }
    done.then(end, end)
    // What is known at once is known at once: time moves on only for what waits for it. The relay's loop takes turns of the event loop.
    for (let turn = 0; turn < 300 && !over; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve))
      if (turn >= 20) await this.clock.advance(100)
    }
    return done
  }

  #open(events: SocketEvents): { send(text: string): void; close(): void } {
    const way = this.socket
    if (way === 'is missing') throw new ReferenceError('WebSocket is not defined')
    let heard: SocketEvents | undefined = events
    let inside = false
    const later = (run: () => void): void => queueMicrotask(() => heard !== undefined && run())
    const say = (message: ServerMessage): void => later(() => heard?.onMessage(JSON.stringify(message)))
    const end = (code: number): void => {
      if (inside) this.stays.now -= 1
      inside = false
      heard?.onClose(code)
      heard = undefined
    }
    later(() => (way === 'never opens' ? end(1006) : events.onOpen()))
    return {
      send: (text) => {
        const message: ClientMessage = JSON.parse(text)
        this.said.push(message)
        if (message.type === 'hello' && way === 'welcomes') {
          inside = true
          this.#enter()
          say(welcome({ iceServers: this.iceServers }))
        }
        if (message.type === 'hello' && typeof way === 'object') {
          say(way.refuses)
          later(() => end(4401))
        }
        if (message.type === 'hello' && way === 'is closed') later(() => end(1006))
        if (message.type === 'ping') say({ type: 'pong' })
        if (message.type === 'leave') later(() => end(1000))
      },
      close: () => {
        heard = undefined
      },
    }
  }

  #enter(): void {
    this.stays.now += 1
    this.stays.most = Math.max(this.stays.most, this.stays.now)
  }

  async #ask(url: string, init: RequestInit): Promise<Response> {
    if (init.method !== 'POST') return this.probe()
    this.posts.push({ url, body: JSON.parse(String(init.body)) })
    return this.stream()
  }
}

/** A token for a room, with further claims. Nobody verifies it here. */
export function tokenFor(room: string, claims: object = {}): string {
  const part = (value: object): string =>
    btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  return `${part({ alg: 'HS256' })}.${part({ sub: 'ann', room, exp: NOW / 1_000 + 600, ...claims })}.c2lnbmF0dXJl`
}

/** One check of a report. */
export function of(report: Report, id: CheckId): Check {
  const check = report.checks.find((one) => one.id === id)
  if (check === undefined) throw new Error(`The report has no ${id}.`)
  return check
}

/** What was found to be wrong: the code of each check that is neither well nor skipped. */
export function wrong(report: Report): Partial<Record<CheckId, string>> {
  const bad = report.checks.filter(({ status }) => status === 'failed' || status === 'warning')
  return Object.fromEntries(bad.map(({ id, code }) => [id, code]))
}
