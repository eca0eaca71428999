/**
 * A room without calls: for workers, for Node, and for pages that make their connections themselves. Nothing here needs a browser.
 *
 * @module signaling
 */

export {
  type PeerInfo,
  SignalingClient,
  type SignalingClientEvents,
  type SignalingSnapshot,
} from './client.ts'
export type { Cancel, Clock } from './clock.ts'
export type { SignalingClientOptions } from './enter.ts'
export type { SignalingEnvironment } from './environment.ts'
export {
  AldisError,
  type AldisErrorCode,
  type AldisErrorDetails,
  type ClientErrorCode,
  type TextErrorCode,
  type UndeliveredOutcome,
} from './errors.ts'
export type { Emitter, Unsubscribe } from './events.ts'
export type { ErrorCode, IceServer, JsonObject, LeaveReason, Presence } from './generated/wire.ts'
export type { Self } from './membership.ts'
export type { PageEvent } from './page.ts'
export type { Status, StatusEvent } from './signaling.ts'
export type { PeerSignal } from './signals.ts'
export { type OpenSocket, openWebSocket, type Socket, type SocketEvents, type Transport, type WebSocketClass } from './socket.ts'
export type { TokenOption } from './token.ts'
