/**
 * One connection to the server, from its token to its end.
 *
 * ```text
 *   authorising ── token ──► opening ── open ──► greeting ── welcome ──► standing
 *        │                      │                    │                      │
 *        │            it never opened                └────── it closed ─────┤
 *        │                      ▼                                           ▼
 *        │                   probing ── the server says why ─────────────► over
 *        └── no token ─────────────────────────────────────────────────────▲
 * ```
 *
 * Timers and pending answers belong to a state and end with it ({@link Scope}). What an end means for the session, and what comes after
 * it, is the business of `signaling.ts`: it is told why, and what a close code says about coming back (`RECONNECT`).
 */

import { backoff } from './backoff.ts'
import type { Endpoint } from './endpoint.ts'
import type { SignalingEnvironment } from './environment.ts'
import { AldisError, asAldisError, reason } from './errors.ts'
import type { StreamTools } from './event-stream.ts'
import {
  BEARER_PREFIX,
  type ClientMessage,
  PARTING_CODES,
  PROTOCOL,
  RECONNECT,
  type ReconnectPolicy,
  type ServerMessage,
  SUBPROTOCOL,
  type WelcomeMessage,
} from './generated/wire.ts'
import { Heartbeat } from './heartbeat.ts'
import { fromServer, isRefusal, refusalOf, unreachable } from './problem.ts'
import { Scope } from './scope.ts'
import type { OpenSocket, Socket, SocketEvents } from './socket.ts'
import type { TokenSource } from './token.ts'

/** What a connection needs. */
export interface UplinkOptions {
  readonly endpoint: Endpoint
  readonly token: TokenSource
  readonly environment: SignalingEnvironment
  /** Whether to go by event stream and POST, and not by WebSocket. */
  readonly byStream: boolean
  /** How long a WebSocket may take to open, in milliseconds; 10,000 by default. */
  readonly patienceMs?: number | undefined
  /** Its first message, as late as possible: the newest resume token counts. */
  readonly hello: () => ClientMessage
}

/** What a connection tells; nothing once it was closed from this side. */
export interface UplinkEvents {
  /** It stands. */
  welcome(welcome: WelcomeMessage): void
  /** The server says something that does not concern this connection alone. */
  message(message: ServerMessage): void
  /** It has ended, or was never there. */
  ended(error: AldisError, policy: ReconnectPolicy): void
}

type State =
  | { readonly at: 'authorising' | 'probing' | 'over' }
  | { readonly at: 'opening' | 'greeting' | 'standing'; readonly socket: Socket }

/** The first code with which the server closes for a reason that it gives. */
const FIRST_EXPLAINED = 1009

/** The code of a client that comes back. */
export const CLOSE_WILL_RESUME = 3001

/** How long a WebSocket may take to open, and the server to say `welcome` or answer a probe, in milliseconds. */
const PATIENCE_MS = 10_000

/** The shortest pause before another new token is sent, in milliseconds. */
const RENEWAL_PAUSE_MS = 5_000

/** One connection; see the module. */
export class Uplink {
  readonly #options: UplinkOptions
  readonly #environment: SignalingEnvironment
  readonly #events: UplinkEvents
  #state: State = { at: 'authorising' }
  #scope: Scope
  /** How long a new token is tried to be had and sent. */
  #renewal: Scope
  #heartbeat: Heartbeat | undefined
  /** What there is to say where nothing is heard. */
  #silence: { readonly message: string; readonly hint?: string } = { message: 'The server does not answer.' }
  /** The server's last word, if it was an error: where it closes then, this is why. */
  #parting: AldisError | undefined

  constructor(options: UplinkOptions, events: UplinkEvents) {
    this.#options = options
    this.#environment = options.environment
    this.#events = events
    this.#scope = new Scope(this.#environment.clock)
    this.#renewal = this.#scope
    void this.#authorise()
  }

  /** Sends a message. Call it only between `welcome` and the end. */
  send(message: ClientMessage): void {
    this.#heartbeat?.sent(this.#say(message))
  }

  /** Whether it has not reached the server yet. */
  get isOpening(): boolean {
    const { at } = this.#state
    return at === 'opening' || at === 'probing' || (this.#options.byStream && at === 'greeting')
  }

  /** Asks for a sign of life: it may be dead. */
  doubt(): void {
    this.#heartbeat?.doubt()
  }

  /** Calls `run` after `ms` milliseconds, if the present state still is. */
  after(ms: number, run: () => void): void {
    this.#scope.after(ms, run)
  }

  /** Ends it from this side. */
  close(code: number): void {
    this.#enter({ at: 'over' }, code)
  }

  /** Returns how long it is, about in bytes. */
  #say(message: ClientMessage): number {
    const text = JSON.stringify(message)
    if ('socket' in this.#state) this.#state.socket.send(text)
    return text.length
  }

  /** Changes the state: whatever belonged to the old one ends. */
  #enter(next: State, code = CLOSE_WILL_RESUME): Scope {
    const before = this.#state
    this.#scope = this.#scope.next()
    this.#state = next
    if ('socket' in before && !('socket' in next)) before.socket.close(code)
    return this.#scope
  }

  #end(error: AldisError, policy: ReconnectPolicy = policyOf(error)): void {
    this.#enter({ at: 'over' })
    this.#events.ended(error, policy)
  }

  async #authorise(): Promise<void> {
    const scope = this.#scope
    scope.after(PATIENCE_MS, () => {
      this.#end(new AldisError('token-failed', 'The `token` function does not answer.', { retryable: true }))
    })
    const { token: tokens, byStream } = this.#options
    let token: string
    let openSocket = this.#environment.openSocket
    try {
      token = await tokens.get()
      if (byStream) {
        const { eventStreams, SILENCE } = await loadStreams()
        openSocket = eventStreams(token, tokens, this.#environment, TOOLS)
        this.#silence = SILENCE
      }
    } catch (error) {
      if (scope.live) this.#end(asAldisError(error, 'token-failed', 'There is no token'))
      return
    }
    if (scope.live) this.#open(token, openSocket)
  }

  #open(token: string, openSocket: OpenSocket): void {
    const { endpoint, byStream, patienceMs = PATIENCE_MS } = this.#options
    const events: SocketEvents = {
      onOpen: () => this.#greet(socket),
      onMessage: (data) => this.#hear(data),
      onClose: (code, refusal) => {
        if (refusal) this.#end(worded(refusal))
        else if (this.#state.at === 'opening') void this.#probe(token)
        else this.#closed(code)
      },
    }
    let socket: Socket
    try {
      socket = openSocket(byStream ? endpoint.probe : endpoint.socket, [SUBPROTOCOL, `${BEARER_PREFIX}${token}`], events)
    } catch (error) {
      const hint = 'A page of https: needs a server of https:.'
      return this.#end(
        new AldisError('invalid-option', `The browser does not connect to \`url\`: ${reason(error)}`, { hint, cause: error }),
      )
    }
    this.#enter({ at: 'opening', socket }).after(patienceMs, () => void this.#probe(token))
  }

  #greet(socket: Socket): void {
    this.#enter({ at: 'greeting', socket }).after(PATIENCE_MS, () => this.#silent())
    this.#say(this.#options.hello())
  }

  #silent(): void {
    this.#end(new AldisError('timed-out', this.#silence.message, this.#silence))
  }

  /** A browser does not tell why a WebSocket never opened; the same request without one does. */
  async #probe(token: string): Promise<void> {
    const scope = this.#enter({ at: 'probing' })
    const abort = new AbortController()
    scope.defer(() => abort.abort())
    scope.after(PATIENCE_MS, () => abort.abort())
    const error = await this.#askWhy(token, abort.signal)
    if (scope.live) this.#end(error)
  }

  async #askWhy(token: string, signal: AbortSignal): Promise<AldisError> {
    const headers = { authorization: `Bearer ${token}` }
    try {
      const answer = await this.#environment.fetch(this.#options.endpoint.probe, { headers, signal })
      if (isRefusal(answer)) return await refusalOf(answer)
      return new AldisError('websocket-blocked', 'The server answers, but no WebSocket to it opens.')
    } catch (cause) {
      return unreachable(this.#options.endpoint.probe, cause)
    }
  }

  #hear(data: unknown): void {
    this.#heartbeat?.heard()
    const message = parse(data)
    this.#parting = message?.type === 'error' ? fromServer(message) : undefined
    if (message === undefined) {
      this.#end(new AldisError('server-incompatible', 'The server does not speak the protocol of Aldis.'))
    } else if (this.#state.at === 'standing') {
      this.#handle(message)
    } else if (message.type === 'welcome' && this.#state.at === 'greeting') {
      if (message.protocol === PROTOCOL) this.#stand(message, this.#state.socket)
      else this.#end(otherVersion(`The server speaks version ${message.protocol}.`))
    }
  }

  #stand(welcome: WelcomeMessage, socket: Socket): void {
    const scope = this.#enter({ at: 'standing', socket })
    const ping = (): void => void this.#say({ type: 'ping' })
    const heartbeat = new Heartbeat(this.#environment.clock, welcome.heartbeat, ping, () => this.#silent())
    this.#heartbeat = heartbeat
    scope.defer(() => {
      heartbeat.end()
      this.#renewal.end()
    })
    this.#events.welcome(welcome)
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'token-expiring':
        this.#renewal = this.#renewal.next()
        return void this.#renew(this.#renewal, 1)
      case 'auth-ok':
        return this.#renewal.end()
      case 'error':
        // Said again by the status, when the connection has closed.
        if (PARTING_CODES.includes(message.code)) return
    }
    this.#events.message(message)
  }

  /**
   * Sends a new token in band, so that the old one's end changes nothing: again and again, whether there was none or the server did not
   * take it, until it says `auth-ok`. If it never does, the connection ends with its token, and the next one asks for another.
   */
  async #renew(scope: Scope, times: number): Promise<void> {
    const { token, environment } = this.#options
    if (!token.renewable) return
    // One that fails now may do better after the pause.
    const fresh = await token.get().catch(() => undefined)
    if (!scope.live) return
    if (fresh !== undefined) this.send({ type: 'auth', token: fresh })
    scope.after(backoff(times, environment.random(), RENEWAL_PAUSE_MS), () => void this.#renew(scope, times + 1))
  }

  #closed(code: number): void {
    // Nobody but us ends a stay in good order: a proxy on the way that closes with these two is no reason to stay away.
    const policy = code === 1000 || code === 1001 ? 'yes' : (RECONNECT[code] ?? 'yes')
    // Below are the codes of connections that broke, where what came last explains nothing.
    const parting = code < FIRST_EXPLAINED ? undefined : this.#parting
    const error =
      (parting && worded(parting)) ??
      new AldisError('server-unreachable', `The connection closed with ${code}.`, { retryable: policy !== 'no' })
    this.#end(error, policy)
  }
}

const TOOLS: StreamTools = { Scope, backoff, refusalOf, unreachable }

/** Only few pages need it, so bundlers load it for these alone. */
function loadStreams(): Promise<typeof import('./event-stream.ts')> {
  return import('./event-stream.ts').catch((cause) => {
    throw new AldisError('server-unreachable', 'The code for event streams does not load.', { cause })
  })
}

/** An error of the server, in words of ours where these say more. */
function worded(error: AldisError): AldisError {
  return error.code === 'protocol-unsupported' ? otherVersion(`The server says: ${error.message}`, error) : error
}

/** A server of another version of the protocol: `found` says of which. */
function otherVersion(found: string, cause?: AldisError): AldisError {
  return new AldisError('server-incompatible', `This client speaks version ${PROTOCOL} of the protocol. ${found}`, { cause })
}

/** What to do about a refusal that came without a close code. */
function policyOf(error: AldisError): ReconnectPolicy {
  if (error.code === 'token-invalid' || error.code === 'token-expired') return 'with-new-token'
  // As close code 4423, which says it where there is a WebSocket.
  return error.retryable && !/^(room-full|identity-taken|connection-limit)$/.test(error.code) ? 'yes' : 'no'
}

function parse(data: unknown): ServerMessage | undefined {
  try {
    const message: unknown = JSON.parse(String(data))
    return 'type' in Object(message) ? (message as ServerMessage) : undefined
  } catch {
    return undefined
  }
}
