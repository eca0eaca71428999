/**
 * Perfect negotiation alone, over a transport of your own, without a server or a room: {@link negotiate}.
 *
 * @module negotiate
 */

export type { Cancel, Clock } from './clock.ts'
export type {
  AldisError,
  AldisErrorCode,
  AldisErrorDetails,
  ClientErrorCode,
  TextErrorCode,
  UndeliveredOutcome,
} from './errors.ts'
export type { ErrorCode } from './generated/wire.ts'
export {
  type Negotiation,
  type NegotiationLink,
  type NegotiationMessage,
  type NegotiationStep,
  type Numbers,
  negotiate,
} from './negotiate.ts'
