// Generated from crates/protocol; do not edit: `ALDIS_BLESS=1 cargo test -p aldis-protocol --test typescript`

/** The version of the protocol: `hello.protocol` and `welcome.protocol`. */
export const PROTOCOL = 1

/** The WebSocket subprotocol of a client that speaks first and may resume. */
export const SUBPROTOCOL = 'aldis.v1'

/** The prefix of the subprotocol entry that carries a token. */
export const BEARER_PREFIX = 'aldis.bearer.'

/** What this version of the server may name in `welcome.features`. */
export type ServerFeature = 'resume' | 'receipts' | 'check' | 'frozen' | 'broadcast' | 'remove' | 'sse'

/** A room: where peers meet. 1 to 128 of `[A-Za-z0-9._:@-]`. */
export type RoomId = string

/** One stay of somebody in a room: minted by the server, never reused. 1 to 128 of `[A-Za-z0-9._:@-]`. */
export type PeerId = string

/** One server process: random at each start. 1 to 128 of `[A-Za-z0-9._:@-]`. */
export type NodeId = string

/** Who a peer is: the token's `sub`, stable over stays. 1 to 128 printable ASCII bytes. */
export type Identity = string

/** What a token calls itself: its `jti`. 1 to 128 bytes of any text. */
export type TokenId = string

/** The sender's own name for a message, up to 64 printable ASCII characters: errors and receipts about it name it in `re`. */
export type MsgId = string

/**
 * A JSON object that nobody looked into.
 *
 * @example
 * const attributes: JsonObject = { muted: true, hand: 'up' }
 * room.setAttributes(attributes)
 */
export type JsonObject = { readonly [key: string]: unknown }

/**
 * Whether the connection of a peer in the room is there.
 *
 * @example
 * const words: Record<Presence, string> = { here: '', away: 'out of reach for the moment' }
 * room.on('peer-updated', ({ peer }) => show(peer.identity, words[peer.presence]))
 */
export type Presence = Exclude<CheckedPresence, 'gone'>

/** The first message of the server: the whole state, every time. */
export interface Welcome extends IceServers {
  /** The protocol version. */
  protocol: number
  /** What this server understands. */
  features: readonly string[]
  /** Which node this is. */
  node: NodeId
  /** You. */
  peer: WirePeer
  /** The room. */
  room: Room
  /** The others, oldest first. */
  peers: readonly WirePeer[]
  /** On a resume: ids that are gone for good. */
  left: readonly PeerId[]
  /** Whether the session of `hello.resume` goes on. */
  resumed: boolean
  /** How to come back; absent for a raw client. */
  resume?: Resume
  /** The heartbeat. */
  heartbeat: Heartbeat
  /** What a client may send. */
  limits: ClientLimits
  /** When the token expires, Unix milliseconds. */
  tokenExpiresAt: number
  /** `true` while the node does not reach the others: their peers may be missing. Absent otherwise. */
  degraded?: boolean
  /** Where a client of the event stream POSTs to: the path of its connection. Absent over WebSocket. */
  post?: string
}

/** Somebody in a room, as another peer sees them. */
export interface WirePeer {
  /** This stay's id. */
  id: PeerId
  /** Who it is: the token's `sub`. */
  identity: Identity
  /** A name to show, from the token. */
  name?: string
  /** Signed in the token; only the backend changes it. */
  metadata?: unknown
  /** The peer's own, by `update`. */
  attributes?: unknown
  /** Whether it is here or away. */
  presence: Presence
  /** `true`: you yield to this peer and wait for its first offer. Of yourself it is always `false`. */
  polite: boolean
  /** What it understands: `hello.features`, empty for a raw client. */
  features: readonly string[]
  /** The id of an earlier stay that this one proved to be. */
  previous?: PeerId
}

/** The room, as `welcome` shows it. */
export interface Room {
  /** Its id. */
  id: RoomId
  /** How many peers fit for this client: the smaller of its token's and the server's number. */
  maxPeers: number
}

/** How to come back to this session. */
export interface Resume {
  /** For `hello.resume`. */
  token: string
  /** How long the server waits for it, in milliseconds. */
  windowMs: number
}

/** When the server pings and how long it waits. */
export interface Heartbeat {
  /** Silence after which it pings, in milliseconds. */
  intervalMs: number
  /** How long it waits for any sign of life, in milliseconds. */
  timeoutMs: number
}

/** What a client has to know of the limits: `welcome.limits`. */
export interface ClientLimits {
  /** Largest message. */
  messageBytes: number
  /** Largest message of every type but `hello`, `auth`, `offer`, `answer` and `message`. */
  smallMessageBytes: number
  /** Largest body of a POST. */
  postBytes: number
  /** Deepest nesting. */
  jsonDepth: number
  /** Largest `x`. */
  xBytes: number
  /** Largest `attributes`. */
  attributesBytes: number
  /** Sustained messages a second. */
  messagesPerSecond: number
  /** Messages above the sustained rate at once. */
  messageBurst: number
  /** What each other peer of the room adds to `messageBurst`. */
  messageBurstPerPeer: number
  /** Sustained bytes a second. */
  bytesPerSecond: number
  /** Bytes above the sustained rate at once. */
  byteBurst: number
  /** Sustained acks a second. */
  acksPerSecond: number
  /** What each other peer of the room adds to `acksPerSecond`. */
  acksPerSecondPerPeer: number
  /** Attribute updates a second. */
  updatesPerSecond: number
  /** Pairs an SDK opens at once. */
  pairsOpening: number
}

/** ICE servers and how long they serve. */
export interface IceServers {
  /** For `RTCConfiguration.iceServers`. */
  iceServers: readonly IceServer[]
  /** When the credentials expire, Unix milliseconds; absent where there are none. */
  iceExpiresAt?: number
  /** Whether the provider ends live relays when credentials expire. coturn does not. */
  iceCutsAtExpiry: boolean
}

/**
 * One entry for `RTCConfiguration.iceServers`, as <https://www.w3.org/TR/webrtc/#rtciceserver-dictionary> has it.
 *
 * @example
 * const hasTurn = ({ urls }: IceServer) => urls.some((url) => url.startsWith('turn'))
 * show(client.iceServers.some(hasTurn))
 */
export interface IceServer {
  /** `stun:`, `turn:` or `turns:` URLs. */
  urls: string[]
  /** The TURN username. */
  username?: string
  /** The TURN password. */
  credential?: string
}

/**
 * Why a peer left.
 *
 * @example
 * const words: Partial<Record<LeaveReason, string>> = { removed: 'was removed', timeout: 'has lost the connection' }
 * room.on('peer-left', ({ peer, reason }) => show(peer.identity, words[reason] ?? 'left'))
 */
export type LeaveReason =
  /** It said so. */
  | 'left'
  /** It did not come back in time. */
  | 'timeout'
  /** A moderator removed it. */
  | 'removed'
  /** Another session of the same identity took its place. */
  | 'replaced'
  /** Its node cannot be reached; the one reason that is not final. */
  | 'unreachable'

/** What became of a message that asked for a receipt. */
export type ReceiptStatus =
  /** Its bytes left for the peer's connection. */
  | 'written'
  /** The peer is away; the message waits, and a second answer follows within 35 s. */
  | 'parked'

/** An error as a client gets it: in an `error` message, or as the body of a refused request. */
export interface WireError {
  /** What went wrong. */
  code: ErrorCode
  /** One sentence that names the field or limit. */
  message: string
  /** What to do next. */
  hint?: string
  /** The peer the refused message was for. */
  to?: PeerId
  /** The `msg` of the refused message. */
  re?: MsgId
  /** When to try again, in milliseconds. */
  retryAfterMs?: number
  /** What became of the message. */
  outcome?: Outcome
}

/** What became of the message an error is about. */
export type Outcome =
  /** It never left this node, or had no receiver. */
  | 'not-delivered'
  /** It may have arrived. */
  | 'unknown'

/** Whether a peer's connection is there. */
export type CheckedPresence =
  /** Connected. */
  | 'here'
  /** Its connection broke or its page is frozen; it may come back. */
  | 'away'
  /** Not in the room, or no more. Only in `checked`. */
  | 'gone'

/** Why a client should connect again. */
export type ReconnectReason =
  /** The node is shutting down. */
  | 'drain'

/** What a server has to say of itself. */
export type NoticeCode =
  /** Its node does not reach the others: their peers are out of reach, and nobody who joins there is seen here. */
  | 'backplane-degraded'
  /** It does again. What was missed follows. */
  | 'backplane-restored'
  /** TURN credentials are late: `iceServers` names STUN servers at most, and `ice-servers` follows once there are some. */
  | 'turn-delayed'

/** The whole state, first. */
export interface WelcomeMessage extends Welcome {
  type: 'welcome'
}

/** Somebody came. */
export interface PeerJoinedMessage {
  type: 'peer-joined'
  /** Who. */
  peer: WirePeer
}

/** Somebody's attributes, name or metadata changed. */
export interface PeerUpdatedMessage {
  type: 'peer-updated'
  /** As it is now. */
  peer: WirePeer
}

/** A peer's connection has been gone for 2 s. */
export interface PeerAwayMessage {
  type: 'peer-away'
  /** Whose. */
  id: PeerId
}

/** It is back. */
export interface PeerBackMessage {
  type: 'peer-back'
  /** Who. */
  id: PeerId
}

/** A peer left. */
export interface PeerLeftMessage {
  type: 'peer-left'
  /** Who. */
  id: PeerId
  /** Why. */
  reason: LeaveReason
  /** Whether the id is dead for ever; if not, the same id may come back by `peer-joined`. */
  final: boolean
}

/** Fresh ICE servers. */
export interface IceServersMessage extends IceServers {
  type: 'ice-servers'
}

/** A fresh resume token. */
export interface ResumeMessage {
  type: 'resume'
  /** For the next `hello.resume`. */
  token: string
}

/** What became of a message. */
export interface ReceiptMessage {
  type: 'receipt'
  /** Its `msg`. */
  re: MsgId
  /** Its fate so far. */
  status: ReceiptStatus
}

/** Something was refused. */
export interface ErrorMessage extends WireError {
  type: 'error'
}

/** The token of `auth` was taken. */
export interface AuthOkMessage {
  type: 'auth-ok'
  /** When it expires, Unix milliseconds. */
  tokenExpiresAt: number
}

/** The token will expire soon. */
export interface TokenExpiringMessage {
  type: 'token-expiring'
  /** When it expires, Unix milliseconds. */
  tokenExpiresAt: number
}

/** The answer to `check`. */
export interface CheckedMessage {
  type: 'checked'
  /** Whom it is about. */
  id: PeerId
  /** How the server found it. */
  presence: CheckedPresence
}

/** Connect again within that time, then this connection closes. */
export interface ReconnectMessage {
  type: 'reconnect'
  /** Why. */
  reason: ReconnectReason
  /** Milliseconds. */
  withinMs: number
}

/** Something about the server itself that a client may want to show. */
export interface NoticeMessage {
  type: 'notice'
  /** What. */
  code: NoticeCode
}

/** The answer to `ping`. */
export interface PongMessage {
  type: 'pong'
  /** The `t` of the ping. */
  t?: number
}

/** What a client gets of the server itself. */
export type ServerEvent =
  | WelcomeMessage
  | PeerJoinedMessage
  | PeerUpdatedMessage
  | PeerAwayMessage
  | PeerBackMessage
  | PeerLeftMessage
  | IceServersMessage
  | ResumeMessage
  | ReceiptMessage
  | ErrorMessage
  | AuthOkMessage
  | TokenExpiringMessage
  | CheckedMessage
  | ReconnectMessage
  | NoticeMessage
  | PongMessage

/** What every relayed signal carries. */
export interface RelayedBase {
  /** Who sent it. */
  from: PeerId
  /** The sender's name for this message; errors and receipts about it have it in `re`. */
  msg?: MsgId
  /** Asks for a receipt; only together with `msg`. */
  receipt?: true
  /** What clients agree on among themselves, opaque to the server. */
  x?: JsonObject
}

/** A session description that offers. */
export interface RelayedOffer extends RelayedBase {
  type: 'offer'
  /** The session description. */
  sdp: string
}

/** A session description that answers. */
export interface RelayedAnswer extends RelayedBase {
  type: 'answer'
  /** The session description. */
  sdp: string
}

/** An ICE candidate, or the end of them. */
export interface RelayedIceCandidate extends RelayedBase {
  type: 'ice-candidate'
  /** The candidate, or `null` for the end of candidates. */
  candidate: RTCIceCandidateInit | null
}

/** Ends the pair's call, not the stay in the room. */
export interface RelayedHangup extends RelayedBase {
  type: 'hangup'
  /** Why, for people: at most 256 bytes. */
  reason?: string
}

/** The application's own. */
export interface RelayedMessage extends RelayedBase {
  type: 'message'
  /** The application's own, any JSON value. */
  data: unknown
}

/** An acknowledgement between SDKs: never parked, refused or errored. */
export interface RelayedAck extends RelayedBase {
  type: 'ack'
}

/** Your offer failed here. */
export interface RelayedNack extends RelayedBase {
  type: 'nack'
}

/** Please restart ICE. */
export interface RelayedRestart extends RelayedBase {
  type: 'restart'
}

/** Build this pair anew. */
export interface RelayedRebuild extends RelayedBase {
  type: 'rebuild'
}

/** What a client gets of another peer; the server vouches for `from`. */
export type Relayed =
  | RelayedOffer
  | RelayedAnswer
  | RelayedIceCandidate
  | RelayedHangup
  | RelayedMessage
  | RelayedAck
  | RelayedNack
  | RelayedRestart
  | RelayedRebuild

/** What a client gets. */
export type ServerMessage = ServerEvent | Relayed

/** The first message of an `aldis.v1` client. */
export interface HelloRequest {
  type: 'hello'
  /** The protocol version; the server checks it. */
  protocol: number
  /** The last resume token of the session that is to go on. */
  resume?: string
  /** What the client understands, shown to its peers. */
  features?: readonly string[]
}

/** New attributes of the sender. */
export interface UpdateRequest {
  type: 'update'
  /** The sender's new attributes, in the place of the old ones. */
  attributes: JsonObject
}

/** Asks for fresh ICE servers. */
export interface IceServersRequest {
  type: 'ice-servers'
}

/** A new token in band. */
export interface AuthRequest {
  type: 'auth'
  /** The new token, of the same identity and room. */
  token: string
}

/** Asks whether a peer's signaling is alive. */
export interface CheckRequest {
  type: 'check'
  /** Which peer it is about. */
  id: PeerId
}

/** The page is being frozen: treat it as away and do not probe it. */
export interface FrozenRequest {
  type: 'frozen'
}

/** An immediate, final goodbye. */
export interface LeaveRequest {
  type: 'leave'
}

/** Asks for a `pong` with the same `t`. */
export interface PingRequest {
  type: 'ping'
  /** What `pong` is to bring back. */
  t?: number
}

/** Removes a peer from the room. */
export interface RemoveRequest {
  type: 'remove'
  /** Why, for people: at most 256 bytes. */
  reason?: string
  /** Which peer it is about. */
  id: PeerId
  /** For how long the identity of the peer is kept out of the room: 1 to 86400000 ms. */
  forMs?: number
}

/** What a client sends to the server. */
export type ClientRequest =
  | HelloRequest
  | UpdateRequest
  | IceServersRequest
  | AuthRequest
  | CheckRequest
  | FrozenRequest
  | LeaveRequest
  | PingRequest
  | RemoveRequest

/** What every signal may carry. */
export interface SignalBase {
  /** The sender's name for this message; errors and receipts about it have it in `re`. */
  msg?: MsgId
  /** Asks for a receipt; only together with `msg`. */
  receipt?: true
  /** What clients agree on among themselves, opaque to the server. */
  x?: JsonObject
}

/** A session description that offers. */
export interface OfferSignal extends SignalBase {
  type: 'offer'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
  /** The session description. */
  sdp: string
}

/** A session description that answers. */
export interface AnswerSignal extends SignalBase {
  type: 'answer'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
  /** The session description. */
  sdp: string
}

/** An ICE candidate, or the end of them. */
export interface IceCandidateSignal extends SignalBase {
  type: 'ice-candidate'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
  /** The candidate, or `null` for the end of candidates. */
  candidate: RTCIceCandidateInit | null
}

/** Ends the pair's call, not the stay in the room. */
export interface HangupSignal extends SignalBase {
  type: 'hangup'
  /** The peer it is for; a broadcast has none. */
  to?: PeerId
  /** Why, for people: at most 256 bytes. */
  reason?: string
}

/** The application's own. */
export interface MessageSignal extends SignalBase {
  type: 'message'
  /** The peer it is for; a broadcast has none. */
  to?: PeerId
  /** The application's own, any JSON value. */
  data: unknown
}

/** An acknowledgement between SDKs: never parked, refused or errored. */
export interface AckSignal extends SignalBase {
  type: 'ack'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
}

/** Your offer failed here. */
export interface NackSignal extends SignalBase {
  type: 'nack'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
}

/** Please restart ICE. */
export interface RestartSignal extends SignalBase {
  type: 'restart'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
}

/** Build this pair anew. */
export interface RebuildSignal extends SignalBase {
  type: 'rebuild'
  /** The peer it is for; a broadcast has none. */
  to: PeerId
}

/** What a client sends to other peers. */
export type Signal =
  | OfferSignal
  | AnswerSignal
  | IceCandidateSignal
  | HangupSignal
  | MessageSignal
  | AckSignal
  | NackSignal
  | RestartSignal
  | RebuildSignal

/** What a client sends. */
export type ClientMessage = ClientRequest | Signal

/** The types that are relayed. */
export type SignalType = Signal['type']

/**
 * What went wrong, as clients match on it.
 *
 * @example
 * const final: readonly ErrorCode[] = ['removed', 'replaced']
 * room.on('status', ({ error }) => {
 *   if (final.some((code) => code === error?.code)) show('You cannot come back.')
 * })
 */
export type ErrorCode =
  /** The message is not valid JSON. */
  | 'bad-json'
  /** A field of the message is missing, unknown, doubled or of the wrong type. */
  | 'bad-envelope'
  /** This server knows no message of that `type`. */
  | 'unknown-type'
  /** The JSON nests deeper than `limits.jsonDepth`. */
  | 'too-deep'
  /** The message or a field of it is larger than its limit. */
  | 'too-large'
  /** No such peer is in this room. */
  | 'unknown-peer'
  /** The peer has left for good; its id is never used again. */
  | 'peer-gone'
  /** The token does not allow this. */
  | 'forbidden'
  /** The peer is away and its queue is full, or it reads too slowly. */
  | 'queue-full'
  /** The message could not be handed on now. */
  | 'unavailable'
  /** More messages or bytes than `welcome.limits` allows. */
  | 'rate-limited'
  /** The request is malformed. */
  | 'bad-request'
  /** The request carries no token. */
  | 'token-missing'
  /** The token is not one this server accepts. */
  | 'token-invalid'
  /** The token has expired. */
  | 'token-expired'
  /** The token has been revoked. */
  | 'token-revoked'
  /** Pages of this origin may not connect. */
  | 'origin-forbidden'
  /** The room has as many peers as it may. */
  | 'room-full'
  /** The identity is already in the room and the token says `duplicates: reject`. */
  | 'identity-taken'
  /** The identity has as many connections as it may. */
  | 'connection-limit'
  /** Too many connections without a valid token from this address. */
  | 'address-limit'
  /** `hello.protocol` is not a version this server speaks. */
  | 'protocol-unsupported'
  /** No `hello` came in time. */
  | 'hello-timeout'
  /** The connection did not answer a ping. */
  | 'heartbeat-timeout'
  /** The client did not read what was sent to it. */
  | 'slow-reader'
  /** A newer connection of the same session has taken over. */
  | 'superseded'
  /** Another session of the same identity has taken over. */
  | 'replaced'
  /** A moderator removed this peer. */
  | 'removed'
  /** The server is shutting down. */
  | 'draining'
  /** The server takes nobody new for now: it has as many connections as it can hold, or does not reach the other nodes. */
  | 'overloaded'
  /** No such connection is here, or none that this token may use. */
  | 'gone'
  /** An earlier POST of the connection is missing. */
  | 'out-of-order'
  /** Nothing is here. */
  | 'not-found'
  /** The endpoint does not know this method. */
  | 'method-not-allowed'
  /** The endpoint cannot answer in the form that `Accept` asks for. */
  | 'not-acceptable'
  /** The WebSocket handshake is not one of RFC 6455. */
  | 'upgrade-invalid'
  /** The server failed; nothing is wrong with the request. */
  | 'internal'

/** The same thing may work later without a change. */
export const RETRYABLE_CODES: readonly ErrorCode[] = [
  'unknown-peer',
  'queue-full',
  'unavailable',
  'rate-limited',
  'room-full',
  'identity-taken',
  'connection-limit',
  'address-limit',
  'hello-timeout',
  'heartbeat-timeout',
  'slow-reader',
  'superseded',
  'draining',
  'overloaded',
  'gone',
  'out-of-order',
  'internal',
]

/** No later message to the peer of `to` will do better. */
export const STREAM_ENDING_CODES: readonly ErrorCode[] = [
  'peer-gone',
  'forbidden',
]

/** Why a connection was closed. */
export type CloseCode =
  /** Goodbye; the stay in the room has ended. */
  | 1000
  /** The page is going away; for a raw client the stay in the room has ended. */
  | 1001
  /** The frame breaks RFC 6455. */
  | 1002
  /** Binary frames are not accepted; send JSON as text. */
  | 1003
  /** A text frame is not UTF-8. */
  | 1007
  /** The message is larger than limits.messageBytes. */
  | 1009
  /** The server failed; nothing is wrong with the request. */
  | 1011
  /** The server is restarting. */
  | 1012
  /** The server is overloaded. */
  | 1013
  /** Sent by a client that means to resume. */
  | 3001
  /** Too many malformed messages. */
  | 4400
  /** The token is missing, invalid or expired. */
  | 4401
  /** The token does not allow this. */
  | 4403
  /** No heartbeat answer, or no hello in time. */
  | 4408
  /** Replaced by another session of the same identity. */
  | 4409
  /** Removed from the room. */
  | 4410
  /** Superseded by a newer connection of the same session. */
  | 4419
  /** The client did not read what was sent to it. */
  | 4420
  /** The room is full, the identity is taken, or it has too many connections. */
  | 4423
  /** The protocol version is not supported. */
  | 4426
  /** Rate limits were exceeded for 30 s. */
  | 4429

/** What a client should do after a close. */
export type ReconnectPolicy =
  /** Do not come back by yourself: the reason will not go away. */
  | 'no'
  /** Come back with backoff, and resume. */
  | 'yes'
  /** Come back later, obeying `retryAfterMs` or a long backoff. */
  | 'later'
  /** Come back with a new token. */
  | 'with-new-token'
  /** Ignore it unless this was the only connection of the session; then resume. */
  | 'if-alone'

/** A row of the table of close codes. */
export interface CloseRow {
  /** What a client should do next. */
  readonly reconnect: ReconnectPolicy
  /** The error codes that close with it, where there are any; the `error` itself comes before the close. */
  readonly errors?: readonly ErrorCode[]
}

/** The close codes. Any other, and a connection that ends without one, is to be taken as `yes`. */
export const CLOSE_CODES: { readonly [code in CloseCode]: CloseRow } = {
  1000: { reconnect: 'no' },
  1001: { reconnect: 'no' },
  1002: { reconnect: 'no' },
  1003: { reconnect: 'no' },
  1007: { reconnect: 'no' },
  1009: { reconnect: 'no' },
  1011: { reconnect: 'yes', errors: ['internal'] },
  1012: { reconnect: 'yes' },
  1013: { reconnect: 'later', errors: ['overloaded'] },
  3001: { reconnect: 'yes' },
  4400: { reconnect: 'no' },
  4401: { reconnect: 'with-new-token', errors: ['token-missing', 'token-invalid', 'token-expired'] },
  4403: { reconnect: 'no', errors: ['token-revoked'] },
  4408: { reconnect: 'yes', errors: ['hello-timeout', 'heartbeat-timeout'] },
  4409: { reconnect: 'no', errors: ['replaced'] },
  4410: { reconnect: 'no', errors: ['removed'] },
  4419: { reconnect: 'if-alone', errors: ['superseded'] },
  4420: { reconnect: 'yes', errors: ['slow-reader'] },
  4423: { reconnect: 'no', errors: ['room-full', 'identity-taken', 'connection-limit'] },
  4426: { reconnect: 'no', errors: ['protocol-unsupported'] },
  4429: { reconnect: 'later' },
}

/** What to do after a close, where it is not `yes`. */
export const RECONNECT: { readonly [code: number]: ReconnectPolicy } = {
  1000: 'no',
  1001: 'no',
  1002: 'no',
  1003: 'no',
  1007: 'no',
  1009: 'no',
  1013: 'later',
  4400: 'no',
  4401: 'with-new-token',
  4403: 'no',
  4409: 'no',
  4410: 'no',
  4419: 'if-alone',
  4423: 'no',
  4426: 'no',
  4429: 'later',
}

/** The errors that come right before a close, apart from those about tokens: they may come without one, too. */
export const PARTING_CODES: readonly ErrorCode[] = [
  'room-full',
  'identity-taken',
  'connection-limit',
  'protocol-unsupported',
  'hello-timeout',
  'heartbeat-timeout',
  'slow-reader',
  'superseded',
  'replaced',
  'removed',
  'overloaded',
  'internal',
]
