/**
 * Calls and data channels without any server: one side makes an invitation, a text short enough for a QR code or a mail, and the other one
 * answers with such a text. From then on they are connected, and everything else goes over their own connection.
 *
 * {@link invite} and {@link answer} are where to begin; `aldis-client/manual/qr` draws and reads the codes.
 *
 * @module manual
 */

export type { Addressee, Channel, ChannelData, ChannelEvents, ChannelOptions } from '../channel.ts'
export type { Cancel, Clock } from '../clock.ts'
export type { Environment } from '../environment.ts'
export {
  AldisError,
  type AldisErrorCode,
  type AldisErrorDetails,
  type ClientErrorCode,
  type TextErrorCode,
  type UndeliveredOutcome,
} from '../errors.ts'
export type { Emitter, Unsubscribe } from '../events.ts'
export type { MediaSource } from '../media.ts'
export type { NegotiationStep } from '../negotiate.ts'
export type { PageEvent } from '../page.ts'
export type { PairState } from '../pair.ts'
export type { OpenSocket, Socket, SocketEvents } from '../socket.ts'
export type { Call, CallEvents, ManualOptions, OtherSide } from './call.ts'
export { answer, type Invitation, invite, type Reply } from './invite.ts'
