/**
 * Calls and data channels between browsers, introduced by an Aldis server.
 *
 * {@link joinRoom} is where to begin; {@link negotiate} is for those who bring their own way to signal.
 *
 * @module index
 */

export type { Channel, ChannelData, ChannelEvents, ChannelOptions } from './channel.ts'
export type { Cancel, Clock } from './clock.ts'
export type { CodecPreferences } from './codecs.ts'
export type { DeviceChoice } from './devices.ts'
export type { SignalingClientOptions } from './enter.ts'
export type { Environment, SignalingEnvironment } from './environment.ts'
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
export { type JoinOptions, joinRoom } from './join.ts'
export type { MediaSource } from './media.ts'
export type { Self } from './membership.ts'
export {
  type Negotiation,
  type NegotiationLink,
  type NegotiationMessage,
  type NegotiationStep,
  type Numbers,
  negotiate,
} from './negotiate.ts'
export type { PageEvent } from './page.ts'
export type { PairState } from './pair.ts'
export type { Peer, PeerCounts, PeerState, PeerStats } from './peer.ts'
export type { ConnectOption, PeerSnapshot, Room, RoomEvents, RoomSnapshot, RoomStats } from './room.ts'
export type { Layout } from './senders.ts'
export type { Status, StatusEvent } from './signaling.ts'
export { type OpenSocket, openWebSocket, type Socket, type SocketEvents, type Transport, type WebSocketClass } from './socket.ts'
export type { ConnectionStats, FlowStats, PathStats } from './stats.ts'
export type { TokenOption } from './token.ts'
