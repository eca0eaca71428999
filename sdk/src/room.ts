/** A room: who is there, what is published, and the connections to everybody. */

import { type Channel, type ChannelOptions, Channels } from './channel.ts'
import { Delivery } from './delivery.ts'
import type { Environment } from './environment.ts'
import { AldisError, asAldisError } from './errors.ts'
import { Emitter } from './events.ts'
import { Gate } from './gate.ts'
import type { IceServers, LeaveReason, PeerId, Relayed, ServerMessage, WelcomeMessage, WirePeer } from './generated/wire.ts'
import { Media, type MediaSource } from './media.ts'
import type { NegotiationStep } from './negotiate.ts'
import type { PageEvent } from './page.ts'
import { Peer, type PeerHost, type PeerState } from './peer.ts'
import { fromServer } from './problem.ts'
import { Scope } from './scope.ts'
import type { Layout } from './senders.ts'
import type { Signaling, Status, StatusEvent } from './signaling.ts'
import { STREAMS } from './stream-lane.ts'
import { Waiters } from './waiters.ts'

/**
 * Whom to call: everybody (`'mesh'`), nobody before `peer.connect()` is called (`'manual'`), or whoever a function says, which is asked
 * when a peer comes. Whatever it is, a peer that calls this side is answered.
 */
export type ConnectOption = 'mesh' | 'manual' | ((peer: Peer) => boolean)

/** You, as the others see you. */
export interface Self {
  /** This stay in the room; it changes where a session could not go on. */
  readonly id: PeerId
  /** Who you are: the `sub` of your token. */
  readonly identity: string
  /** Your name, from your token. */
  readonly name: string | undefined
}

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

/** What a room is made with. @internal */
export interface RoomOptions {
  readonly id: string
  readonly connect: ConnectOption
  readonly layout: Layout
  readonly rtc: RTCConfiguration
  readonly environment: Environment
  readonly signaling: Signaling
}

/** What this client tells the others it understands. @internal */
export const FEATURES: readonly string[] = [STREAMS]

/** How long fresh ICE servers are waited for, and how long they count as fresh, in milliseconds. */
const ICE_SERVERS_MS = 2_000
const FRESH_MS = 10_000

/** How long an interruption of a call may last whose peer the server has given up, in milliseconds: nobody can mend it. */
const LINGER_MS = 15_000

/** Somebody whose call is all that is left. */
interface Lingering {
  readonly reason: LeaveReason
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
  readonly #signaling: Signaling
  readonly #delivery: Delivery
  readonly #media: Media
  readonly #channels = new Channels()
  readonly #peers = new Map<PeerId, Peer>()
  /** Peers that have not come back with the server. */
  readonly #missing = new Set<PeerId>()
  /** How long they are waited for. */
  #absence: Scope
  readonly #host: PeerHost
  #gate = new Gate(0)
  #self: Self | undefined
  #iceServers: RTCIceServer[] = []
  #iceServersAt = Number.NEGATIVE_INFINITY
  #iceExpiresAt: number | undefined
  readonly #iceWaiters: Waiters
  /** Peers that the server gave up while the call with them went on, and why. */
  readonly #lingering = new Map<PeerId, Lingering>()
  #status: Status = 'connecting'
  /** Whether the last connection to the server went on with the stay. */
  #resumed = false
  #warned = false

  /** @internal */
  constructor(options: RoomOptions) {
    super()
    const { environment, signaling } = options
    this.id = options.id
    this.#options = options
    this.#signaling = signaling
    this.#absence = new Scope(environment.clock)
    this.#media = new Media(environment, () => this.#publishedChanged())
    this.#iceWaiters = new Waiters(environment.clock)
    this.#delivery = new Delivery({
      clock: environment.clock,
      random: environment.random,
      isHidden: environment.isHidden,
      send: (signal) => signaling.send(signal),
    })
    this.#host = this.#hostPeers()
    signaling.on('welcome', (welcome) => this.#welcome(welcome))
    signaling.on('message', (message) => this.#handle(message))
    signaling.on('lost', () => this.#lost())
    signaling.on('status', (event) => this.#changed(event))
  }

  /** You. After a session that could not go on `me.id` is another one. */
  get me(): Self {
    return this.#self ?? { id: '', identity: '', name: undefined }
  }

  /** The others by their id, oldest first. */
  get peers(): ReadonlyMap<PeerId, Peer> {
    return this.#peers
  }

  /** How the connection to the server is. Calls go on whatever it is. */
  get status(): Status {
    return this.#status
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
    this.#signaling.leave()
  }

  /** Takes notice of what the page goes through. @internal */
  hear(event: PageEvent): void {
    if (event !== 'online' && event !== 'network-changed' && event !== 'thawed') return
    for (const peer of this.#peers.values()) peer.networkChanged()
  }

  #isOver(): boolean {
    return this.#status === 'left' || this.#status === 'failed'
  }

  #checkIn(): void {
    if (this.#isOver()) throw new AldisError('left', 'This side is no longer in the room.')
  }

  #changed(event: StatusEvent): void {
    this.#status = event.status
    if (event.status === 'left') this.#clear()
    if (event.status === 'joined' && this.#resumed) for (const peer of this.#peers.values()) peer.reachable()
    this.emit('status', event)
  }

  #clear(): void {
    this.#absence.end()
    this.#delivery.clear(new AldisError('left', 'This side is no longer in the room.'))
    this.#gate.close()
    for (const peer of this.#peers.values()) peer.leave('You left the room.')
    this.#media.clear()
  }

  /** Nothing is heard of anybody any more: whoever is missing may have come back meanwhile. */
  #lost(): void {
    this.#absence.end()
    this.#delivery.close()
  }

  #welcome(welcome: WelcomeMessage): void {
    const { id, identity, name } = welcome.peer
    this.#self = { id, identity, name }
    this.#absence.end()
    this.#absence = new Scope(this.#options.environment.clock)
    this.#missing.clear()
    if (!welcome.resumed) this.#delivery.clear(new AldisError('peer-closed', 'The session could not go on.', { retryable: true }))
    this.#resumed = welcome.resumed
    this.#useIceServers(welcome)
    // Before anything is sent: nothing goes to somebody who has left meanwhile.
    if (welcome.resumed) this.#reconcile(welcome)
    this.#delivery.open(welcome.limits, welcome.peers.length)
    if (!welcome.resumed) this.#begin(welcome)
  }

  /** A new stay: to the others this is a new peer, and every connection begins anew. */
  #begin({ peers, limits }: WelcomeMessage): void {
    this.#gate.close()
    this.#gate = new Gate(limits.pairsOpening)
    for (const id of [...this.#peers.keys()]) {
      if (!peers.some((peer) => peer.id === id)) this.#remove(id, 'timeout')
    }
    for (const wire of peers) {
      const known = this.#peers.get(wire.id)
      if (known !== undefined) this.#delivery.add(wire)
      known?.reset(wire)
      if (known === undefined) this.#add(wire)
      else this.#meet(known)
    }
  }

  /** The same stay: connections are left alone. Whoever is missing may be about to come back too. */
  #reconcile({ peers, left, resume }: WelcomeMessage): void {
    for (const id of left) this.#remove(id, 'timeout')
    for (const wire of peers) this.#joined(wire)
    const here = new Set(peers.map(({ id }) => id))
    const missing = [...this.#peers.keys()].filter((id) => !here.has(id))
    for (const id of missing) {
      this.#present(id, 'away')
      this.#missing.add(id)
    }
    this.#absence.after(resume?.windowMs ?? 0, () => {
      for (const id of this.#missing) this.#remove(id, 'timeout')
    })
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'peer-joined':
        return this.#joined(message.peer)
      case 'peer-updated':
        return this.#updated(message.peer)
      case 'peer-away':
        return this.#present(message.id, 'away')
      case 'peer-back':
        return this.#present(message.id, 'here')
      case 'peer-left':
        return message.final ? this.#remove(message.id, message.reason) : this.#present(message.id, 'away')
      case 'ice-servers':
        return this.#useIceServers(message)
      case 'checked':
        return message.presence === 'gone' ? undefined : this.#present(message.id, message.presence)
      case 'receipt':
        return this.#delivery.written(message)
      case 'error':
        // One about a message that nobody knows is about a peer that has left.
        if (!this.#delivery.refuse(message) && message.re === undefined) this.#report(fromServer(message))
        return
      default:
        if ('from' in message) this.#delivery.receive(message as Relayed, (due) => this.#peers.get(due.from)?.receive(due))
    }
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
    this.#iceWaiters.resolve()
    if (!cuts) return
    for (const peer of this.#peers.values()) void peer.renewRelay()
  }

  /** Gets fresh ICE servers, if there is a server to ask; what is there has to do otherwise. */
  async #refreshIceServers(): Promise<void> {
    const age = this.#options.environment.clock.now() - this.#iceServersAt
    if (age < FRESH_MS || this.#options.rtc.iceServers !== undefined) return
    if (!this.#signaling.send({ type: 'ice-servers' })) return
    await this.#iceWaiters.wait(ICE_SERVERS_MS, new AldisError('timed-out', 'The server does not answer.')).catch(() => {})
  }

  #joined(wire: WirePeer): void {
    if (!this.#peers.has(wire.id)) return this.#add(wire)
    // Whoever was given up is back.
    if (this.#stopLingering(wire.id)) this.#delivery.add(wire)
    this.#updated(wire)
  }

  #add(wire: WirePeer): void {
    const peer = new Peer(wire, this.#host)
    // The picture stays until the new connection stands.
    const inherited = this.#peers.get(wire.previous ?? '')?.surrender()
    if (wire.previous !== undefined) this.#forget(wire.previous, 'timeout')
    this.#peers.set(wire.id, peer)
    this.#delivery.add(wire)
    this.emit('peer-joined', { peer })
    if (inherited !== undefined) peer.inherit(inherited)
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
    this.#missing.delete(wire.id)
    peer.update(wire)
    this.#delivery.present(wire.id, wire.presence)
    this.emit('peer-updated', { peer })
  }

  #present(id: PeerId, presence: 'here' | 'away'): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    this.#missing.delete(id)
    this.#delivery.present(id, presence)
    if (peer.presence === presence) return
    peer.update({ ...peer.wire, presence })
    this.emit('peer-updated', { peer })
  }

  /** The server has given up a peer. A call that stands goes on without it: it ends when the call does, or when it comes back as another. */
  #remove(id: PeerId, reason: LeaveReason): void {
    const peer = this.#peers.get(id)
    const lingers = peer?.state === 'connected' && (reason === 'timeout' || reason === 'unreachable')
    if (!lingers) return this.#forget(id, reason)
    this.#lingering.set(id, { reason, end: new Scope(this.#options.environment.clock) })
    this.#delivery.remove(id, goneError(peer))
    this.#present(id, 'away')
  }

  #forget(id: PeerId, reason: LeaveReason): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    this.#peers.delete(id)
    this.#missing.delete(id)
    this.#stopLingering(id)
    this.#delivery.remove(id, goneError(peer))
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

  /** The call with somebody is not all that is left any more. Returns whether it was. */
  #stopLingering(id: PeerId): boolean {
    this.#lingering.get(id)?.end.end()
    return this.#lingering.delete(id)
  }

  #publishedChanged(): void {
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
      delivery: this.#delivery,
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
      isOnline: () => this.#status === 'joined',
      check: ({ id }) => void this.#signaling.send({ type: 'check', id }),
      refreshIceServers: () => this.#refreshIceServers(),
    }
  }
}

function goneError({ identity }: Peer): AldisError {
  return new AldisError('peer-closed', `${identity} left the room.`)
}
