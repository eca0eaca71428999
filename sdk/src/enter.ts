/** What joining a room takes, with and without calls: the options that both have, and the way in. */

import { whenAborted } from './abort.ts'
import { checkRoom, endpointOf } from './endpoint.ts'
import type { SignalingEnvironment } from './environment.ts'
import { leftError } from './errors.ts'
import { type Checks, checkClass, checkObject, checkOptions, checkSignal, numberOf, oneOf, refuse } from './options.ts'
import type { PageEvent } from './page.ts'
import { RunningClock } from './running.ts'
import { Signaling } from './signaling.ts'
import { socketsOf, type Transport, type WebSocketClass } from './socket.ts'
import { STREAMS } from './stream-lane.ts'
import { checkToken, type TokenOption, tokenSource } from './token.ts'

/**
 * How to join.
 *
 * @example
 * const stay = new AbortController()
 * const client = await SignalingClient.join('https://rtc.example.org', {
 *   room: 'standup',
 *   token: () => fetch('/token').then((answer) => answer.text()),
 *   joinTimeoutMs: 5_000,
 *   signal: stay.signal,
 * })
 * stay.abort() // leaves
 */
export interface SignalingClientOptions {
  /** The room: 1 to 128 characters of `A-Z a-z 0-9 . _ : @ -`. */
  readonly room: string
  /**
   * A token of your backend, or a function that gets one. A function is better: it is asked again for each connection and before the
   * token expires. Without it a development server (`aldis dev`) is asked for one, as `guest-` and four characters.
   */
  readonly token?: TokenOption
  /** How long to go on trying to join, in milliseconds; by default 15,000. Once joined, reconnecting has no end. */
  readonly joinTimeoutMs?: number
  /** Gives up joining, which rejects with its reason; once joined, it leaves. */
  readonly signal?: AbortSignal | undefined
  /**
   * How messages travel to the server and back. By default (`'auto'`) by WebSocket, and where none opens although the server answers, by event
   * stream and POST (`'sse'`), until a WebSocket opens again; or by one of the two alone.
   *
   * @example
   * // In a network of which you know that it lets no WebSocket through: no time is lost with trying one.
   * await joinRoom('https://rtc.example.org', { room: 'standup', token, transport: 'sse' })
   */
  readonly transport?: Transport
  /** Where there is no global one, as in Node 20: the `WebSocket` of the package `ws`. Without any, messages go by event stream. */
  readonly WebSocket?: WebSocketClass | undefined
  /** Replaces what is taken from the world around: the clock, the network. */
  readonly environment?: Partial<SignalingEnvironment>
}

/** A way into a room that is not gone yet. */
export interface Entrance<World extends SignalingEnvironment = SignalingEnvironment> {
  readonly id: string
  readonly environment: World
  readonly clock: RunningClock
  readonly signaling: Signaling
}

const JOIN_TIMEOUT_MS = 15_000

/** What this client tells the others it understands. */
const FEATURES: readonly string[] = [STREAMS]

/** Makes what joining takes out of the options that both ways of joining have. */
export function prepare<World extends SignalingEnvironment>(
  url: string | URL,
  options: SignalingClientOptions,
  theWorld: World,
  more?: Checks,
): Entrance<World> {
  checkOptions(options, { ...CHECKS, ...more })
  const { room: id, token, joinTimeoutMs = JOIN_TIMEOUT_MS, transport: wanted = 'auto', WebSocket: given } = options
  // Node 20 has no `WebSocket`: there the event stream is the one way.
  const transport = given || options.environment?.openSocket || globalThis.WebSocket ? wanted : 'sse'
  if (wanted === 'websocket' && transport === 'sse') refuse('WebSocket', 'that of the package `ws`', given)
  const world = { ...theWorld, ...(given && { openSocket: socketsOf(given) }), ...options.environment }
  const clock = new RunningClock(world.clock)
  const environment = { ...world, clock }
  const endpoint = endpointOf(url, id)
  const source = tokenSource(token, endpoint, environment)
  const signaling = new Signaling({ endpoint, token: source, features: FEATURES, environment, joinTimeoutMs, transport })
  return { id, environment, clock, signaling }
}

/** Goes in. Resolves when the server has let it in. */
export function enter<Target extends { leave(): void; hear?(event: PageEvent): void }>(
  target: Target,
  { environment, clock, signaling }: Entrance,
  signal: AbortSignal | undefined,
): Promise<Target> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const forget = environment.watchPage((event) => {
      clock.hear(event)
      signaling.hear(event)
      target.hear?.(event)
    })
    const ignore = whenAborted(signal, (reason) => {
      reject(reason)
      target.leave()
    })
    const off = signaling.on('status', ({ status, error }) => {
      if (status === 'connecting') return
      off()
      if (status === 'joined') return resolve(target)
      target.leave()
      reject(error ?? leftError())
    })
    signaling.on('status', ({ status }) => {
      if (status !== 'left') return
      forget()
      ignore()
    })
    signaling.start()
  })
}

/** The options that both ways of joining have. */
const CHECKS: Checks = {
  room: checkRoom,
  token: checkToken,
  joinTimeoutMs: numberOf('milliseconds'),
  transport: oneOf("'auto', 'websocket' or 'sse'"),
  signal: checkSignal,
  WebSocket: checkClass,
  environment: checkObject,
}
