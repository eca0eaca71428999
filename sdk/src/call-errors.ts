/** What goes wrong with calls alone: a room without them does not load it. */

import { AldisError, type AldisErrorDetails } from './errors.ts'

/** What to do about it. */
export const CALL_HINTS = {
  'channel-full': 'Send less, or send it again later.',
  'insecure-context': 'Serve the page over https.',
  'media-busy': 'Close the program that uses it.',
  'media-denied': "Allow it in the browser's address bar.",
  'media-missing': 'Plug one in, or ask for the other only.',
  'media-unsatisfied': 'Ask for less.',
  'negotiation-failed': 'Make another connection.',
  'not-connected': 'Wait for `open` of the channel.',
  'too-many-tracks': 'Unpublish one.',
  'turn-refused': "Check that Aldis has the TURN server's secret, and that their clocks agree.",
} as const

/** What may work later without a change. */
const RETRYABLE = /^(channel-full|not-connected)$/

/** What only calls come to. */
export type CallErrorCode = keyof typeof CALL_HINTS

/** An error of a call, with what to do about it. */
export function callError(code: CallErrorCode, message: string, details?: AldisErrorDetails): AldisError {
  return new AldisError(code, message, { hint: CALL_HINTS[code], retryable: RETRYABLE.test(code), ...details })
}
