/** Everything this library takes from the world around it, so that a test can give it another. */

import { type Cancel, type Clock, systemClock } from './clock.ts'
import { isHidden, type PageEvent, watchPage } from './page.ts'
import { type OpenSocket, openWebSocket } from './socket.ts'

/**
 * What the way to the server takes: pages, workers and Node have it. Replaced by {@link SignalingClientOptions.environment}.
 *
 * @example
 * // What it says to the developer goes where your own log goes.
 * const environment: Partial<SignalingEnvironment> = { warn: (line) => show(line) }
 * await SignalingClient.join('https://rtc.example.org', { room: 'standup', token, environment })
 */
export interface SignalingEnvironment {
  /** Time. */
  clock: Clock
  /** Numbers in [0, 1), as `Math.random`. */
  random: () => number
  /** Opens the way to the server; by default {@link openWebSocket}. */
  openSocket: OpenSocket
  /** As the browser's `fetch`: asks the server why it let nobody in, and for development tokens. */
  fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Tells what the page goes through, until it is cancelled. */
  watchPage: (listener: (event: PageEvent) => void) => Cancel
  /** Whether the page is hidden, so that its browser holds its timers back. */
  isHidden: () => boolean
  /** Where a line for the developer goes; by default the console. */
  warn: (line: string) => void
}

/**
 * What can be replaced with {@link JoinOptions.environment}; by default the browser's own.
 *
 * @example
 * // A look at every connection that is made.
 * const createConnection: Environment['createConnection'] = (configuration) => {
 *   const connection = new RTCPeerConnection(configuration)
 *   connection.addEventListener('icecandidateerror', ({ errorText }) => show(errorText))
 *   return connection
 * }
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, environment: { createConnection } })
 */
export interface Environment extends SignalingEnvironment {
  /** Makes a connection to a peer. */
  createConnection: (configuration: RTCConfiguration) => RTCPeerConnection
  /** As `navigator.mediaDevices.getUserMedia`; `undefined` on a page that browsers give no camera. */
  getUserMedia: ((constraints: MediaStreamConstraints) => Promise<MediaStream>) | undefined
  /** As `navigator.mediaDevices.getDisplayMedia`; `undefined` where a browser shares no screens. */
  getDisplayMedia: ((options: DisplayMediaStreamOptions) => Promise<MediaStream>) | undefined
  /** The codecs that the browser can send and receive. */
  getCapabilities: (kind: 'audio' | 'video') => readonly RTCRtpCodec[]
}

/** The world's own. Nothing is looked at before it is needed, so importing this library does nothing. */
export function systemEnvironment(): SignalingEnvironment {
  return {
    clock: systemClock,
    random: () => Math.random(),
    openSocket: openWebSocket,
    fetch: (url, init) => fetch(url, init),
    watchPage,
    isHidden,
    // biome-ignore lint/suspicious/noConsole: this is the one place that speaks to the developer
    warn: (line) => console.warn(line),
  }
}

/** What pages have beyond it. */
export function browserEnvironment(): Environment {
  // Pages that are neither https nor localhost have none.
  const devices = globalThis.navigator?.mediaDevices
  return {
    ...systemEnvironment(),
    createConnection: (configuration) => new RTCPeerConnection(configuration),
    getUserMedia: devices?.getUserMedia.bind(devices),
    getDisplayMedia: devices?.getDisplayMedia?.bind(devices),
    getCapabilities: (kind) => globalThis.RTCRtpReceiver?.getCapabilities(kind)?.codecs ?? [],
  }
}
