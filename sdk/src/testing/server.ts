/**
 * A server in memory, for tests of applications: without network, browser or, with a clock of the test's, time.
 *
 * What it does when nothing is wrong is what the real one does, and one test runs the same stories against both. What is wrong is up to the
 * test. What it lacks: rates, the limits of nodes and addresses, and the signature of tokens.
 */

import { type Clock, systemClock } from '../clock.ts'
import { checkRoom } from '../endpoint.ts'
import type { Environment } from '../environment.ts'
import type { ErrorCode } from '../generated/wire.ts'
import type { JoinOptions } from '../join.ts'
import { checkOptions, oneOf } from '../options.ts'
import { checkReason } from '../signals.ts'
import type { TestClaims } from './claims.ts'
import { Desk } from './desk.ts'
import { checkClaims, checkCode, checkCount, checkMs, checkWhom, SERVER_OPTIONS } from './input.ts'
import { FakeStream, FakeTrack } from './media.ts'
import { TestNetwork } from './network.ts'
import { Script, type Whom } from './script.ts'
import { HEARTBEAT } from './welcome.ts'

/**
 * How a test server is made.
 *
 * @example
 * const options: TestServerOptions = { clock: new TestClock(), iceServers: [{ urls: 'stun:stun.example.org' }] }
 * const server = createTestServer(options)
 */
export interface TestServerOptions {
  /** Time; by default the system's. A {@link TestClock} moves only when the test moves it. */
  readonly clock?: Clock
  /** What connects peers; by default a {@link TestNetwork} of its own. */
  readonly createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection
  /** What `welcome` says of ICE servers; by default there are none. */
  readonly iceServers?: readonly RTCIceServer[]
}

/** A dead connection is found out after so long, in milliseconds. */
const DEAD_MS = HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs

/**
 * A server in memory; made by {@link createTestServer}. Each of its faults concerns what happens from then on.
 *
 * @example
 * const alice = await joinRoom(server.url, server.options({ room: 'standup', identity: 'alice' }))
 * const bob = await joinRoom(server.url, server.options({ room: 'standup', identity: 'bob' }))
 * server.cut('alice')
 */
export class TestServer {
  /** For `joinRoom`. */
  readonly url: string = 'https://test.invalid'
  /** What connects the peers, unless the test brought its own. */
  readonly network: TestNetwork = new TestNetwork()
  /** For `joinRoom`: everything that it would take from the browser. */
  readonly environment: Environment
  readonly #script = new Script()
  readonly #desk: Desk

  /** @internal */
  constructor(options: TestServerOptions) {
    checkOptions(options, SERVER_OPTIONS)
    const { clock = systemClock, iceServers = [] } = options
    this.#desk = new Desk({ clock, script: this.#script, iceServers })
    this.environment = {
      clock,
      random: () => 0.5,
      openSocket: (url, protocols, events) => this.#desk.open(url, protocols, events),
      fetch: async (url, init) => this.#desk.answer(url, init),
      createConnection: options.createConnection ?? this.network.createConnection,
      getUserMedia: async ({ audio, video }) => {
        const kinds = (['audio', 'video'] as const).filter((kind) => (kind === 'audio' ? audio : video))
        return new FakeStream(kinds.map((kind) => new FakeTrack(kind))).asBrowsers()
      },
      getDisplayMedia: async () => new FakeStream([new FakeTrack('video')]).asBrowsers(),
      getCapabilities: () => [],
      watchPage: () => () => undefined,
      isHidden: () => false,
      warn: () => undefined,
    }
  }

  /**
   * The options of somebody for `joinRoom`. Each call of their `token` function gives a fresh token.
   *
   * @param who the claims of the token, with `identity` for `sub`
   * @example
   * await joinRoom(server.url, server.options({ room: 'standup', identity: 'alice', can: ['signal', 'message', 'broadcast'] }))
   */
  options(who: Omit<TestClaims, 'sub'> & { readonly identity: string }): JoinOptions & { readonly environment: Environment } {
    checkClaims(who, 'identity')
    const { identity, ...claims } = who
    return { room: who.room, token: () => this.token({ ...claims, sub: identity }), environment: this.environment }
  }

  /**
   * A token.
   *
   * @param claims what it says
   * @example
   * await joinRoom(server.url, { room: 'standup', token: server.token({ sub: 'alice', room: 'standup' }), environment: server.environment })
   */
  token(claims: TestClaims): string {
    checkClaims(claims, 'sub')
    return this.#desk.token(claims)
  }

  /**
   * The ids of those who are in a room, oldest first.
   *
   * @example
   * show(server.peers('standup').length)
   */
  peers(room: string): readonly string[] {
    checkRoom('room', room)
    return this.#desk.rooms.get(room)?.sessions.map(({ id }) => id) ?? []
  }

  /**
   * Breaks somebody's connection to the server; both ends notice.
   *
   * @example
   * server.cut('alice')
   */
  cut(who: Whom): void {
    for (const { line } of this.#desk.find(who)) line.cut()
  }

  /**
   * Lets the next connections in no more, with the server's own words for it.
   *
   * @param code why: `overloaded`, `room-full`, `token-invalid`, …
   * @param times how many of them
   * @example
   * server.refuse('overloaded', 3)
   */
  refuse(code: ErrorCode, times = 1): void {
    checkCode('code', code)
    checkCount('times', times)
    this.#script.refuse(code, times)
  }

  /**
   * Nothing comes through to somebody or from them, and the connection looks open: as when a laptop changes its network. The server finds it
   * out after 25 s.
   *
   * @returns ends it, if the connection is still the same
   * @example
   * const speak = server.silence('alice')
   */
  silence(who: Whom): () => void {
    const guests = this.#desk.find(who)
    for (const guest of guests) {
      guest.line.silence()
      guest.scope.after(DEAD_MS, () => {
        if (guest.line.isSilent) this.#desk.closed(guest, 1006)
      })
    }
    return () => {
      for (const { line } of guests) line.hear()
    }
  }

  /**
   * Everything between clients and the server takes so long from now on, each way.
   *
   * @example
   * server.delay(200)
   */
  delay(ms: number): void {
    checkMs('ms', ms)
    this.#script.delayMs = ms
  }

  /**
   * Loses the next signals, without a word to anybody.
   *
   * @param count how many
   * @param who from whom; by default from anybody
   * @example
   * server.drop(1, 'alice')
   */
  drop(count: number, who?: Whom): void {
    checkCount('count', count)
    if (who !== undefined) checkWhom('who', who)
    this.#script.drop(count, who)
  }

  /**
   * Refuses somebody's next signal.
   *
   * @param who the sender
   * @param code why: `queue-full`, `rate-limited`, `forbidden`, …
   * @example
   * server.fail('alice', 'queue-full')
   */
  fail(who: Whom, code: ErrorCode): void {
    checkWhom('who', who)
    checkCode('code', code)
    this.#script.fail(who, code)
  }

  /**
   * Kills the server, and starts it again.
   *
   * @param sessions whether it knows its clients' sessions again, as one with `ALDIS_CLUSTER_SECRET` does
   * @example
   * server.restart('lost')
   */
  restart(sessions: 'kept' | 'lost' = 'kept'): void {
    oneOf("'kept' or 'lost'")('sessions', sessions)
    this.#desk.forget(sessions)
  }

  /**
   * Shuts down in order: tells everybody to connect again within some time, and lets go of whoever has not.
   *
   * @example
   * server.drain(5_000)
   */
  drain(withinMs = 25_000): void {
    checkMs('withinMs', withinMs)
    for (const { line, scope } of this.#desk.guests) {
      line.say({ type: 'reconnect', reason: 'drain', withinMs })
      scope.after(withinMs, () => line.end(1012))
    }
  }

  /**
   * Somebody's token has expired.
   *
   * @example
   * server.expireToken('alice')
   */
  expireToken(who: Whom): void {
    for (const guest of this.#desk.find(who)) this.#desk.expel(guest, 'token-expired')
  }

  /**
   * Says that somebody's token will expire: their client asks for another one.
   *
   * @example
   * server.warnOfToken('alice')
   */
  warnOfToken(who: Whom): void {
    for (const { line, claims } of this.#desk.find(who)) line.say({ type: 'token-expiring', tokenExpiresAt: claims.exp * 1_000 })
  }

  /**
   * Removes somebody, as a moderator does.
   *
   * @example
   * server.kick('alice', 'spam')
   */
  kick(who: Whom, reason?: string): void {
    checkReason('reason', reason)
    for (const guest of this.#desk.find(who)) this.#desk.kick(guest, reason)
  }

  /**
   * A room takes so many peers; by default those who are there.
   *
   * @example
   * server.full('standup')
   */
  full(room: string, peers: number = this.peers(room).length): void {
    checkRoom('room', room)
    checkCount('peers', peers)
    this.#script.full(room, peers)
  }
}

/**
 * Makes a server in memory.
 *
 * @param options a clock, above all
 * @example
 * const server = createTestServer()
 * const room = await joinRoom(server.url, server.options({ room: 'standup', identity: 'alice' }))
 */
export function createTestServer(options: TestServerOptions = {}): TestServer {
  return new TestServer(options)
}
