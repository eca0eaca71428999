/** A room without calls: who is there, and messages between them. Nothing of it needs a browser. */

/// <reference lib="esnext.disposable" preserve="true" />

import { enter, prepare, type SignalingClientOptions } from './enter.ts'
import { systemEnvironment } from './environment.ts'
import type { AldisError } from './errors.ts'
import { Emitter, type Unsubscribe } from './events.ts'
import type { IceServer, JsonObject, LeaveReason, PeerId, Relayed, WirePeer } from './generated/wire.ts'
import { type Above, Membership, type MembershipParts, type Self } from './membership.ts'
import type { Status, StatusEvent } from './signaling.ts'
import { type PeerSignal, signalOf, signalParcel } from './signals.ts'
import { Snapshots } from './snapshots.ts'

/**
 * Somebody else in a room, as the server shows them: plain data, which another takes the place of when something changes.
 *
 * @example
 * const label = ({ name, identity, presence }: PeerInfo) => `${name ?? identity}${presence === 'away' ? ' (away)' : ''}`
 * show([...client.peers.values()].map(label))
 */
export interface PeerInfo extends Readonly<WirePeer> {}

/**
 * What happens in a room without calls: `client.on(name, listener)`.
 *
 * @example
 * client.on('peer-joined', ({ peer }) => client.send(peer.id, { text: `welcome, ${peer.identity}` }).catch(show))
 * client.on('message', ({ peer, data }) => show(peer.identity, data))
 * client.on('ice-servers', ({ iceServers }) => pc.setConfiguration({ iceServers: [...iceServers] }))
 */
export interface SignalingClientEvents {
  /** The connection to the server changed. */
  status: StatusEvent
  /** Somebody came. Those who were there before are in {@link SignalingClient.peers}. */
  'peer-joined': { readonly peer: PeerInfo }
  /**
   * Somebody left for good. Where a session could not go on, everybody leaves and those who are still there join: to them you are
   * another peer, and connections have to be negotiated anew.
   */
  'peer-left': { readonly peer: PeerInfo; readonly reason: LeaveReason }
  /** Its name, metadata, attributes or presence changed. */
  'peer-updated': { readonly peer: PeerInfo }
  /** A peer sent `data`: each once, in the order in which it sent them. */
  message: { readonly peer: PeerInfo; readonly data: unknown }
  /** A peer sent something in order to connect: each once, in order. */
  signal: { readonly peer: PeerInfo; readonly signal: PeerSignal }
  /** There are other ICE servers: {@link SignalingClient.iceServers}. */
  'ice-servers': { readonly iceServers: readonly IceServer[] }
  /** Something failed and nobody was waiting for it. */
  error: { readonly error: AldisError }
}

/**
 * What is visible of a {@link SignalingClient}, at one moment.
 *
 * @example
 * const { status, me, peers }: SignalingSnapshot = client.getSnapshot()
 * show(status, me.identity, peers.map(({ identity }) => identity))
 */
export interface SignalingSnapshot {
  /** How the connection to the server is. */
  readonly status: Status
  /** You. */
  readonly me: Self
  /** The others, oldest first. */
  readonly peers: readonly PeerInfo[]
}

/**
 * A room without calls, for workers, for Node, and for pages that make their connections themselves. It reconnects, resumes and delivers
 * as `joinRoom` does, which stands on it, and needs nothing but a WebSocket.
 *
 * @example
 * const client = await SignalingClient.join('https://rtc.example.org', { room: 'standup', token })
 * client.on('message', ({ peer, data }) => show(peer.identity, data))
 * for (const id of client.peers.keys()) await client.send(id, { text: 'hello' })
 */
export class SignalingClient extends Emitter<SignalingClientEvents> {
  /** The room's name, as it was joined. */
  readonly id: string
  readonly #membership: Membership
  readonly #snapshots: Snapshots<SignalingSnapshot> = new Snapshots(() => this.#look())

  /** @internal */
  constructor(parts: MembershipParts) {
    super()
    this.id = parts.id
    this.#membership = new Membership(parts, this.#events())
  }

  /**
   * Joins a room. Resolves when the server has let you in, and from then on reconnects by itself.
   *
   * @param url the server, as `https://rtc.example.org`, or a path of the page's own
   * @param options the room, and how to join it
   * @throws AldisError as `joinRoom` does
   * @example
   * const client = await SignalingClient.join('https://rtc.example.org', { room: 'standup', token })
   * show(client.peers.size)
   */
  static async join(url: string | URL, options: SignalingClientOptions): Promise<SignalingClient> {
    const parts = prepare(url, options, systemEnvironment())
    return enter(new SignalingClient(parts), parts, options.signal)
  }

  /** You. After a session that could not go on `me.id` is another one. */
  get me(): Self {
    return this.#membership.me
  }

  /** The others by their id, oldest first; nobody once you have left. */
  get peers(): ReadonlyMap<PeerId, PeerInfo> {
    return this.#membership.peers
  }

  /** How the connection to the server is. */
  get status(): Status {
    return this.#membership.status
  }

  /** For the `RTCConfiguration` of your own connections; renewed before they expire, with the event `ice-servers`. */
  get iceServers(): readonly IceServer[] {
    return this.#membership.iceServers
  }

  /**
   * Sends somebody a message. Resolves when it was delivered: once, and after those that were sent before. It is kept and sent again while
   * either side is out of reach, for 30 s.
   *
   * @param to the id of a peer
   * @param data any JSON, of up to about 64 KiB
   * @throws AldisError whose `outcome` says what became of it: `timed-out`, `peer-closed`, `forbidden`, `queue-full`, `invalid-option`, `message-too-large`, `left`
   * @example
   * await client.send(peer.id, { text: 'hello' })
   */
  async send(to: PeerId, data: unknown): Promise<void> {
    await this.#membership.send(to, data)
  }

  /**
   * Sends somebody an offer, an answer, a candidate, or another {@link PeerSignal}. Resolves when it was delivered: once, and in order with
   * everything else that goes to this peer.
   *
   * @param to the id of a peer
   * @param signal what `negotiate` wants to send, or what your own code made
   * @throws AldisError whose `outcome` says what became of it: `timed-out`, `peer-closed`, `forbidden`, `queue-full`, `invalid-option`, `message-too-large`, `left`
   * @example
   * const negotiation = negotiate(pc, {
   *   polite: peer.polite,
   *   numbered: peer.features.includes('streams'),
   *   send: (signal) => void client.signal(peer.id, signal).catch(show),
   * })
   * client.on('signal', ({ signal }) => {
   *   if (signal.type !== 'hangup' && signal.type !== 'rebuild') void negotiation.receive(signal)
   * })
   */
  async signal(to: PeerId, signal: PeerSignal): Promise<void> {
    await this.#membership.signal(to, signalParcel(signal))
  }

  /**
   * Says something about yourself to everybody, in the place of what you said before; the others hear `peer-updated`. The latest counts:
   * it goes to the server at most twice a second, and again when a session could not go on.
   *
   * @param attributes an object of at most 1 KiB of JSON
   * @throws AldisError `invalid-option` where it is no object of JSON, `message-too-large` where the server takes no such size, `left`
   * @example
   * client.setAttributes({ muted: true })
   */
  setAttributes(attributes: JsonObject): void {
    this.#membership.setAttributes(attributes)
  }

  /**
   * Asks for fresh ICE servers. Resolves with them, or with those that are there where the server does not answer within 2 s.
   *
   * @example
   * pc.setConfiguration({ iceServers: [...(await client.refreshIceServers())] })
   */
  refreshIceServers(): Promise<readonly IceServer[]> {
    return this.#membership.refreshIceServers()
  }

  /**
   * What is visible now: the same object until something visible has changed.
   *
   * @example
   * show(client.getSnapshot().peers.map(({ identity }) => identity))
   */
  readonly getSnapshot = (): SignalingSnapshot => this.#snapshots.get()

  /**
   * Calls `listener` after every change of what {@link SignalingClient.getSnapshot} returns, until the returned function is called.
   *
   * @example
   * client.subscribe(() => show(client.getSnapshot().status))
   */
  readonly subscribe = (listener: () => void): Unsubscribe => this.#snapshots.subscribe(listener)

  /**
   * Leaves: the others see it at once. From then on {@link SignalingClient.peers} and the snapshot's are empty, without a `peer-left` for
   * each: you left, not they. It is final; join again.
   *
   * @example
   * client.leave()
   */
  leave(): void {
    this.#membership.leave()
  }

  /**
   * Leaves, at the end of the block of `await using`.
   *
   * @example
   * await using client = await SignalingClient.join('https://rtc.example.org', { room: 'standup', token })
   * for (const id of client.peers.keys()) await client.send(id, { text: 'hello, and goodbye' })
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.leave()
  }

  #events(): Above {
    const emit: Emitter<SignalingClientEvents>['emit'] = (name, event) => this.emit(name, event)
    return {
      status: (event) => emit('status', event),
      iceServers: ({ iceServers }) => emit('ice-servers', { iceServers }),
      joined: (peer) => emit('peer-joined', { peer }),
      met: (peer) => {
        emit('peer-left', { peer, reason: 'timeout' })
        emit('peer-joined', { peer })
      },
      updated: (peer) => emit('peer-updated', { peer }),
      left: (peer, reason) => emit('peer-left', { peer, reason }),
      received: (message) => this.#received(message),
      failed: (error) => emit('error', { error }),
      changed: () => this.#snapshots.touch(),
    }
  }

  #received(message: Relayed): void {
    const peer = this.peers.get(message.from)
    if (peer === undefined || message.type === 'ack') return
    if (message.type === 'message') this.emit('message', { peer, data: message.data })
    else this.emit('signal', { peer, signal: signalOf(message) })
  }

  #look(): SignalingSnapshot {
    const { status, me, peers } = this
    return { status, me, peers: [...peers.values()] }
  }
}
