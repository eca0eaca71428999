/** Somebody else in the room, and the connection to them. */

import type { Cancel } from './clock.ts'
import type { Environment } from './environment.ts'
import { AldisError } from './errors.ts'
import type { GiveUp } from './gate.ts'
import type { JsonObject, Presence, Relayed, RelayedOffer, WirePeer } from './generated/wire.ts'
import type { NegotiationMessage, NegotiationStep } from './negotiate.ts'
import type { Parcel } from './outbox.ts'
import { Pair, type PairState, type Part } from './pair.ts'
import { Scope } from './scope.ts'
import type { Published } from './senders.ts'

/** How the connection to a peer is: `new` before the first, otherwise a {@link PairState}. */
export type PeerState = 'new' | PairState

/** What a peer's `hello` names where it understands numbered descriptions. */
export const NUMBERED = 'numbered'

/** What a peer needs of its room, and what it tells it. @internal */
export interface PeerHost {
  readonly environment: Environment
  configuration(): RTCConfiguration
  published(): Published
  post(to: string, parcel: Parcel): void
  /** Takes a place among the pairs that open. */
  enter(start: () => void): GiveUp
  onState(peer: Peer, state: PeerState): void
  onStep(peer: Peer, step: NegotiationStep): void
  onTrack(peer: Peer, track: MediaStreamTrack, stream: MediaStream): void
  onTrackRemoved(peer: Peer, track: MediaStreamTrack, stream: MediaStream): void
  onConnection(peer: Peer, pair: Pair): void
  onDisconnection(pair: Pair): void
  onChannel(peer: Peer, channel: RTCDataChannel): void
  onError(peer: Peer, error: AldisError): void
}

/** When the side that waits asks for the first offer. */
type Ask = 'at-once' | 'after-a-while'

/** How long the first offer is waited for before it is asked for, and then once more, in milliseconds. */
const FIRST_OFFER_MS = 10_000

/** How long a connection may take to stand before it no longer keeps others waiting, in milliseconds. */
const OPENING_MS = 15_000

/** How many messages of a connection that is not there yet are kept: they may have overtaken its offer. */
const EARLY_MAX = 64

/** Somebody who waits for the connection to stand. */
interface Waiter {
  resolve(): void
  reject(error: AldisError): void
  cancel: Cancel
}

/** Somebody else in the room: one stay. Whoever comes back later is another peer of the same {@link Peer.identity}. */
export class Peer {
  readonly #host: PeerHost
  #wire: WirePeer
  #state: PeerState = 'new'
  #pair: Pair | undefined
  /** Which connection this is, counted over both sides; messages of an older one are dropped. */
  #generation = 0
  #early: Relayed[] = []
  /** What belongs to the opening of a connection. */
  #opening: Scope | undefined
  #waiters: Waiter[] = []
  /** Why there is nobody to call any more. */
  #gone: string | undefined

  /** @internal */
  constructor(wire: WirePeer, host: PeerHost) {
    this.#wire = wire
    this.#host = host
  }

  /** This stay in the room; the server never uses it again. */
  get id(): string {
    return this.#wire.id
  }

  /** Who it is, over all stays: the `sub` of its token. */
  get identity(): string {
    return this.#wire.identity
  }

  /** A name to show, from its token. */
  get name(): string | undefined {
    return this.#wire.name
  }

  /** What its token says about it, any JSON; only your backend can change it. */
  get metadata(): unknown {
    return this.#wire.metadata
  }

  /** What it says about itself, an object; `undefined` where it says nothing. */
  get attributes(): unknown {
    return this.#wire.attributes
  }

  /** Whether the server reaches it. A call goes on while it is `away`. */
  get presence(): Presence {
    return this.#wire.presence
  }

  /** Whether this side yields to it when both offer at once. The peer who was here first makes the first offer. */
  get polite(): boolean {
    return this.#wire.polite
  }

  /** The id of an earlier stay that this one proved to be. */
  get previous(): string | undefined {
    return this.#wire.previous
  }

  /** What its client understands; empty for a page without an SDK. */
  get features(): readonly string[] {
    return this.#wire.features
  }

  /** How the connection is. */
  get state(): PeerState {
    return this.#state
  }

  /** The browser's own connection, for everything that this library does not do; `null` where there is none. */
  get connection(): RTCPeerConnection | null {
    return this.#pair?.connection ?? null
  }

  /** What it sends, as it grouped its tracks; `room.on('track')` tells of them as they come. */
  get streams(): readonly MediaStream[] {
    return this.#pair?.streams ?? []
  }

  /**
   * Calls it, if there is no call yet. Resolves when the connection stands.
   *
   * @throws AldisError `timed-out` when it does not stand within 15 s, or the peer makes no offer within 10 s; `peer-closed` when it
   * hangs up or leaves first; `negotiation-failed` when no way is found; what the server said where it refused a signal for good
   * @example
   * await peer.connect()
   * show(`${peer.identity} is connected`)
   */
  connect(): Promise<void> {
    if (this.#state === 'connected') return Promise.resolve()
    if (this.#gone !== undefined) return Promise.reject(new AldisError('peer-closed', this.#gone))
    const { clock } = this.#host.environment
    const connected = new Promise<void>((resolve, reject) => {
      const late = new AldisError('timed-out', `The connection to ${this.identity} does not come about.`, { retryable: true })
      this.#waiters.push({ resolve, reject, cancel: clock.after(OPENING_MS, () => reject(late)) })
    })
    if (this.#state === 'failed') this.#pair?.restart()
    this.begin('at-once')
    return connected
  }

  /**
   * Ends the call, and tells the peer. Both stay in the room; `connect` calls again.
   *
   * @param reason a word for the peer's client: at most 256 bytes
   * @example
   * peer.hangup()
   */
  hangup(reason?: string): void {
    if (this.#state === 'new' || this.#state === 'closed') return
    this.#host.post(this.id, reason === undefined ? { type: 'hangup' } : { type: 'hangup', reason })
    this.end('You hung up.')
  }

  /** Opens a connection, if there is none. @internal */
  begin(ask: Ask): void {
    if (this.#opening !== undefined || this.#pair !== undefined || this.#gone !== undefined) return
    const scope = this.#open()
    this.#enter('connecting')
    // Whoever hears of it may hang up at once.
    if (!scope.live) return
    if (this.polite) {
      this.#awaitOffer(scope, ask)
    } else {
      scope.defer(this.#host.enter(() => this.#make(this.#generation + 1, 'offers')))
    }
  }

  /** What the server said about it last. @internal */
  get wire(): WirePeer {
    return this.#wire
  }

  /** Takes what the server says about it. @internal */
  update(wire: WirePeer): void {
    this.#wire = wire
  }

  /** Sends exactly what is published. @internal */
  sync(): void {
    // Where the first offer has not come yet, its answer will say it.
    void this.#pair?.sync()
  }

  /** Uses other ICE servers from now on. @internal */
  setIceServers(iceServers: RTCIceServer[]): void {
    this.#pair?.setIceServers(iceServers)
  }

  /** Takes a message of the peer. @internal */
  receive(message: Relayed): void {
    switch (message.type) {
      case 'offer':
        return this.#offered(message)
      case 'answer':
      case 'ice-candidate':
        return this.#hand(message)
      case 'restart':
        return this.#pair === undefined ? this.begin('after-a-while') : this.#hand(message)
      case 'hangup':
        return this.end(`${this.identity} hung up.`)
    }
  }

  /** The server does not let a message through to it. @internal */
  refused(error: AldisError): void {
    this.#settle(error)
    this.#host.onError(this, error)
  }

  /** Ends the connection without a word to the peer. @internal */
  end(why: string): void {
    this.#early = []
    this.#opened()
    this.#drop()
    if (this.#state !== 'new') this.#enter('closed')
    this.#settle(new AldisError('peer-closed', why))
  }

  /** Ends the connection for good: one of the two is no longer in the room. @internal */
  leave(why: string): void {
    this.#gone = why
    this.end(why)
  }

  /** Forgets every connection: this side is a new peer to it. @internal */
  reset(wire: WirePeer): void {
    this.end('The session began anew.')
    this.#generation = 0
    this.#wire = wire
    this.#enter('new')
  }

  #drop(): void {
    const pair = this.#pair
    if (pair === undefined) return
    for (const stream of pair.streams) {
      for (const track of stream.getTracks()) this.#host.onTrackRemoved(this, track, stream)
    }
    this.#pair = undefined
    pair.close()
    this.#host.onDisconnection(pair)
  }

  /** Begins to open a connection. It keeps its place until it stands, or for so long. */
  #open(): Scope {
    const scope = new Scope(this.#host.environment.clock)
    this.#opening = scope
    return scope
  }

  #opened(): void {
    this.#opening?.end()
    this.#opening = undefined
  }

  #awaitOffer(scope: Scope, ask: Ask): void {
    const late = (): void => {
      this.#opened()
      this.refused(new AldisError('timed-out', `${this.identity} made no offer.`, { retryable: true }))
      this.#enter('failed')
    }
    const request = (): void => {
      this.#host.post(this.id, { type: 'restart' })
      scope.after(FIRST_OFFER_MS, late)
    }
    if (ask === 'at-once') request()
    else scope.after(FIRST_OFFER_MS, request)
  }

  #offered(message: RelayedOffer): void {
    const generation = numberOf(message.x, 'g')
    if (this.#gone !== undefined) return
    if (this.#pair !== undefined && (generation ?? this.#generation) === this.#generation) return this.#hand(message)
    if (generation !== undefined && generation <= this.#generation) return this.#host.onStep(this, 'stale-dropped')
    this.#drop()
    this.#opened()
    this.#open()
    this.#make(generation ?? this.#generation + 1, 'answers')
    this.#hand(message)
    for (const early of this.#early.splice(0)) this.#hand(early)
  }

  #make(generation: number, part: Part): void {
    const host = this.#host
    this.#generation = generation
    const numbered = this.#wire.features.includes(NUMBERED)
    const pair = new Pair({
      environment: host.environment,
      configuration: host.configuration(),
      part,
      polite: this.polite,
      numbered,
      published: () => host.published(),
      send: (message) => host.post(this.id, parcelOf(message, numbered ? generation : undefined)),
      onState: (state) => this.#changed(pair, state),
      onStep: (step) => host.onStep(this, step),
      onTrack: (track, stream) => host.onTrack(this, track, stream),
      onTrackRemoved: (track, stream) => host.onTrackRemoved(this, track, stream),
      onChannel: (channel) => host.onChannel(this, channel),
      onError: (error) => this.refused(error),
    })
    this.#pair = pair
    this.#opening?.after(OPENING_MS, () => this.#opened())
    host.onConnection(this, pair)
    this.#enter('connecting')
  }

  #changed(pair: Pair, state: PairState): void {
    if (pair !== this.#pair || state === 'closed') return
    if (state === 'connected' || state === 'failed') this.#opened()
    this.#enter(state)
    if (state === 'connected') this.#settle()
    if (state === 'failed') this.#settle(new AldisError('negotiation-failed', `No way to ${this.identity} was found.`))
  }

  #enter(state: PeerState): void {
    if (state === this.#state) return
    this.#state = state
    this.#host.onState(this, state)
  }

  /** Hands a message to the connection that it is for. */
  #hand(message: Relayed): void {
    const generation = numberOf(message.x, 'g') ?? this.#generation
    if (generation === this.#generation && this.#pair !== undefined) {
      void this.#pair.receive(negotiationOf(message))
    } else if (generation < this.#generation || message.type === 'answer') {
      this.#host.onStep(this, 'stale-dropped')
    } else if (this.#early.length < EARLY_MAX) {
      this.#early.push(message)
    }
  }

  #settle(error?: AldisError): void {
    for (const { resolve, reject, cancel } of this.#waiters.splice(0)) {
      cancel()
      if (error === undefined) resolve()
      else reject(error)
    }
  }
}

/** A number of `x`, if there is a sensible one. */
function numberOf(x: JsonObject | undefined, name: 'd' | 'g' | 're'): number | undefined {
  const value = x?.[name]
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined
}

/** A negotiation's message, as it travels. */
function parcelOf(message: NegotiationMessage, generation: number | undefined): Parcel {
  if (generation === undefined) return message as Parcel
  return { ...message, x: { ...('x' in message ? message.x : {}), g: generation } } as Parcel
}

/** What came, as the negotiation takes it. */
function negotiationOf(message: Relayed): NegotiationMessage {
  const [d, re] = [numberOf(message.x, 'd'), numberOf(message.x, 're')]
  const x = { ...(d !== undefined && { d }), ...(re !== undefined && { re }) }
  switch (message.type) {
    case 'offer':
    case 'answer':
      return { type: message.type, sdp: message.sdp, x }
    case 'ice-candidate':
      return { type: message.type, candidate: message.candidate }
    default:
      return { type: 'restart' }
  }
}
