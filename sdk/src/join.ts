/** Joining a room. */

import { endpointOf } from './endpoint.ts'
import { browserEnvironment, type Environment } from './environment.ts'
import { AldisError } from './errors.ts'
import { type ConnectOption, FEATURES, Room } from './room.ts'
import { Signaling } from './signaling.ts'
import { type TokenOption, tokenSource } from './token.ts'

/** How to join. */
export interface JoinOptions {
  /** The room: 1 to 128 characters of `A-Z a-z 0-9 . _ : @ -`. */
  readonly room: string
  /** A token of your backend, or a function that gets one. Without it a development server (`aldis dev`) is asked for one. */
  readonly token?: TokenOption
  /** Whom to connect to; by default everybody (`'mesh'`). */
  readonly connect?: ConnectOption
  /** For every `RTCPeerConnection`. Its `iceServers`, if given, take the place of the server's. */
  readonly rtc?: RTCConfiguration
  /** How long to try before giving up, in milliseconds; by default 10,000. Once joined, it is tried for ever. */
  readonly joinTimeoutMs?: number
  /** Replaces what is taken from the browser: the clock, the network, `RTCPeerConnection`. */
  readonly environment?: Partial<Environment>
}

const JOIN_TIMEOUT_MS = 10_000

/**
 * Joins a room. Resolves when the server has let you in, and from then on reconnects by itself.
 *
 * @param url the server, as `https://rtc.example.org`
 * @throws AldisError when the server does not let you in, or cannot be reached; `error.hint` says what to do
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
      if (status === 'joined') resolve(room)
      else reject(error ?? new AldisError('left', 'The room was left before it was joined.'))
    })
    signaling.start()
  })
}

function prepare(url: string | URL, options: JoinOptions): { room: Room; signaling: Signaling } {
  check(options)
  const { room: id, token, connect = 'mesh', rtc = {}, joinTimeoutMs = JOIN_TIMEOUT_MS } = options
  const environment = { ...browserEnvironment(), ...options.environment }
  const endpoint = endpointOf(url, id)
  const source = tokenSource(token, endpoint, environment)
  const signaling = new Signaling({ endpoint, token: source, features: FEATURES, environment, joinTimeoutMs })
  return { room: new Room({ id, connect, rtc, environment, signaling }), signaling }
}

function check({ room, token, connect, joinTimeoutMs }: JoinOptions): void {
  const refuse = (message: string): never => {
    throw new AldisError('invalid-option', message)
  }
  if (typeof room !== 'string') refuse('`room` must be a string.')
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function')
    refuse('`token` must be a string or a function.')
  if (connect !== undefined && connect !== 'mesh' && connect !== 'manual' && typeof connect !== 'function') {
    refuse("`connect` must be 'mesh', 'manual' or a function.")
  }
  if (joinTimeoutMs !== undefined && !(joinTimeoutMs >= 0)) refuse('`joinTimeoutMs` must be a number of milliseconds.')
}
