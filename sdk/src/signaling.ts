/**
 * The connection to the server: one state machine.
 *
 * ```text
 *                                     ┌───────────── a new token is worth a try ─────────────┐
 *                                     ▼                                                      │
 *   idle ── start() ──────────► authorising ── token ──► opening ── open ──► greeting ── welcome ──► joined
 *                                     ▲                     │                   │                      │
 *                                     │            it never opened              └──── it closed ───────┤
 *                                     │                     ▼                                          │
 *                                  backoff               probing ── the server says why ──┐            │
 *                                     │                                                   ▼            ▼
 *                                     └──────────────────────────────────────────────── waiting ◄──────┘
 *
 *   any ── leave() ──► left            any ── a refusal that will not go away ──► failed
 * ```
 *
 * Timers and pending answers belong to a state and end with it ({@link Scope}). A close code decides what comes next
 * (`RECONNECT`). What the application sees of all this is one of five values ({@link Status}).
 */

import { backoff } from './backoff.ts'
import type { Cancel } from './clock.ts'
import type { Endpoint } from './endpoint.ts'
import type { Environment } from './environment.ts'
import { AldisError, asAldisError, reason } from './errors.ts'
import { Emitter } from './events.ts'
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
import { fromServer, refusalOf } from './problem.ts'
import { Scope } from './scope.ts'
import type { Socket, SocketEvents } from './socket.ts'
import type { TokenSource } from './token.ts'

/**
 * How the connection to the server is. Calls between peers go on whatever it is, until `leave()`.
 *
 * - `connecting`: `joinRoom` has not resolved yet;
 * - `joined`: it stands;
 * - `reconnecting`: it broke, and is tried again, for ever;
 * - `left`: `leave()` was called, or the page went away;
 * - `failed`: the server does not want this client any more.
 */
export type Status = 'connecting' | 'joined' | 'reconnecting' | 'left' | 'failed'

/** A status, and what there is to say about it. */
export interface StatusEvent {
  /** The status from now on. */
  readonly status: Status
  /** Why it is `failed` or `reconnecting`. */
  readonly error?: AldisError
  /** When the next attempt is made, in milliseconds from now. */
  readonly retryInMs?: number
}

/** What happens on the connection. */
export interface SignalingEvents {
  /** Once for each connection: the whole state. */
  welcome: WelcomeMessage
  /** Anything else that the server says. */
  message: ServerMessage
  /** Nothing can be sent until the next `welcome`. */
  lost: undefined
  status: StatusEvent
}

/** What a connection needs. */
export interface SignalingOptions {
  readonly endpoint: Endpoint
  readonly token: TokenSource
  readonly features: readonly string[]
  readonly environment: Environment
  /** When to give up the first attempts, in milliseconds. */
  readonly joinTimeoutMs: number
}

type State =
  | { readonly at: 'idle' | 'authorising' | 'probing' | 'waiting' | 'left' | 'failed' }
  | { readonly at: 'opening' | 'greeting' | 'joined'; readonly socket: Socket }

const CLOSE_BYE = 1000
/** The first code with which the server closes for a reason that it gives. */
const FIRST_EXPLAINED = 1009
const CLOSE_WILL_RESUME = 3001

/** How long a WebSocket may take to open, and the server to say `welcome` or answer a probe, in milliseconds. */
const PATIENCE_MS = 10_000

/** After how many failures the waits are long enough for a server that has too much to do. */
const LATER_FAILURES = 4

/** How long a connection must stand before it counts as a success, in milliseconds. */
const STEADY_MS = 5_000

/** The state machine; see the module. */
export class Signaling extends Emitter<SignalingEvents> {
  readonly #options: SignalingOptions
  readonly #environment: Environment
  #state: State = { at: 'idle' }
  #scope: Scope
  #startedAt = 0
  /** Failed attempts since a connection last stood. */
  #failures = 0
  /** Whether the server refused the last token, so that a second refusal is final. */
  #tokenRefused = false
  #resume: string | undefined
  #hasJoined = false
  /** The server's last word, if it was an error: where it closes then, this is why. */
  #parting: AldisError | undefined
  #heardAt = 0
  /** Why the last attempt failed. */
  #lastError: AldisError | undefined
  /** Ends the wait for the first `welcome`. */
  #giveUp: Cancel | undefined
  #status: Status = 'connecting'

  constructor(options: SignalingOptions) {
    super()
    this.#options = options
    this.#environment = options.environment
    this.#scope = new Scope(options.environment.clock)
  }

  /** Connects. */
  start(): void {
    const { clock } = this.#environment
    this.#startedAt = clock.now()
    this.#giveUp = clock.after(this.#options.joinTimeoutMs, () => {
      this.#fail(this.#lastError ?? new AldisError('timed-out', 'The server does not answer.'))
    })
    void this.#authorise()
  }

  /** Sends a message, if there is a connection to send it on. */
  send(message: ClientMessage): boolean {
    if (this.#state.at !== 'joined') return false
    this.#state.socket.send(JSON.stringify(message))
    return true
  }

  /** Says goodbye, for good. */
  leave(): void {
    if (this.#state.at === 'left') return
    this.send({ type: 'leave' })
    this.#enter({ at: 'left' })
    this.#publish()
  }

  /** Changes the state: whatever belonged to the old one ends. */
  #enter(next: State): Scope {
    const before = this.#state
    this.#scope.end()
    this.#scope = new Scope(this.#environment.clock)
    this.#state = next
    if (next.at === 'joined' || next.at === 'left' || next.at === 'failed') this.#giveUp?.()
    if ('socket' in before && !('socket' in next)) {
      before.socket.close(next.at === 'left' ? CLOSE_BYE : CLOSE_WILL_RESUME)
      if (before.at === 'joined') this.emit('lost', undefined)
    }
    return this.#scope
  }

  /** Tells the application, if there is anything new to tell. */
  #publish(details: Omit<StatusEvent, 'status'> = {}): void {
    const status = this.#publicStatus()
    if (status === this.#status && details.error === undefined) return
    this.#status = status
    this.emit('status', { status, ...details })
  }

  #publicStatus(): Status {
    const { at } = this.#state
    if (at === 'joined' || at === 'left' || at === 'failed') return at
    return this.#hasJoined ? 'reconnecting' : 'connecting'
  }

  async #authorise(): Promise<void> {
    const scope = this.#enter({ at: 'authorising' })
    this.#publish()
    scope.after(PATIENCE_MS, () => {
      this.#refused(new AldisError('token-failed', 'The `token` function does not answer.', { retryable: true }))
    })
    let token: string
    try {
      token = await this.#options.token.get()
    } catch (error) {
      if (scope.live) this.#refused(asAldisError(error, 'token-failed', 'There is no token'))
      return
    }
    if (scope.live) this.#open(token)
  }

  #open(token: string): void {
    this.#parting = undefined
    const events: SocketEvents = {
      onOpen: () => this.#greet(socket),
      onMessage: (data) => this.#hear(data),
      onClose: (code) => {
        if (this.#state.at === 'opening') void this.#probe(token)
        else this.#closed(code)
      },
    }
    let socket: Socket
    try {
      socket = this.#environment.openSocket(this.#options.endpoint.socket, [SUBPROTOCOL, `${BEARER_PREFIX}${token}`], events)
    } catch (error) {
      const hint = 'A page of https: needs a server of https:.'
      return this.#fail(
        new AldisError('invalid-option', `The browser does not connect to \`url\`: ${reason(error)}`, { hint, cause: error }),
      )
    }
    const scope = this.#enter({ at: 'opening', socket })
    scope.after(PATIENCE_MS, () => void this.#probe(token))
  }

  #greet(socket: Socket): void {
    const scope = this.#enter({ at: 'greeting', socket })
    scope.after(PATIENCE_MS, () => this.#refused(new AldisError('timed-out', 'The server does not answer.')))
    const { features } = this.#options
    const hello: ClientMessage = { type: 'hello', protocol: PROTOCOL, features, ...(this.#resume && { resume: this.#resume }) }
    socket.send(JSON.stringify(hello))
  }

  /** A browser does not tell why a WebSocket never opened; the same request without one does. */
  async #probe(token: string): Promise<void> {
    const scope = this.#enter({ at: 'probing' })
    const abort = new AbortController()
    scope.defer(() => abort.abort())
    scope.after(PATIENCE_MS, () => abort.abort())
    const error = await this.#askWhy(token, abort.signal)
    if (scope.live) this.#refused(error)
  }

  async #askWhy(token: string, signal: AbortSignal): Promise<AldisError> {
    const headers = { authorization: `Bearer ${token}` }
    try {
      const answer = await this.#environment.fetch(this.#options.endpoint.probe, { headers, signal })
      if (!answer.ok) return await refusalOf(answer)
      return new AldisError('websocket-blocked', 'The server answers, but no WebSocket to it opens.')
    } catch (cause) {
      return new AldisError('server-unreachable', `${this.#options.endpoint.probe} does not answer.`, { cause })
    }
  }

  #hear(data: unknown): void {
    this.#heardAt = this.#environment.clock.now()
    const message = parse(data)
    this.#parting = message?.type === 'error' ? fromServer(message) : undefined
    if (message === undefined) {
      this.#fail(new AldisError('server-incompatible', 'The server does not speak the protocol of Aldis.'))
    } else if (this.#state.at === 'joined') {
      this.#handle(message)
    } else if (message.type === 'welcome') {
      this.#join(message)
    }
  }

  #join(welcome: WelcomeMessage): void {
    if (this.#state.at !== 'greeting') return
    const scope = this.#enter({ at: 'joined', socket: this.#state.socket })
    this.#resume = welcome.resume?.token
    this.#hasJoined = true
    this.#tokenRefused = false
    scope.after(STEADY_MS, () => {
      this.#failures = 0
    })
    this.#listen(scope, welcome.heartbeat.intervalMs, welcome.heartbeat.timeoutMs)
    this.emit('welcome', welcome)
    this.#publish()
  }

  /** The server's pings are invisible to a page: it asks for a sign of life itself when it has heard nothing for as long. */
  #listen(scope: Scope, intervalMs: number, timeoutMs: number): void {
    const { clock } = this.#environment
    const silent = (): number => clock.now() - this.#heardAt
    const watch = (): void => {
      if (silent() < intervalMs) return scope.after(intervalMs - silent(), watch)
      const asked = clock.now()
      this.send({ type: 'ping' })
      scope.after(timeoutMs, () => {
        if (this.#heardAt >= asked) return watch()
        this.#refused(new AldisError('timed-out', 'The server does not answer.'))
      })
    }
    watch()
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'resume':
        this.#resume = message.token
        return
      case 'reconnect':
        return this.#scope.after(this.#environment.random() * message.withinMs, () => {
          this.#refused(new AldisError('draining', 'The server asked to connect again.', { retryable: true }))
        })
      case 'token-expiring':
        return void this.#renew()
      case 'error':
        // Said again by the status, when the connection has closed.
        if (!PARTING_CODES.includes(message.code)) this.emit('message', message)
        return
      default:
        this.emit('message', message)
    }
  }

  /** Sends a new token in band, so that the old one's end changes nothing. */
  async #renew(): Promise<void> {
    if (!this.#options.token.renewable) return
    const scope = this.#scope
    try {
      const token = await this.#options.token.get()
      if (scope.live) this.send({ type: 'auth', token })
    } catch {
      // The connection ends with its token, and the next one asks again.
    }
  }

  #closed(code: number): void {
    // Nobody but us ends a stay in good order: a proxy on the way that closes with these two is no reason to stay away.
    const policy = code === 1000 || code === 1001 ? 'yes' : (RECONNECT[code] ?? 'yes')
    // Below are the codes of connections that broke, where what came last explains nothing.
    const said = code < FIRST_EXPLAINED ? undefined : this.#parting
    const error =
      said ?? new AldisError('server-unreachable', `The connection closed with ${code}.`, { retryable: policy !== 'no' })
    this.#refused(error, policy)
  }

  /** An attempt or a connection has ended: goes on, or gives up. */
  #refused(error: AldisError, policy: ReconnectPolicy = policyOf(error)): void {
    if (policy === 'no') return this.#fail(error)
    if (policy === 'with-new-token') {
      const again = this.#options.token.renewable && !this.#tokenRefused
      this.#tokenRefused = true
      return again ? void this.#authorise() : this.#fail(error)
    }
    this.#failures = Math.max(this.#failures + 1, policy === 'later' ? LATER_FAILURES : 0)
    this.#wait(error)
  }

  #wait(error: AldisError): void {
    this.#lastError = error
    const { clock, random } = this.#environment
    const retryInMs = backoff(this.#failures, random(), error.retryAfterMs)
    const giveUp = !this.#hasJoined && clock.now() + retryInMs - this.#startedAt > this.#options.joinTimeoutMs
    if (giveUp) return this.#fail(error)
    this.#enter({ at: 'waiting' }).after(retryInMs, () => void this.#authorise())
    this.#publish({ error, retryInMs })
  }

  #fail(error: AldisError): void {
    this.#enter({ at: 'failed' })
    this.#publish({ error })
  }
}

/** What to do about a refusal that came without a close code. */
function policyOf(error: AldisError): ReconnectPolicy {
  if (error.code === 'token-invalid' || error.code === 'token-expired') return 'with-new-token'
  return error.retryable ? 'yes' : 'no'
}

function parse(data: unknown): ServerMessage | undefined {
  try {
    const message: unknown = JSON.parse(String(data))
    return typeof message === 'object' && message !== null && 'type' in message ? (message as ServerMessage) : undefined
  } catch {
    return undefined
  }
}
