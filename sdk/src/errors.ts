/** What goes wrong, in the words of whoever has to mend it. */

import type { ErrorCode as ServerErrorCode } from './generated/wire.ts'

/** What only the client can find out. */
const CLIENT_ERRORS = {
  'invalid-option': 'Correct the option that the message names.',
  'channel-full': 'Send less, or wait a little and send it again.',
  'insecure-context': 'Serve the page over https, or from localhost: browsers give no camera to any other page.',
  left: 'Join again with `joinRoom`.',
  'media-busy': 'Close the program that uses the camera or microphone, then try again.',
  'media-denied': "Allow the camera and microphone in the browser's address bar, then try again.",
  'media-missing': 'Plug in a camera or microphone, or ask for only one of the two.',
  'media-unsatisfied': 'Ask for less: no camera or microphone fulfils these constraints.',
  'message-too-large': 'Send it in smaller parts.',
  'not-connected': 'Wait until the peer is connected: `channel.on("open", …)`.',
  'negotiation-failed': 'Call `peer.hangup()` and `peer.connect()` to begin anew.',
  'peer-closed': 'Call `peer.connect()` to call again.',
  'server-incompatible': 'Update the server or the client, so that both speak the same version.',
  'server-unreachable': 'Check that the server runs, that the URL is right, and that the network lets you through.',
  'timed-out': 'Try again; if it stays, check that the network lets you through.',
  'token-failed': 'Check the function that was given as `token`: it must return a token or throw.',
  'too-many-tracks': 'Unpublish a track first.',
  'turn-refused': "Check that the TURN server's secret is the one that Aldis was given, and that their clocks agree.",
  'websocket-blocked': 'A proxy or firewall may block WebSockets: try over https, or on another network.',
} as const

/**
 * What only the client can find out. What each means, and what to tell a user: the guide `docs/guide/quick-start.md`, section "Errors".
 *
 * @useDeclaredType
 */
export type ClientErrorCode = keyof typeof CLIENT_ERRORS

/** What to match on. The server's codes are listed in `docs/protocol.md`, section "Error codes". */
export type AldisErrorCode = ClientErrorCode | ServerErrorCode

/** What may accompany an error. */
export interface AldisErrorDetails {
  /** What to do next, in one sentence for people. The client's own codes have one by default. */
  hint?: string | undefined
  /** Whether the same thing may work later without a change. */
  retryable?: boolean
  /** How long to wait before trying again, in milliseconds; the server's wish. */
  retryAfterMs?: number | undefined
  /** What it comes from. */
  cause?: unknown
}

/**
 * Every failure of this library. `message` says what happened, {@link AldisError.hint} what to do, {@link AldisError.code} is what a
 * program goes by.
 *
 * @example
 * try {
 *   await joinRoom('https://rtc.example.org', { room: 'standup', token })
 * } catch (error) {
 *   if (error instanceof AldisError) show(`${error.message} ${error.hint}`)
 * }
 */
export class AldisError extends Error {
  /** What to match on; it does not change between versions. */
  readonly code: AldisErrorCode
  /** What to do next, in one sentence for people; empty where there is nothing to say. */
  readonly hint: string
  /** Whether the same thing may work later without a change. */
  readonly retryable: boolean
  /** How long to wait before trying again, in milliseconds; `undefined` where the server did not say. */
  readonly retryAfterMs: number | undefined

  /** For those who replace a part of the library and have to say what failed. */
  constructor(code: AldisErrorCode, message: string, details: AldisErrorDetails = {}) {
    const hint = details.hint ?? (code in CLIENT_ERRORS ? CLIENT_ERRORS[code as ClientErrorCode] : '')
    // The stack begins with what the constructor is given, and is what a console shows of an error that nobody caught.
    super(`${code}: ${message} ${hint}`.trim(), 'cause' in details ? { cause: details.cause } : undefined)
    this.name = 'AldisError'
    this.message = message
    this.code = code
    this.hint = hint
    this.retryable = details.retryable ?? false
    this.retryAfterMs = details.retryAfterMs
  }

  /** One line for a console. */
  override toString(): string {
    return `${this.name}: ${this.code}: ${this.message} ${this.hint}`.trim()
  }
}

/** Whatever was thrown, as an {@link AldisError}. */
export function asAldisError(thrown: unknown, code: ClientErrorCode, message: string): AldisError {
  return thrown instanceof AldisError ? thrown : new AldisError(code, `${message}: ${reason(thrown)}`, { cause: thrown })
}

/** What somebody else's error says, as the end of a sentence. */
export function reason(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
