/**
 * The way to the server: which connections there are, over all of them.
 *
 * One may *stand* and is used; beside it there may be a way to the *next*, and never two:
 *
 * ```text
 *                         ┌────────────── its time has come, or the page is back ──┐
 *                         ▼                                                        │
 *   start() ───────►  trying ── refused ──► waiting                             hinted ◄── the server goes
 *                         │
 *                     `welcome`: it stands from now on, and the one that stood is closed
 *
 *   leave() ──► left            a refusal that will not go away ──► failed
 * ```
 *
 * So a server that goes is left only when the next connection stands, and a connection that breaks meanwhile changes nothing about the
 * way to the next. Each connection is an {@link Uplink}. What the application sees of all this is one of five values ({@link Status}).
 */

import { backoff } from './backoff.ts'
import type { Cancel, Clock } from './clock.ts'
import { AldisError } from './errors.ts'
import { Emitter } from './events.ts'
import { type ClientMessage, PROTOCOL, type ReconnectPolicy, type ServerMessage, type WelcomeMessage } from './generated/wire.ts'
import type { PageEvent } from './page.ts'
import type { Transport } from './socket.ts'
import { CLOSE_WILL_RESUME, Uplink, type UplinkOptions } from './uplink.ts'

/**
 * How the connection to the server is. Calls between peers go on whatever it is, until `leave()`.
 *
 * - `connecting`: `joinRoom` has not resolved yet;
 * - `joined`: it stands;
 * - `reconnecting`: it broke, and is tried again, for ever;
 * - `left`: `leave()` was called, or the page went away;
 * - `failed`: the server does not want this client any more.
 *
 * @example
 * const isOver = (status: Status) => status === 'left' || status === 'failed'
 * room.on('status', ({ status }) => show(isOver(status) ? 'Join again?' : status))
 */
export type Status = 'connecting' | 'joined' | 'reconnecting' | 'left' | 'failed'

/**
 * A status, and what there is to say about it.
 *
 * @example
 * room.on('status', ({ status, error, retryInMs = 0 }: StatusEvent) => {
 *   if (status === 'reconnecting') show(`Next try in ${Math.ceil(retryInMs / 1_000)} s.`)
 *   if (status === 'failed') show(error?.message, error?.hint)
 * })
 */
export interface StatusEvent {
  /** The status from now on. */
  readonly status: Status
  /** Why it is `failed` or `reconnecting`. */
  readonly error?: AldisError
  /** When the next attempt is made, in milliseconds from now; sooner if the page is shown or its network comes back. */
  readonly retryInMs?: number
}

/** What happens on the connection. */
export interface SignalingEvents {
  /** Once for each connection: the whole state. */
  welcome: WelcomeMessage
  /** Anything else that the server says. */
  message: ServerMessage
  /** What was sent may be lost, and nothing can be sent until the next `welcome`; that may follow at once, without a status between. */
  lost: undefined
  status: StatusEvent
}

/** What the way to the server needs. */
export interface SignalingOptions extends Omit<UplinkOptions, 'hello' | 'byStream' | 'patienceMs'> {
  readonly transport: Transport
  readonly features: readonly string[]
  /** When to give up the first attempts, in milliseconds. */
  readonly joinTimeoutMs: number
}

/** The way to the next connection. */
type Next =
  | { readonly at: 'nowhere' }
  | { readonly at: 'hinted' | 'waiting'; readonly until: number; readonly cancel: Cancel }
  | { readonly at: 'trying'; readonly uplink: Uplink }

const CLOSE_BYE = 1000

/** After how many failures the waits are long enough for a server that has too much to do. */
const LATER_FAILURES = 4

/** How much of the time is used that a server which goes leaves: the next connection has to stand before that is over. */
const HINT_SHARE = 0.75

/** How long a connection must stand before it counts as a success, in milliseconds. */
const STEADY_MS = 5_000

/** How long after an attempt no event of the page makes another, in milliseconds: a network that comes and goes must not hammer the server. */
const DISTANCE_MS = 1_000

/** How many WebSockets in a row must not have opened, although the server answers, before an event stream takes their place. */
const BLOCKED = 2

/** How long the next connection is an event stream too, in milliseconds; then a WebSocket is tried once. */
const STREAM_MS = 600_000

/** How long a WebSocket may take to open once another one did not, although the server answers, in milliseconds. */
const SHORT_PATIENCE_MS = 3_000

/** What a server says that has no event streams, and what a proxy comes to that lets none through. */
const NO_STREAM = /^(not-acceptable|method-not-allowed|not-found|server-unreachable)$/

/** The way to the server; see the module. */
export class Signaling extends Emitter<SignalingEvents> {
  readonly #options: SignalingOptions
  readonly #clock: Clock
  #standing: Uplink | undefined
  #next: Next = { at: 'nowhere' }
  #over: 'left' | 'failed' | undefined
  #status: Status = 'connecting'
  /** Failed attempts since a connection last stood. */
  #failures = 0
  /** No attempt is made before, whatever happens to the page. */
  #notBefore = 0
  /** Whether the server refused the last token, so that a second refusal is final. */
  #tokenRefused = false
  #resume: string | undefined
  /** What the server understands. */
  #features: readonly string[] = []
  #hasJoined = false
  #joinBy = 0
  /** Why the last attempt failed. */
  #lastError: AldisError | undefined
  /** How many WebSockets in a row did not open although the server answers, and until when an event stream takes their place. */
  #blocked = 0
  #streamUntil = 0
  /** Ends the wait for the first `welcome`. */
  #giveUp: Cancel | undefined

  constructor(options: SignalingOptions) {
    super()
    this.#options = options
    this.#clock = options.environment.clock
  }

  /** As it was told last. */
  get status(): Status {
    return this.#status
  }

  /** Connects. */
  start(): void {
    const { joinTimeoutMs } = this.#options
    this.#joinBy = this.#now() + joinTimeoutMs
    this.#giveUp = this.#clock.after(joinTimeoutMs, () => {
      this.#fail(this.#lastError ?? new AldisError('timed-out', 'The server does not answer.'))
    })
    this.#try()
  }

  /** Sends a message, if there is a connection to send it on. */
  send(message: ClientMessage): boolean {
    this.#standing?.send(message)
    return this.#standing !== undefined
  }

  /** Says goodbye, for good. */
  leave(): void {
    if (this.#over === 'left') return
    this.send({ type: 'leave' })
    this.#finish('left', CLOSE_BYE)
    this.#publish()
  }

  /** Takes notice of what the page goes through. */
  hear(event: PageEvent): void {
    if (event === 'left') this.leave()
    else if (event === 'stowed') this.#stow()
    else if (event === 'frozen') {
      if (this.#features.includes('frozen')) this.send({ type: 'frozen' })
    } else if (event !== 'hidden') {
      // Another network may let WebSockets through.
      if (event === 'online' || event === 'network-changed') this.#blocked = 0
      // A socket that is dead looks open.
      if (this.#standing) this.#standing.doubt()
      else if (event !== 'offline') this.#hurry(event)
    }
  }

  #now(): number {
    return this.#clock.now()
  }

  /** Tells the application, if there is anything new to tell. */
  #publish(details: Omit<StatusEvent, 'status'> = {}): void {
    const status = this.#over ?? (this.#standing ? 'joined' : this.#hasJoined ? 'reconnecting' : 'connecting')
    if (status === this.#status && details.error === undefined) return
    this.#status = status
    this.emit('status', { status, ...details })
  }

  /** Another way to the next connection, or none. */
  #turn(next: Next, code = CLOSE_WILL_RESUME): void {
    const before = this.#next
    this.#next = next
    if ('uplink' in before) before.uplink.close(code)
    else if ('cancel' in before) before.cancel()
  }

  #plan(at: 'hinted' | 'waiting', ms: number): void {
    this.#turn({ at, until: this.#now() + ms, cancel: this.#clock.after(ms, () => this.#try()) })
  }

  /** The connection that stands stands no more. */
  #release(code?: number): void {
    const uplink = this.#standing
    this.#standing = undefined
    if (code) uplink?.close(code)
    if (uplink) this.emit('lost', undefined)
  }

  #try(details?: Omit<StatusEvent, 'status'>): void {
    const { features, transport } = this.#options
    this.#notBefore = this.#now() + DISTANCE_MS
    const hello = (): ClientMessage => ({
      type: 'hello',
      protocol: PROTOCOL,
      features,
      ...(this.#resume && { resume: this.#resume }),
    })
    const byStream = transport === 'sse' || (this.#blocked >= BLOCKED && this.#now() < this.#streamUntil)
    const patienceMs = transport === 'auto' && this.#blocked > 0 ? SHORT_PATIENCE_MS : undefined
    const uplink = new Uplink(
      { ...this.#options, hello, byStream, patienceMs },
      {
        welcome: (welcome) => {
          if (!byStream) this.#blocked = 0
          this.#take(uplink, welcome)
        },
        message: (message) => this.#handle(message),
        ended: (error, policy) => {
          if (uplink === this.#standing) return this.#lost(error, policy)
          this.#next = { at: 'nowhere' }
          if (byStream && transport === 'auto') this.#noStream(error, policy)
          else this.#refused(error, policy)
        },
      },
    )
    this.#turn({ at: 'trying', uplink })
    this.#publish(details)
  }

  /** A new connection stands: only now the old one is let go. */
  #take(uplink: Uplink, welcome: WelcomeMessage): void {
    this.#giveUp?.()
    this.#next = { at: 'nowhere' }
    this.#release(CLOSE_WILL_RESUME)
    this.#standing = uplink
    this.#resume = welcome.resume?.token
    this.#features = welcome.features
    this.#hasJoined = true
    this.#tokenRefused = false
    uplink.after(STEADY_MS, () => {
      this.#failures = 0
    })
    this.emit('welcome', welcome)
    this.#publish()
  }

  #handle(message: ServerMessage): void {
    if (message.type === 'resume') {
      this.#resume = message.token
    } else if (message.type === 'reconnect') {
      const share = this.#options.environment.random() * HINT_SHARE * message.withinMs
      if (this.#next.at === 'nowhere') this.#plan('hinted', Math.max(share, this.#notBefore - this.#now()))
    } else {
      this.emit('message', message)
    }
  }

  /** The connection that stood has ended by itself. */
  #lost(error: AldisError, policy: ReconnectPolicy): void {
    this.#release()
    const next = this.#next
    if (policy === 'no') return this.#fail(error)
    if (next.at === 'trying') {
      // Superseded by that attempt: the `welcome` is on its way.
      if (policy !== 'if-alone') this.#publish({ error })
    } else if (next.at === 'waiting' && policy !== 'with-new-token') {
      this.#publish({ error, retryInMs: Math.round(next.until - this.#now()) })
    } else if (policy === 'if-alone' ? this.#failures === 0 : policy === 'yes' && next.at === 'hinted') {
      this.#failures += 1
      this.#try({ error })
    } else {
      this.#refused(error, policy)
    }
  }

  /** An event stream in the place of a WebSocket did not come about either: that one is tried again. */
  #noStream(error: AldisError, policy: ReconnectPolicy): void {
    this.#streamUntil = 0
    if (error.retryable || !NO_STREAM.test(error.code)) return this.#refused(error, policy)
    this.#failures += 1
    this.#wait(new AldisError('websocket-blocked', `No WebSocket opens, and no event stream: ${error.message}`, { cause: error }))
  }

  /** An attempt has failed, or a connection without a next one on its way: goes on, or gives up. */
  #refused(error: AldisError, policy: ReconnectPolicy): void {
    if (error.code !== 'websocket-blocked') {
      if (this.#blocked < BLOCKED) this.#blocked = 0
    } else if (++this.#blocked >= BLOCKED && this.#options.transport === 'auto') {
      this.#streamUntil = this.#now() + STREAM_MS
      return this.#try()
    }
    const renew = policy === 'with-new-token'
    if (renew && this.#options.token.renewable && !this.#tokenRefused) {
      this.#tokenRefused = true
      return this.#try()
    }
    // As long as a connection stands, another attempt costs nothing.
    if ((renew || policy === 'no') && !this.#standing) return this.#fail(error)
    this.#failures = Math.max(this.#failures + 1, policy === 'later' ? LATER_FAILURES : 0)
    this.#wait(error)
  }

  #wait(error: AldisError): void {
    this.#lastError = error
    const retryInMs = backoff(this.#failures, this.#options.environment.random(), error.retryAfterMs)
    if (!this.#hasJoined && this.#now() + retryInMs > this.#joinBy) return this.#fail(error)
    this.#notBefore = Math.max(this.#notBefore, this.#now() + (error.retryAfterMs ?? 0))
    this.#plan('waiting', retryInMs)
    if (!this.#standing) this.#publish({ error, retryInMs })
  }

  /** Does not wait any longer, except for the server's own wish: neither for the next attempt nor for one on a network that has gone. */
  #hurry(event: PageEvent): void {
    const next = this.#next
    if (next.at === 'trying' && next.uplink.isOpening && event !== 'visible' && this.#now() >= this.#notBefore) return this.#try()
    const ms = Math.max(0, this.#notBefore - this.#now())
    if (next.at === 'waiting' && this.#now() + ms < next.until) this.#plan('waiting', ms)
  }

  /** A browser may keep no page in its back/forward cache that has a socket: there is none until the page is back. */
  #stow(): void {
    if (!this.#standing && this.#next.at === 'nowhere') return
    this.#turn({ at: 'waiting', until: Number.POSITIVE_INFINITY, cancel: () => undefined })
    this.#release(CLOSE_WILL_RESUME)
    this.#publish()
  }

  #finish(over: 'left' | 'failed', code: number): void {
    this.#over = over
    this.#giveUp?.()
    this.#turn({ at: 'nowhere' }, code)
    this.#release(code)
  }

  #fail(error: AldisError): void {
    this.#finish('failed', CLOSE_WILL_RESUME)
    this.#publish({ error })
  }
}
