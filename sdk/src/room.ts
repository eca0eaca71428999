/** A room: who is there, what is published, and the connections to everybody. */

/// <reference lib="esnext.disposable" preserve="true" />

import { unlessAborted } from './abort.ts'
import { type Channel, type ChannelOptions, Channels, type Reach } from './channel.ts'
import type { CodecPreferences } from './codecs.ts'
import { type DeviceChoice, setDevice } from './devices.ts'
import type { Environment } from './environment.ts'
import { AldisError, asAldisError } from './errors.ts'
import { Emitter, type Unsubscribe } from './events.ts'
import { Gate } from './gate.ts'
import type { IceServers, JsonObject, LeaveReason, PeerId, Presence, WelcomeMessage, WirePeer } from './generated/wire.ts'
import { Media, type MediaSource } from './media.ts'
import { type Above, Membership, type MembershipParts, type Self } from './membership.ts'
import type { NegotiationStep } from './negotiate.ts'
import { checkObject, refuse, signalIn } from './options.ts'
import type { PageEvent } from './page.ts'
import { Peer, type PeerHost, type PeerState, type PeerStats } from './peer.ts'
import { Scope } from './scope.ts'
import type { Layout } from './senders.ts'
import type { Status, StatusEvent } from './signaling.ts'
import { Snapshots } from './snapshots.ts'
import type { FlowStats } from './stats.ts'

/**
 * Whom to call: everybody (`'mesh'`), nobody before `peer.connect()` is called (`'manual'`), or whoever a function says, which is asked
 * when a peer comes. Whatever it is, a peer that calls this side is answered.
 *
 * @example
 * const connect: ConnectOption = (peer) => peer.identity === 'teacher'
 * await joinRoom('https://rtc.example.org', { room: 'lecture', token, connect })
 */
export type ConnectOption = 'mesh' | 'manual' | ((peer: Peer) => boolean)

/**
 * What happens in a room: `room.on(name, listener)`.
 *
 * @example
 * room.on('peer-joined', ({ peer }) => greet(peer))
 * room.on('track', ({ peer, stream }) => show(peer.id, stream))
 * room.on('message', ({ peer, data }) => show(peer.identity, data))
 * room.on('status', ({ status, error }) => show(status, error?.hint))
 */
export interface RoomEvents {
  /** The connection to the server changed. Calls go on whatever it is. */
  status: StatusEvent
  /** Somebody came. Those who were there before are in {@link Room.peers}. */
  'peer-joined': { readonly peer: Peer }
  /** Somebody left for good; the call with them has ended. It tells of nobody when you leave. */
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

/**
 * What is visible of a peer of a room, at one moment.
 *
 * @example
 * const line = ({ name, identity, presence, state }: PeerSnapshot) => `${name ?? identity}: ${presence}, ${state}`
 * room.subscribe(() => show(room.getSnapshot().peers.map(line)))
 */
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

/**
 * What is visible of a {@link Room}, at one moment.
 *
 * @example
 * const { status, me, peers, published }: RoomSnapshot = room.getSnapshot()
 * show(status, `${me.identity} sends ${published.length} streams to ${peers.length} others`)
 */
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

/**
 * What there is to know of all connections of a room: {@link Room.stats}.
 *
 * @example
 * const { sent, peers }: RoomStats = await room.stats()
 * show(`${sent.bitsPerSecond ?? 0} bits a second to ${peers.size} peers`)
 */
export interface RoomStats {
  /** Each peer's, by its id. */
  readonly peers: ReadonlyMap<PeerId, PeerStats>
  /** What goes to all of them. */
  readonly sent: FlowStats
  /** What comes from all of them. */
  readonly received: FlowStats
}

/** What a room is made with. @internal */
export interface RoomOptions extends MembershipParts {
  readonly connect: ConnectOption
  readonly layout: Layout
  readonly rtc: RTCConfiguration
  readonly codecs: CodecPreferences
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

/** A peer as a snapshot or another library has it is no peer of the room. */
const PEERS: Reach = {
  name: 'peers of the room',
  has: (peer) => typeof (peer as Partial<Peer> | undefined)?.connect === 'function',
}

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
  readonly #channels = new Channels<Peer>(PEERS)
  readonly #peers = new Map<PeerId, Peer>()
  readonly #snapshots: Snapshots<RoomSnapshot> = new Snapshots(() => this.#look())
  readonly #host: PeerHost
  #switching: Promise<unknown> = Promise.resolve()
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

  /** The others by their id, oldest first; nobody once you have left. */
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
   * @param options `signal` gives up waiting for the user: the promise rejects with its reason, and nothing is published
   * @example
   * video.srcObject = await room.publish({ audio: true, video: true })
   * @throws AldisError `media-denied`, `media-missing`, `media-busy`, `media-unsatisfied` or `insecure-context` when the browser gives
   * nothing; `too-many-tracks`; `invalid-option`; `left` once the room was left or the server has closed it
   */
  async publish(source: MediaSource, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<MediaStream> {
    const signal = signalIn(options)
    return this.#share(() => unlessAborted(this.#media.add(source, signal), signal))
  }

  /**
   * Switches the camera: off, on, to another one by its id, or to whichever fulfils constraints. Another one takes the place of the one
   * before without negotiating. Resolves with the stream that it is in, together with the microphone, or with `undefined` when it is off.
   *
   * @param choice `false`, `true`, a `deviceId`, or constraints
   * @param options `signal` gives up waiting, as that of {@link Room.publish}: the camera stays as it is
   * @throws AldisError as {@link Room.publish} does
   * @example
   * video.srcObject = (await room.setCamera(true)) ?? null
   * await room.setCamera({ facingMode: 'environment' })
   * await room.setCamera(true, { signal: AbortSignal.timeout(20_000) }) // whoever does not answer by then goes on without
   */
  setCamera(choice: DeviceChoice, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<MediaStream | undefined> {
    return this.#switch('video', choice, options)
  }

  /**
   * Switches the microphone, as {@link Room.setCamera} does the camera. Off, its light is off too; to be silent for a moment, set
   * `enabled` of its track.
   *
   * @param choice `false`, `true`, a `deviceId`, or constraints
   * @param options `signal` gives up waiting, as that of {@link Room.publish}: the microphone stays as it is
   * @throws AldisError as {@link Room.publish} does
   * @example
   * await room.setMicrophone({ echoCancellation: true })
   * await room.setMicrophone(true, { signal: AbortSignal.timeout(20_000) })
   */
  setMicrophone(
    choice: DeviceChoice,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<MediaStream | undefined> {
    return this.#switch('audio', choice, options)
  }

  /**
   * Asks the user for a screen, a window or a tab, and sends it to everybody, in a stream of its own. Call it from a click. It ends when
   * the user ends it, or by {@link Room.stopSharing}.
   *
   * @param options as those of `getDisplayMedia`, and a `signal` that gives up waiting, as that of {@link Room.publish}
   * @throws AldisError `media-denied` when the user shares nothing, and as {@link Room.publish} does
   * @example
   * const dialog = new AbortController()
   * video.srcObject = await room.shareScreen({ video: true, audio: true, signal: dialog.signal })
   */
  async shareScreen(
    options: DisplayMediaStreamOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<MediaStream> {
    const { signal: given, ...wanted } = checkObject('options', options)
    const signal = signalIn({ signal: given })
    const share = async (): Promise<MediaStream> => {
      const stream = await this.#media.capture('screen', wanted, signal)
      return this.#media.put(stream.getTracks(), stream)
    }
    return this.#share(() => unlessAborted(share(), signal))
  }

  /**
   * Ends what {@link Room.shareScreen} began; where nothing is shared nothing happens.
   *
   * @example
   * room.stopSharing()
   */
  stopSharing(): void {
    for (const track of this.#media.captured('screen')) this.#media.remove(track)
  }

  /**
   * Sends another track in the place of one, in the same stream, without negotiating: the others see no `track`. Resolves when every
   * connection sends it. A track that the library opened is switched off.
   *
   * @param old a track that is published
   * @param next one of the same kind
   * @throws AldisError `invalid-option` where one of the two is not as it must be, `left`
   * @example
   * const [old] = (await room.publish({ video: true })).getVideoTracks()
   * const [next] = document.querySelector('canvas')!.captureStream().getVideoTracks()
   * if (old && next) await room.replaceTrack(old, next)
   */
  async replaceTrack(old: MediaStreamTrack, next: MediaStreamTrack): Promise<void> {
    this.#membership.checkIn()
    this.#media.replace(old, next)
    await Promise.all([...this.#peers.values()].map((peer) => peer.sync()))
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
   * calls go on until then. From then on {@link Room.peers} and the snapshot's are empty, without a `peer-left` for each: you left, not
   * they. It is final; `joinRoom` joins again.
   *
   * @example
   * room.leave()
   */
  leave(): void {
    this.#membership.leave()
  }

  /**
   * Leaves, at the end of the block of `await using`.
   *
   * @example
   * await using room = await joinRoom('https://rtc.example.org', { room: 'standup', token })
   * await room.send({ text: 'hello, and goodbye' })
   */
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
   * Sends everybody who is in the room now a message, as {@link Peer.send} does. Resolves when its fate is known for each of them, with those
   * who got it. It goes to each of them by itself, at the pace that the server allows.
   *
   * @param data any JSON, of up to about 64 KiB
   * @throws AldisError where nobody got it though somebody was there: what became of the first; `invalid-option`, `message-too-large`, `left`
   * @example
   * const reached = await room.send({ text: 'hello, all' })
   * show(reached.map(({ identity }) => identity))
   */
  async send(data: unknown): Promise<Peer[]>
  async send(data: unknown, options?: unknown): Promise<Peer[]> {
    // Whoever names some, as for a channel, must not tell everybody.
    if (options !== undefined) refuse('options', 'left out', options)
    this.#membership.checkIn()
    const peers = [...this.#peers.values()]
    const fates = await Promise.allSettled(peers.map((peer) => peer.send(data)))
    const reached = peers.filter((_, at) => fates[at]?.status === 'fulfilled')
    const failed = fates.find((fate) => fate.status === 'rejected')
    if (failed !== undefined && reached.length === 0) throw failed.reason
    return reached
  }

  /**
   * Asks the browser about all connections. Rates are those since the last call, whoever made it.
   *
   * @example
   * const { sent, received, peers } = await room.stats()
   * show(sent.bitsPerSecond, received.lossRate, peers.get(peer.id)?.roundTripMs)
   */
  async stats(): Promise<RoomStats> {
    const { sumFlows } = await import('./stats.ts')
    const peers = new Map<PeerId, PeerStats>()
    await Promise.all([...this.#peers.values()].map(async (peer) => void peers.set(peer.id, await peer.stats())))
    const all = [...peers.values()]
    return { peers, sent: sumFlows(all.map(({ sent }) => sent)), received: sumFlows(all.map(({ received }) => received)) }
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

  /** Publishes what is being opened, unless the page leaves while its user is asked. */
  async #share(open: () => Promise<MediaStream>): Promise<MediaStream> {
    this.#checkMedia()
    const stream = await open()
    if (this.#membership.isOver) this.#media.remove(stream)
    this.#membership.checkIn()
    return stream
  }

  #checkMedia(): void {
    this.#membership.checkIn()
    if (this.#options.layout === 'data') throw new AldisError('invalid-option', "With `layout: 'data'` nothing is published.")
  }

  /** Switches a device, one after the other, so that the last choice is what comes out; nobody waits for one that was given up. */
  async #switch(
    kind: 'audio' | 'video',
    choice: DeviceChoice,
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<MediaStream | undefined> {
    const signal = signalIn(options)
    const before = this.#switching
    const switched = before.then(async () => {
      signal?.throwIfAborted()
      this.#checkMedia()
      const stream = await setDevice(this.#media, kind, choice, signal)
      if (this.#membership.isOver) this.#media.clear()
      this.#membership.checkIn()
      return stream
    })
    const waiting = unlessAborted(switched, signal)
    this.#switching = Promise.allSettled([before, waiting])
    return waiting
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
    const peers = [...this.#peers.values()]
    // First, so that whoever hears of a call that ends sees nobody there, and nobody is told to have left.
    this.#peers.clear()
    for (const peer of peers) peer.leave('You left the room.')
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

  /** Gets fresh ICE servers, if there is a server to ask; what is there has to do otherwise. Returns whether it asked. */
  async #refreshIceServers(): Promise<boolean> {
    const age = this.#options.environment.clock.now() - this.#iceServersAt
    const asks = age >= FRESH_MS && this.#options.rtc.iceServers === undefined
    if (asks) await this.#membership.refreshIceServers()
    return asks
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
    for (const peer of this.#peers.values()) void peer.sync()
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
      codecs: this.#options.codecs,
      configuration: () => ({ ...this.#options.rtc, iceServers: this.#iceServers }),
      isOver: () => this.#membership.isOver,
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
