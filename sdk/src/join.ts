/** Joining a room. */

import { type CodecPreferences, checkCodecs } from './codecs.ts'
import { enter, prepare, type SignalingClientOptions } from './enter.ts'
import { browserEnvironment, type Environment } from './environment.ts'
import { asAldisError } from './errors.ts'
import { type Checks, checkObject, checkWorld, oneOf, refuse } from './options.ts'
import { type ConnectOption, Room } from './room.ts'
import type { Layout } from './senders.ts'

/**
 * How to join.
 *
 * @example
 * const options: JoinOptions = {
 *   room: 'lecture',
 *   token: () => fetch('/token').then((answer) => answer.text()),
 *   connect: (peer) => peer.identity === 'teacher',
 *   codecs: { video: ['video/VP9'] },
 * }
 * const room = await joinRoom('https://rtc.example.org', options)
 */
export interface JoinOptions extends SignalingClientOptions {
  /** Whom to call; by default everybody (`'mesh'`). */
  readonly connect?: ConnectOption
  /** What connections are laid out for: `'media'` by default, or `'data'` alone where nobody in the room ever publishes anything. */
  readonly layout?: Layout
  /** For every `RTCPeerConnection`. Its `iceServers`, if given, take the place of the server's, which are renewed before they expire. */
  readonly rtc?: RTCConfiguration
  /** Which codecs to prefer, in what this side sends and receives; unknown ones are left out with a warning. */
  readonly codecs?: CodecPreferences
  /** Replaces what is taken from the browser: the clock, the network, `RTCPeerConnection`. */
  readonly environment?: Partial<Environment>
}

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
export async function joinRoom(url: string | URL, options: JoinOptions): Promise<Room> {
  const entrance = prepare(url, options, browserEnvironment(), CHECKS)
  const { connect = 'mesh', layout = 'media', rtc = {}, codecs = {}, signal } = options
  if (options.rtc) tryOut(rtc, entrance.environment)
  checkCodecs(codecs, entrance.environment)
  return enter(new Room({ ...entrance, connect, layout, rtc, codecs }), entrance, signal)
}

/** Lets the browser say now what it would say of a configuration when there is somebody to connect to. */
function tryOut(rtc: RTCConfiguration, { createConnection }: Environment): void {
  try {
    createConnection(rtc).close()
  } catch (error) {
    throw asAldisError(error, 'invalid-option', 'The browser does not take `rtc`')
  }
}

const CHECKS: Checks = {
  connect: (option, found) => {
    if (found !== 'mesh' && found !== 'manual' && typeof found !== 'function')
      refuse(option, "'mesh', 'manual' or a function", found)
  },
  layout: oneOf("'media' or 'data'"),
  rtc: checkObject,
  codecs: checkObject,
  environment: checkWorld,
}
