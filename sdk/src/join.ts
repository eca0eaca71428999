/** Joining a room. */

import { endpointOf } from './endpoint.ts'
import { browserEnvironment, type Environment } from './environment.ts'
import { AldisError } from './errors.ts'
import { type ConnectOption, FEATURES, Room } from './room.ts'
import { RunningClock } from './running.ts'
import type { Layout } from './senders.ts'
import { Signaling } from './signaling.ts'
import { type TokenOption, tokenSource } from './token.ts'

/** How to join. */
export interface JoinOptions {
  /** The room: 1 to 128 characters of `A-Z a-z 0-9 . _ : @ -`. */
  readonly room: string
  /**
   * A token of your backend, or a function that gets one. A function is better: it is asked again for each connection and before the
   * token expires. Without it a development server (`aldis dev`) is asked for one, as `guest-` and four characters.
   */
  readonly token?: TokenOption
  /** Whom to call; by default everybody (`'mesh'`). */
  readonly connect?: ConnectOption
  /** What connections are laid out for: `'media'` by default, or `'data'` alone where nobody in the room ever publishes anything. */
  readonly layout?: Layout
  /** For every `RTCPeerConnection`. Its `iceServers`, if given, take the place of the server's, which are renewed before they expire. */
  readonly rtc?: RTCConfiguration
  /** How long to go on trying to join, in milliseconds; by default 15,000. Once joined, reconnecting has no end. */
  readonly joinTimeoutMs?: number
  /** Replaces what is taken from the browser: the clock, the network, `RTCPeerConnection`. */
  readonly environment?: Partial<Environment>
}

const JOIN_TIMEOUT_MS = 15_000

/**
 * Joins a room. Resolves when the server has let you in, and from then on reconnects by itself: after at most 500 ms, then
 * twice as long each time up to 15 s, or later where the server asks for it; and at once when the page is shown or its network comes
 * back. A page that goes away leaves; one that its browser only freezes, or may show again, comes back.
 *
 * Who is in the room already is in {@link Room.peers}; `peer-joined` tells only of those who come later.
 *
 * @param url the server, as `https://rtc.example.org`, or a path of the page's own
 * @param options the room, and how to join it
 * @throws AldisError when an option is wrong (`invalid-option`), there is no token (`token-failed`, `token-missing`), the server does
 * not let you in (`token-expired`, `forbidden`, `room-full`, …) or cannot be reached (`server-unreachable`, `websocket-blocked`,
 * `timed-out`); its `hint` says what to do
 * @example
 * const room = await joinRoom('https://rtc.example.org', { room: 'standup', token: () => fetch('/token').then((r) => r.text()) })
 * room.on('track', ({ peer, stream }) => show(peer.id, stream))
 * await room.publish({ audio: true, video: true })
 */
export function joinRoom(url: string | URL, options: JoinOptions): Promise<Room> {
  return new Promise((resolve, reject) => {
    const { room, signaling } = prepare(url, options)
    const off = signaling.on('status', ({ status, error }) => {
      if (status === 'connecting') return
      off()
      if (status === 'joined') return resolve(room)
      room.leave()
      reject(error ?? new AldisError('left', 'This side is no longer in the room.'))
    })
    signaling.start()
  })
}

function prepare(url: string | URL, options: JoinOptions): { room: Room; signaling: Signaling } {
  check(options ?? {})
  const { room: id, token, connect = 'mesh', layout = 'media', rtc = {}, joinTimeoutMs = JOIN_TIMEOUT_MS } = options
  const world = { ...browserEnvironment(), ...options.environment }
  const clock = new RunningClock(world.clock)
  const environment = { ...world, clock }
  const endpoint = endpointOf(url, id)
  const source = tokenSource(token, endpoint, environment)
  const signaling = new Signaling({ endpoint, token: source, features: FEATURES, environment, joinTimeoutMs })
  const room = new Room({ id, connect, layout, rtc, environment, signaling })
  const forget = world.watchPage((event) => {
    clock.hear(event)
    signaling.hear(event)
    room.hear(event)
  })
  signaling.on('status', ({ status }) => {
    if (status === 'left') forget()
  })
  return { room, signaling }
}

function check({ room, token, connect, layout, joinTimeoutMs }: Partial<JoinOptions>): void {
  const refuse = (message: string): never => {
    throw new AldisError('invalid-option', message)
  }
  if (typeof room !== 'string') refuse('`room` must be a string.')
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function')
    refuse('`token` must be a string or a function.')
  if (connect !== undefined && connect !== 'mesh' && connect !== 'manual' && typeof connect !== 'function') {
    refuse("`connect` must be 'mesh', 'manual' or a function.")
  }
  if (layout !== undefined && layout !== 'media' && layout !== 'data') refuse("`layout` must be 'media' or 'data'.")
  if (joinTimeoutMs !== undefined && !(joinTimeoutMs >= 0)) refuse('`joinTimeoutMs` must be a number of milliseconds.')
}
