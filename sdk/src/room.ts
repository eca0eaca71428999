/** A room: who is there, what is published, and the connections to everybody. */

/// <reference lib="esnext.disposable" preserve="true" />

import { type Channel, type ChannelOptions, Channels } from './channel.ts'
import type { Environment } from './environment.ts'
import { AldisError, asAldisError } from './errors.ts'
import { Emitter, type Unsubscribe } from './events.ts'
import { Gate } from './gate.ts'
import type { IceServers, JsonObject, LeaveReason, PeerId, Presence, WelcomeMessage, WirePeer } from './generated/wire.ts'
import { Media, type MediaSource } from './media.ts'
import { type Above, Membership, type MembershipParts, type Self } from './membership.ts'
import type { NegotiationStep } from './negotiate.ts'
import type { PageEvent } from './page.ts'
import { Peer, type PeerHost, type PeerState } from './peer.ts'
import { Scope } from './scope.ts'
import type { Layout } from './senders.ts'
import type { Status, StatusEvent } from './signaling.ts'
import { Snapshots } from './snapshots.ts'

/**
 * Whom to call: everybody (`'mesh'`), nobody before `peer.connect()` is called (`'manual'`), or whoever a function says, which is asked
 * when a peer comes. Whatever it is, a peer that calls this side is answered.
 */
export type ConnectOption = 'mesh' | 'manual' | ((peer: Peer) => boolean)

/** What happens in a room: `room.on(name, listener)`. */
export interface RoomEvents {
  /** The connection to the server changed. Calls go on whatever it is. */
  status: StatusEvent
  /** Somebody came. Those who were there before are in {@link Room.peers}. */
  'peer-joined': { readonly peer: Peer }
  /** Somebody left for good; the call with them has ended. */
  'peer-left': { readonly peer: Peer; readonly reason: LeaveReason }
  /** Its name, metadata, attributes or presence changed. */
  'peer-updated': { readonly peer: Peer }
  /** The call with a peer changed. `reason` says why it ended, for people. */
  'peer-state': { readonly peer: Peer; readonly state: PeerState; readonly reason?: string }
  /** A peer sends a track; show its stream. A camera and a microphone that were published together come in one stream. */
  track: { readonly peer: Peer; readonly track: MediaStreamTrack; readonly stream: MediaStream }
  /** A peer sends it no longer. The stream is empty when its last track has gone. */
  'track-removed': { readonly peer: Peer; readonly track: MediaStreamTrack; readonly stream: MediaStream }
  /** A peer sent `data` by {@link Peer.send}: each once, in the order in which it sent them. */
  message: { readonly peer: Peer; readonly data: unknown }
  /** A step of the handshake with a peer, for counting and for showing: nothing depends on it. */
  negotiation: { readonly peer: Peer; readonly step: NegotiationStep }
  /** Something failed and nobody was waiting for it; the console has it too. `peer` is whom it concerns, if it is one. */
  error: { readonly error: AldisError; readonly peer?: Peer }
}

/** What is visible of a peer of a room, at one moment. */
export interface PeerSnapshot {
  /** This stay in the room; {@link Room.peers} has the peer. */
  readonly id: PeerId
  /** Who it is, over all stays. */
  readonly identity: string
  /** A name to show. */
  readonly name: string | undefined
  /** What its token says about it. */
  readonly metadata: unknown
  /** What it says about itself. */
  readonly attributes: unknown
  /** Whether the server reaches it. */
  readonly presence: Presence
  /** How the call with it is. */
  readonly state: PeerState
  /** What it sends. */
  readonly streams: readonly MediaStream[]
  /** The tracks of these streams, so that one that comes or goes is a change. */
  readonly tracks: readonly MediaStreamTrack[]
}

/** What is visible of a {@link Room}, at one moment. */
export interface RoomSnapshot {
  /** How the connection to the server is. */
  readonly status: Status
  /** You. */
  readonly me: Self
  /** The others, oldest first. */
  readonly peers: readonly PeerSnapshot[]
  /** What you send. */
  readonly published: readonly MediaStream[]
  /** The tracks of these streams. */
  readonly publishedTracks: readonly MediaStreamTrack[]
}

/** What a room is made with. @internal */
export interface RoomOptions extends MembershipParts {
  readonly connect: ConnectOption
  readonly layout: Layout
  readonly rtc: RTCConfiguration
  readonly environment: Environment
}

/** How long ICE servers count as fresh, in milliseconds. */
const FRESH_MS = 10_000

/** How long an interruption of a call may last whose peer the server has given up, in milliseconds: nobody can mend it. */
const LINGER_MS = 15_000

/** Somebody whose call is all that is left. */
interface Lingering {
  readonly reason: LeaveReason
  /** In which of our own stays. */
  readonly stay: PeerId
  /** The end of an interruption, one way or the other. */
  end: Scope
}

/** Videos that a mesh carries well: with more, every peer sends its own too often. */
const MESH_VIDEOS = 6

/**
 * A room that was joined with {@link joinRoom}. Calls go from peer to peer: they go on while the connection to the server is away, and
 * it comes back by itself. The status `failed` is final: the server does not want this client any more, and `error` says why.
 *
 * @example
 * room.on('peer-left', ({ peer, reason }) => show(`${peer.identity} is gone: ${reason}`))
 * for (const peer of room.peers.values()) show(peer.identity)
 */
export class Room extends Emitter<RoomEvents> {
  /** Its name, as it was joined. */
  readonly id: string
  readonly #options: RoomOptions
  readonly #membership: Membership
  readonly #media: Media
  readonly #channels = new Channels()
  readonly #peers = new Map<PeerId, Peer>()
  readonly #snapshots: Snapshots<RoomSnapshot> = new Snapshots(() => this.#look())
  readonly #host: PeerHost
  #gate = new Gate(0)
  #iceServers: RTCIceServer[] = []
  #iceServersAt = Number.NEGATIVE_INFINITY
  #iceExpiresAt: number | undefined
  /** Peers that the server gave up while the call with them went on, and why. */
  readonly #lingering = new Map<PeerId, Lingering>()
  /** Whether the last connection to the server went on with the stay. */
  #resumed = false
  #warned = false

  /** @internal */
  constructor(options: RoomOptions) {
    super()
    const { environment } = options
    this.id = options.id
    this.#options = options
    this.#media = new Media(environment, () => this.#publishedChanged())
    this.#host = this.#hostPeers()
    this.#membership = new Membership(options, this.#standAbove())
  }

  /** You. After a session that could not go on `me.id` is another one. */
  get me(): Self {
    return this.#membership.me
  }

  /** The others by their id, oldest first. */
  get peers(): ReadonlyMap<PeerId, Peer> {
    return this.#peers
  }

  /** How the connection to the server is. Calls go on whatever it is. */
  get status(): Status {
    return this.#membership.status
  }

  /**
   * Sends audio and video to everybody, those who come later included. Resolves with the stream, to show it. A track that ends, because
   * its camera was unplugged or its screen is no longer shared, is unpublished by itself. At most 8 tracks of a kind.
   *
   * @param source a stream, a track, or what to ask the browser for
   * @example
   * video.srcObject = await room.publish({ audio: true, video: true })
   * @example
   * const screen = await room.publish(await navigator.mediaDevices.getDisplayMedia())
   * @throws AldisError `media-denied`, `media-missing`, `media-busy`, `media-unsatisfied` or `insecure-context` when the browser gives
   * nothing; `too-many-tracks`; `invalid-option`; `left` once the room was left or the server has closed it
   */
  async publish(source: MediaSource): Promise<MediaStream> {
    this.#checkIn()
    if (this.#options.layout === 'data') throw new AldisError('invalid-option', "With `layout: 'data'` nothing is published.")
    const stream = await this.#media.add(source)
    // The page may have left while its user was asked.
    if (this.#isOver()) this.#media.remove(stream)
    this.#checkIn()
    return stream
  }

  /**
   * Stops sending a stream or a track. Cameras that `publish` opened are switched off; a track of your own goes on until you stop it.
   *
   * @param source what `publish` was given or returned; what is not published changes nothing
   * @example
   * const camera = await room.publish({ video: true })
   * room.unpublish(camera)
   */
  unpublish(source: MediaStream | MediaStreamTrack): void {
    this.#media.remove(source)
  }

  /**
   * A data channel to every peer whose page asks for one of the same name. Without a name it is the channel that every connection has:
   * a page without this library reaches it by `createDataChannel('', { negotiated: true, id: 0 })`.
   *
   * @param name what both sides call it
   * @param options how it delivers; those of the first call count
   * @returns the same channel each time it is called with a name
   * @example
   * const chat = room.channel('chat')
   * chat.on('message', ({ data, from }) => show(from.identity, data))
   * @example
   * const moves = room.channel('moves', { ordered: false, maxRetransmits: 0 })
   */
  channel(name = '', options: ChannelOptions = {}): Channel {
    return this.#channels.get(name, options)
  }

  /**
   * Ends every call, switches off the cameras that `publish` opened, and leaves: the others see it at once. Where the status is `failed`
   * calls go on until then. It is final; `joinRoom` joins again.
   *
   * @example
   * room.leave()
   */
  leave(): void {
    this.#membership.leave()
  }

  /** Leaves, at the end of the block of `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.leave()
  }

  /**
   * Says something about yourself to everybody, in the place of what you said before; the others hear `peer-updated` and have it in
   * {@link Peer.attributes}. The latest counts: it goes to the server at most twice a second, and again when a session could not go on.
   *
   * @param attributes an object of at most 1 KiB of JSON
   * @throws AldisError `invalid-option` where it is no object of JSON, `message-too-large` where the server takes no such size, `left`
   * @example
   * room.setAttributes({ muted: true })
   */
  setAttributes(attributes: JsonObject): void {
    this.#membership.setAttributes(attributes)
  }

  /**
   * What is visible now: the same object until something visible has changed.
   *
   * @example
   * const { status, peers } = room.getSnapshot()
   * show(status, peers.filter(({ state }) => state === 'connected').length)
   */
  readonly getSnapshot = (): RoomSnapshot => this.#snapshots.get()

  /**
   * Calls `listener` after every change of what {@link Room.getSnapshot} returns, until the returned function is called. For React this
   * is `useSyncExternalStore(room.subscribe, room.getSnapshot)`.
   *
   * @example
   * const off = room.subscribe(() => show(room.getSnapshot().peers.length))
   */
  readonly subscribe = (listener: () => void): Unsubscribe => this.#snapshots.subscribe(listener)

  /** Takes notice of what the page goes through. @internal */
  hear(event: PageEvent): void {
    if (event !== 'online' && event !== 'network-changed' && event !== 'thawed') return
    for (const peer of this.#peers.values()) peer.networkChanged()
  }

  #isOver(): boolean {
    return this.status === 'left' || this.status === 'failed'
  }

  #checkIn(): void {
    if (this.#isOver()) throw new AldisError('left', 'This side is no longer in the room.')
  }

  /** Tells the application; whoever looks at the room as a whole sees it too. @internal */
  override emit<Name extends keyof RoomEvents>(name: Name, event: RoomEvents[Name]): void {
    this.#snapshots.touch()
    super.emit(name, event)
  }

  #changed(event: StatusEvent): void {
    if (event.status === 'left') this.#clear()
    if (event.status === 'joined' && this.#resumed) for (const peer of this.#peers.values()) peer.reachable()
    this.emit('status', event)
  }

  #clear(): void {
    this.#gate.close()
    for (const peer of this.#peers.values()) peer.leave('You left the room.')
    this.#media.clear()
  }

  #welcome({ resumed, limits }: WelcomeMessage): void {
    this.#resumed = resumed
    if (resumed) return
    // A new stay: to the others this is a new peer, and every connection begins anew.
    this.#gate.close()
    this.#gate = new Gate(limits.pairsOpening)
  }

  /** Uses the server's ICE servers from now on, unless the page has its own. */
  #useIceServers({ iceServers, iceCutsAtExpiry, iceExpiresAt }: IceServers): void {
    const own = this.#options.rtc.iceServers
    // Relays that were opened with those of this expiry last as long.
    const cuts = iceCutsAtExpiry && own === undefined && iceExpiresAt !== this.#iceExpiresAt
    this.#iceExpiresAt = iceExpiresAt
    this.#iceServers = own ?? [...iceServers]
    this.#iceServersAt = this.#options.environment.clock.now()
    for (const peer of this.#peers.values()) peer.setIceServers(this.#iceServers)
    if (!cuts) return
    for (const peer of this.#peers.values()) void peer.renewRelay()
  }

  /** Gets fresh ICE servers, if there is a server to ask; what is there has to do otherwise. */
  async #refreshIceServers(): Promise<void> {
    const age = this.#options.environment.clock.now() - this.#iceServersAt
    if (age >= FRESH_MS && this.#options.rtc.iceServers === undefined) await this.#membership.refreshIceServers()
  }

  #joined(wire: WirePeer): void {
    const lingering = this.#lingering.get(wire.id)
    if (lingering === undefined) return this.#add(wire)
    // Whoever was given up is back.
    this.#stopLingering(wire.id)
    if (lingering.stay === this.me.id) this.#updated(wire)
    else this.#met(wire)
  }

  #add(wire: WirePeer): void {
    const peer = new Peer(wire, this.#host)
    // The picture stays until the new connection stands.
    const inherited = this.#peers.get(wire.previous ?? '')?.surrender()
    if (wire.previous !== undefined) this.#forget(wire.previous, 'timeout')
    this.#peers.set(wire.id, peer)
    this.emit('peer-joined', { peer })
    if (inherited !== undefined) peer.inherit(inherited)
    this.#meet(peer)
  }

  /** Somebody who was there in the stay before. */
  #met(wire: WirePeer): void {
    const peer = this.#peers.get(wire.id)
    if (peer === undefined) return
    peer.reset(wire)
    this.#meet(peer)
  }

  #meet(peer: Peer): void {
    const { connect } = this.#options
    try {
      if (connect === 'mesh' || (typeof connect === 'function' && connect(peer))) peer.begin('after-a-while')
    } catch (error) {
      this.#report(asAldisError(error, 'invalid-option', 'The `connect` function failed'), peer)
    }
  }

  #updated(wire: WirePeer): void {
    const peer = this.#peers.get(wire.id)
    if (peer === undefined) return
    peer.update(wire)
    this.emit('peer-updated', { peer })
  }

  /** The server has given up a peer. A call that stands goes on without it: it ends when the call does, or when it comes back as another. */
  #remove({ id }: WirePeer, reason: LeaveReason): void {
    const peer = this.#peers.get(id)
    const lingers = peer?.state === 'connected' && (reason === 'timeout' || reason === 'unreachable')
    if (!lingers) return this.#forget(id, reason)
    this.#lingering.set(id, { reason, stay: this.me.id, end: new Scope(this.#options.environment.clock) })
    if (peer.presence === 'here') this.#updated({ ...peer.wire, presence: 'away' })
  }

  #forget(id: PeerId, reason: LeaveReason): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    this.#peers.delete(id)
    this.#stopLingering(id)
    peer.leave(`${peer.identity} left the room.`)
    this.emit('peer-left', { peer, reason })
  }

  /** Lets go of somebody whose call was all that was left, when that ends: an interruption may still heal. */
  #linger({ id, state }: Peer): void {
    const lingering = this.#lingering.get(id)
    if (lingering === undefined) return
    const { end, reason } = lingering
    end.end()
    if (state === 'connected') return
    if (state !== 'interrupted') return this.#forget(id, reason)
    lingering.end = new Scope(this.#options.environment.clock)
    lingering.end.after(LINGER_MS, () => this.#forget(id, reason))
  }

  /** The call with somebody is not all that is left any more. */
  #stopLingering(id: PeerId): void {
    this.#lingering.get(id)?.end.end()
    this.#lingering.delete(id)
  }

  #publishedChanged(): void {
    this.#snapshots.touch()
    for (const peer of this.#peers.values()) peer.sync()
    this.#warnOfMesh()
  }

  /** Says once that a mesh of so many videos will not go well. */
  #warnOfMesh(): void {
    const connections = [...this.#peers.values()].filter(({ connection }) => connection !== null).length
    const video = [...this.#media.tracks.keys()].some(({ kind }) => kind === 'video')
    if (this.#warned || !video || connections < MESH_VIDEOS) return
    this.#warned = true
    const line = `aldis: more than ${MESH_VIDEOS} videos in a mesh: yours is sent ${connections} times. Larger rooms need an SFU.`
    this.#options.environment.warn(line)
  }

  /** What failed without anybody waiting for it: for the application, and for its developer. */
  #report(error: AldisError, peer?: Peer): void {
    this.#options.environment.warn(String(error))
    this.emit('error', { error, ...(peer && { peer }) })
  }

  /** What peers see of the room. */
  #hostPeers(): PeerHost {
    return {
      environment: this.#options.environment,
      membership: () => this.#membership,
      channels: this.#channels,
      media: this.#media,
      layout: this.#options.layout,
      configuration: () => ({ ...this.#options.rtc, iceServers: this.#iceServers }),
      isOver: () => this.#isOver(),
      enter: (start) => this.#gate.enter(start),
      emit: (name, event) => {
        this.emit(name, event)
        if (name === 'peer-state') this.#linger((event as RoomEvents['peer-state']).peer)
      },
      report: (error, peer) => this.#report(error, peer),
      paired: () => this.#warnOfMesh(),
      isOnline: () => this.status === 'joined',
      refreshIceServers: () => this.#refreshIceServers(),
    }
  }

  /** What the room makes of what it is told. */
  #standAbove(): Above {
    return {
      status: (event) => this.#changed(event),
      welcomed: (welcome) => this.#welcome(welcome),
      iceServers: (servers) => this.#useIceServers(servers),
      joined: (peer) => this.#joined(peer),
      met: (peer) => this.#met(peer),
      updated: (peer) => this.#updated(peer),
      left: (peer, reason, successor) => (successor ? undefined : this.#remove(peer, reason)),
      received: (message) => this.#peers.get(message.from)?.receive(message),
      failed: (error) => this.#report(error),
      changed: () => this.#snapshots.touch(),
    }
  }

  #look(): RoomSnapshot {
    const published = this.#media.tracks
    return {
      status: this.status,
      me: this.me,
      peers: [...this.#peers.values()].map((peer) => peer.look()),
      published: [...new Set(published.values())],
      publishedTracks: [...published.keys()],
    }
  }
}
