/** What goes wrong, in the words of whoever has to mend it. */

import type { CALL_HINTS } from './call-errors.ts'
import type { ErrorCode as ServerErrorCode } from './generated/wire.ts'

/** What only the client can find out, and what to do about it. What only calls come to is in `call-errors.ts`. */
const CLIENT_ERRORS = {
  'invalid-option': 'Correct this option.',
  left: 'Join again with `joinRoom`.',
  'message-too-large': 'Send it in smaller parts.',
  'peer-closed': 'Try again when it is there.',
  'server-incompatible': 'Update the server or the client.',
  'server-unreachable': 'Check the server, its URL and the network.',
  'timed-out': 'Try again, or on another network.',
  'token-failed': 'Check the `token` function.',
  'websocket-blocked': 'Try https, or another network: a proxy may block WebSockets.',
} as const

/** What may work later without a change. */
const RETRYABLE = /^(server-unreachable|timed-out|websocket-blocked)$/

/**
 * What only the client can find out. What each means, and what to tell a user: the guide `docs/guide/quick-start.md`, section "Errors".
 *
 * @example
 * const advice: Partial<Record<ClientErrorCode, string>> = { 'media-missing': 'Plug a camera in.', 'media-busy': 'Close the other call.' }
 * room.setCamera(true).catch(({ code, hint }: AldisError) => show(advice[code as ClientErrorCode] ?? hint))
 * @useDeclaredType
 */
export type ClientErrorCode = keyof (typeof CALL_HINTS & typeof CLIENT_ERRORS)

/**
 * What can be wrong with a text of `aldis-client/manual`, or with the use of it:
 *
 * - `text-invalid`: it is no such text;
 * - `text-incomplete`: its end is missing;
 * - `text-damaged`: a character of it is wrong;
 * - `text-outdated`: it was made by another version;
 * - `text-misplaced`: it is an invitation where a reply belongs, or the other way round;
 * - `text-foreign`: it is the reply to another invitation.
 *
 * @example
 * invitation.accept(pasted).catch((error: AldisError) => {
 *   if (error.code === 'text-incomplete') show('The end is missing: copy all of it.')
 * })
 */
export type TextErrorCode =
  | 'text-damaged'
  | 'text-foreign'
  | 'text-incomplete'
  | 'text-invalid'
  | 'text-misplaced'
  | 'text-outdated'

/**
 * What to match on. The server's codes are listed in `docs/protocol.md`, section "Error codes".
 *
 * @example
 * const words: Partial<Record<AldisErrorCode, string>> = { 'room-full': 'No place is left.', 'token-expired': 'Log in again.' }
 * const joining = joinRoom('https://rtc.example.org', { room: 'standup', token })
 * joining.catch(({ code, message }: AldisError) => show(words[code] ?? message))
 */
export type AldisErrorCode = ClientErrorCode | ServerErrorCode | TextErrorCode

/**
 * What became of a message that was not delivered: it did not arrive, for certain, or it may have.
 *
 * @example
 * peer.send({ text: 'hello' }).catch(({ outcome }: AldisError) => {
 *   show(outcome === 'unknown' ? 'It may have arrived.' : 'It did not arrive.')
 * })
 */
export type UndeliveredOutcome = 'not-delivered' | 'unknown'

/**
 * What may accompany an error.
 *
 * @example
 * const details: AldisErrorDetails = { hint: 'Try again in a minute.', retryable: true, retryAfterMs: 60_000 }
 * const error = new AldisError('server-unreachable', 'The proxy is being restarted.', details)
 */
export interface AldisErrorDetails {
  /** What to do next, in one sentence for people. The client's own codes have one by default, apart from those of calls. */
  hint?: string | undefined
  /** Whether the same thing may work later without a change. */
  retryable?: boolean
  /** How long to wait before trying again, in milliseconds; the server's wish. */
  retryAfterMs?: number | undefined
  /** What became of the message that it is about. */
  outcome?: UndeliveredOutcome | undefined
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
  // Declared alone: the constructor sets them all.

  /** What to match on; it does not change between versions. */
  declare readonly code: AldisErrorCode
  /** What to do next, in one sentence for people; empty where there is nothing to say. */
  declare readonly hint: string
  /** Whether the same thing may work later without a change. */
  declare readonly retryable: boolean
  /** How long to wait before trying again, in milliseconds; `undefined` where the server did not say. */
  declare readonly retryAfterMs: number | undefined
  /** What became of the message, where the error is that of a `send`; `undefined` where it is of something else. */
  declare readonly outcome: UndeliveredOutcome | undefined

  /** For those who replace a part of the library and have to say what failed. */
  constructor(code: AldisErrorCode, message: string, details: AldisErrorDetails = {}) {
    const hints: { readonly [other in AldisErrorCode]?: string } = CLIENT_ERRORS
    const hint = details.hint ?? hints[code] ?? ''
    // The stack begins with what the constructor is given, and is what a console shows of an error that nobody caught.
    super(`${code}: ${message} ${hint}`.trim(), details)
    this.name = 'AldisError'
    this.message = message
    this.code = code
    this.hint = hint
    this.retryable = details.retryable ?? RETRYABLE.test(code)
    this.retryAfterMs = details.retryAfterMs
    this.outcome = details.outcome
  }

  /** The same about one message. @internal */
  with(outcome: UndeliveredOutcome): AldisError {
    return new AldisError(this.code, this.message, { ...this, cause: this, outcome })
  }

  /**
   * One line for a console.
   *
   * @example
   * room.on('error', ({ error }) => show(String(error)))
   */
  override toString(): string {
    return `${this.name}: ${this.code}: ${this.message} ${this.hint}`.trim()
  }
}

/** For whoever still waits for something of a room that was left. */
export function leftError(outcome?: UndeliveredOutcome): AldisError {
  return new AldisError('left', 'This side is no longer in the room.', { outcome })
}

/** Whatever was thrown, as an {@link AldisError}. */
export function asAldisError(thrown: unknown, code: ClientErrorCode, message: string, hint?: string): AldisError {
  return thrown instanceof AldisError ? thrown : new AldisError(code, `${message}: ${reason(thrown)}`, { hint, cause: thrown })
}

/** What somebody else's error says, as the end of a sentence. */
export function reason(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** Throws what an application's own function threw past everybody: into the console, and not into what goes on here. */
export function rethrow(thrown: unknown): void {
  queueMicrotask(() => {
    throw thrown
  })
}
