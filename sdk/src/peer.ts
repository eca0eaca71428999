/** Somebody else in the room, and the connection to them. */

import { Allowance } from './allowance.ts'
import type { Channels } from './channel.ts'
import type { Environment } from './environment.ts'
import { AldisError, asAldisError } from './errors.ts'
import type { GiveUp } from './gate.ts'
import type { JsonObject, Presence, Relayed, RelayedHangup, RelayedOffer, WirePeer } from './generated/wire.ts'
import type { Media } from './media.ts'
import { FIRST_OFFER_MS, type NegotiationMessage, type NegotiationStep } from './negotiate.ts'
import type { Outbox, Parcel } from './outbox.ts'
import { Pair, type PairState, type Part } from './pair.ts'
import type { RoomEvents } from './room.ts'
import { Scope } from './scope.ts'
import { Waiters } from './waiters.ts'

/** How the connection to a peer is: `new` before the first, otherwise a {@link PairState}. */
export type PeerState = 'new' | PairState

/** What a peer's `hello` names where it understands numbered descriptions. */
export const NUMBERED = 'numbered'

/** What a peer needs of its room. @internal */
export interface PeerHost {
  readonly environment: Environment
  readonly outbox: Outbox
  readonly channels: Channels
  readonly media: Media
  configuration(): RTCConfiguration
  /** Whether the room has ended for this side. */
  isOver(): boolean
  /** Takes a place among the pairs that open. */
  enter(start: () => void): GiveUp
  emit<Name extends keyof RoomEvents>(name: Name, event: RoomEvents[Name]): void
  /** Tells of what failed while nobody was waiting for it. */
  report(error: AldisError, peer: Peer): void
  /** A connection was made. */
  paired(): void
}

/** When the side that waits asks for the first offer. */
type Ask = 'at-once' | 'after-a-while'

/** How long a connection may take to stand before it counts as failed and no longer keeps others waiting, in milliseconds. */
const OPENING_MS = 15_000

/** How many messages of a connection that is not there yet are kept: they may have overtaken its offer. */
const EARLY_MAX = 64

/** How many new connections a peer may ask for at once, and how long until it may ask for one more, in milliseconds. */
const CALLS_BURST = 10
const CALL_EVERY_MS = 2_000

/** How many failures of a peer are told at once, and how long until one more is, in milliseconds. */
const REPORTS_BURST = 10
const REPORT_EVERY_MS = 10_000

/** What there is between this side and the peer. */
type Relation =
  /** No connection, and none on its way. */
  | { readonly at: 'apart'; readonly state: 'new' | 'closed' | 'failed' }
  /** One is on its way: this side's place, the peer's first offer, or a place for that offer is waited for. */
  | { readonly at: 'waiting'; readonly scope: Scope; offer?: RelayedOffer }
  /** There is one. What belongs to its opening ends when it has stood once. */
  | { readonly at: 'paired'; readonly pair: Pair; readonly opening: Scope }
  /** One of the two is no longer in the room. */
  | { readonly at: 'gone'; readonly why: string }

/** Somebody else in the room: one stay. Whoever comes back later is another peer of the same {@link Peer.identity}. */
export class Peer {
  readonly #host: PeerHost
  #wire: WirePeer
  #relation: Relation = { at: 'apart', state: 'new' }
  #told: PeerState = 'new'
  /** Which connection this is, counted over both sides; messages of an older one are dropped. */
  #generation = 0
  #early: Relayed[] = []
  readonly #waiters: Waiters
  readonly #calls: Allowance
  readonly #reports: Allowance

  /** @internal */
  constructor(wire: WirePeer, host: PeerHost) {
    this.#wire = wire
    this.#host = host
    const { clock } = host.environment
    this.#waiters = new Waiters(clock)
    this.#calls = new Allowance(clock, CALLS_BURST, CALL_EVERY_MS)
    this.#reports = new Allowance(clock, REPORTS_BURST, REPORT_EVERY_MS)
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
    const relation = this.#relation
    if (relation.at === 'apart') return relation.state
    if (relation.at === 'paired') return relation.pair.state
    return relation.at === 'waiting' ? 'connecting' : 'closed'
  }

  /** The browser's own connection, for everything that this library does not do; `null` where there is none. */
  get connection(): RTCPeerConnection | null {
    return this.#relation.at === 'paired' ? this.#relation.pair.connection : null
  }

  /** What it sends, as it grouped its tracks; `room.on('track')` tells of them as they come. */
  get streams(): readonly MediaStream[] {
    return this.#relation.at === 'paired' ? this.#relation.pair.streams : []
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
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    if (this.state === 'connected') return Promise.resolve()
    const late = new AldisError('timed-out', `The connection to ${this.identity} does not come about.`)
    const connected = this.#waiters.wait(OPENING_MS, late)
    this.#callAgain()
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
    const { at } = this.#relation
    if (at !== 'waiting' && at !== 'paired') return
    this.#host.outbox.forget(this.id)
    const x = this.#numbered && this.#generation > 0 ? { x: { g: this.#generation } } : {}
    this.#host.outbox.post(this.id, { type: 'hangup', ...(reason !== undefined && { reason }), ...x })
    this.end('You hung up.')
  }

  /** Opens a connection, if there is none. @internal */
  begin(ask: Ask): void {
    if (this.#relation.at !== 'apart' || this.#host.isOver()) return
    const scope = new Scope(this.#host.environment.clock)
    this.#enter({ at: 'waiting', scope })
    // Whoever hears of it may hang up at once.
    if (!scope.live) return
    if (this.polite) {
      this.#awaitOffer(scope, ask)
    } else {
      scope.defer(this.#host.enter(() => this.#make(scope, this.#generation + 1, 'offers')))
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
    if (this.#relation.at === 'paired') void this.#relation.pair.sync()
  }

  /** Uses other ICE servers from now on. @internal */
  setIceServers(iceServers: RTCIceServer[]): void {
    if (this.#relation.at === 'paired') this.#relation.pair.setIceServers(iceServers)
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
        return this.#asked(message)
      case 'hangup':
        return this.#hungUp(message)
    }
  }

  /** The server does not let a message through to it. @internal */
  refused(error: AldisError): void {
    this.#waiters.reject(error)
    this.#report(error)
  }

  /** Ends the connection without a word to the peer. @internal */
  end(why: string): void {
    this.#end({ at: 'apart', state: this.state === 'new' ? 'new' : 'closed' }, why)
  }

  /** Ends the connection for good: one of the two is no longer in the room. @internal */
  leave(why: string): void {
    this.#end({ at: 'gone', why }, why)
  }

  /** Forgets every connection: this side is a new peer to it. @internal */
  reset(wire: WirePeer): void {
    this.#generation = 0
    this.#wire = wire
    this.end('The session began anew.')
    // Whoever heard of the end may have called again at once.
    if (this.#relation.at === 'apart') this.#enter({ at: 'apart', state: 'new' })
  }

  get #numbered(): boolean {
    return this.#wire.features.includes(NUMBERED)
  }

  /** Why there is nobody to call. */
  #refusal(): AldisError | undefined {
    if (this.#relation.at === 'gone') return new AldisError('peer-closed', this.#relation.why)
    return this.#host.isOver() ? new AldisError('left', 'This side is no longer in the room.') : undefined
  }

  /** Tells the application, unless the peer has made this side tell it too much. */
  #report(error: AldisError): void {
    if (this.#reports.take()) this.#host.report(error, this)
  }

  #end(relation: Relation, why: string): void {
    this.#early = []
    this.#drop()
    this.#waiters.reject(new AldisError('peer-closed', why))
    this.#enter(relation, why)
  }

  /** Lets go of what there is, on the way to another relation. */
  #drop(): void {
    const relation = this.#relation
    if (relation.at === 'waiting') relation.scope.end()
    if (relation.at !== 'paired') return
    relation.opening.end()
    const { pair } = relation
    for (const stream of pair.streams) {
      for (const track of stream.getTracks()) this.#host.emit('track-removed', { peer: this, track, stream })
    }
    this.#close(pair)
  }

  #close(pair: Pair): void {
    pair.close()
    this.#host.channels.disconnect(pair.connection, this)
  }

  /** Lets go of a connection for another that begins at once, so that nobody is told of the time between. */
  #makeWay(state: 'closed' | 'failed'): void {
    this.#drop()
    this.#relation = { at: 'apart', state }
  }

  /** Where a connection has failed: looks for another way, or gives up one that has never stood. */
  #callAgain(): void {
    const relation = this.#relation
    if (relation.at !== 'paired' || relation.pair.state !== 'failed') return
    if (relation.pair.hasStood) relation.pair.restart()
    else this.#makeWay('failed')
  }

  #awaitOffer(scope: Scope, ask: Ask): void {
    const late = (): void => {
      scope.end()
      this.refused(new AldisError('timed-out', `${this.identity} made no offer.`))
      this.#enter({ at: 'apart', state: 'failed' })
    }
    const request = (): void => {
      this.#host.outbox.post(this.id, { type: 'restart' })
      scope.after(FIRST_OFFER_MS, late)
    }
    if (ask === 'at-once') request()
    else scope.after(FIRST_OFFER_MS, request)
  }

  /** An offer: of the connection there is, or of a new one, which waits for its place among those that open. */
  #offered(message: RelayedOffer): void {
    const relation = this.#relation
    if (relation.at === 'gone' || this.#host.isOver()) return
    const generation = numberOf(message.x, 'g')
    if (relation.at === 'paired' && (generation ?? this.#generation) === this.#generation) return this.#hand(message)
    const stale = generation !== undefined && generation <= this.#generation
    if (stale || !this.#calls.take()) return this.#step('stale-dropped')
    if (relation.at === 'waiting' && relation.offer !== undefined) {
      relation.offer = message
      return
    }
    this.#drop()
    const scope = new Scope(this.#host.environment.clock)
    const waiting = { at: 'waiting', scope, offer: message } as const satisfies Relation
    this.#enter(waiting)
    if (scope.live) scope.defer(this.#host.enter(() => this.#answer(waiting)))
  }

  #answer({ scope, offer }: { readonly scope: Scope; readonly offer: RelayedOffer }): void {
    this.#make(scope, numberOf(offer.x, 'g') ?? this.#generation + 1, 'answers')
    this.#hand(offer)
    for (const early of this.#early.splice(0)) this.#hand(early)
  }

  /** The peer wants a fresh start of ICE; or, without a number, a connection, because it has none. */
  #asked(message: Relayed): void {
    const relation = this.#relation
    const names = numberOf(message.x, 'g') !== undefined
    // While this side's own call is on its way, the two have called each other: the offer is what was asked for.
    const has = relation.at === 'paired' && (names || !this.#numbered || !relation.pair.hasStood)
    if (has) return this.#hand(message)
    if (names || !this.#calls.take()) return this.#step('stale-dropped')
    if (relation.at === 'paired') this.#makeWay('closed')
    this.begin('after-a-while')
  }

  /** The peer ends a connection; one that was made in the meantime goes on. */
  #hungUp({ x, reason }: RelayedHangup): void {
    const relation = this.#relation
    const offer = relation.at === 'waiting' ? relation.offer : undefined
    const theirs = relation.at === 'paired' ? this.#generation : offer && (numberOf(offer.x, 'g') ?? this.#generation)
    if (theirs === undefined) this.#early = []
    if (theirs === undefined || (numberOf(x, 'g') ?? theirs) !== theirs) return this.#step('stale-dropped')
    this.end(`${this.identity} hung up${reason === undefined ? '' : `: ${reason}`}.`)
  }

  #make(opening: Scope, generation: number, part: Part): void {
    this.#generation = generation
    this.#host.outbox.forget(this.id)
    let pair: Pair | undefined
    try {
      pair = this.#pairFor(generation, part)
      this.#openChannels(pair)
    } catch (error) {
      opening.end()
      if (pair !== undefined) this.#close(pair)
      this.refused(asAldisError(error, 'invalid-option', 'The browser makes no connection'))
      return this.#enter({ at: 'apart', state: 'failed' })
    }
    const made = pair
    opening.after(OPENING_MS, () => this.#tooLate(made, opening))
    this.#enter({ at: 'paired', pair: made, opening })
  }

  #pairFor(generation: number, part: Part): Pair {
    const host = this.#host
    const numbered = this.#numbered
    const pair: Pair = new Pair({
      environment: host.environment,
      configuration: host.configuration(),
      part,
      polite: this.polite,
      numbered,
      published: () => host.media.tracks,
      send: (message) => host.outbox.post(this.id, parcelOf(message, numbered ? generation : undefined)),
      onState: (state) => this.#changed(pair, state),
      onStep: (step) => this.#step(step),
      onTrack: (event, track, stream) => host.emit(event, { peer: this, track, stream }),
      onChannel: (channel) => host.channels.found(channel, this),
      onError: (error) => this.#report(error),
    })
    return pair
  }

  #openChannels({ connection, mainChannel }: Pair): void {
    const { channels, paired } = this.#host
    // A page without this library may wait for channels, or may open them itself.
    channels.connect(connection, this, !this.polite || !this.#numbered ? 'opens' : 'waits')
    channels.found(mainChannel, this)
    paired()
  }

  #step(step: NegotiationStep): void {
    this.#host.emit('negotiation', { peer: this, step })
  }

  #tooLate(pair: Pair, opening: Scope): void {
    opening.end()
    this.#report(new AldisError('timed-out', `The connection to ${this.identity} does not come about.`))
    pair.giveUp()
  }

  #changed(pair: Pair, state: PairState): void {
    const relation = this.#relation
    if (relation.at !== 'paired' || relation.pair !== pair || state === 'closed') return
    if (state === 'connected') {
      relation.opening.end()
      this.#waiters.resolve()
    }
    if (state === 'failed') {
      relation.opening.end()
      this.#waiters.reject(new AldisError('negotiation-failed', `No way to ${this.identity} was found.`, { retryable: true }))
    }
    this.#tell()
  }

  #enter(relation: Relation, why?: string): void {
    this.#relation = relation
    this.#tell(why)
  }

  /** Tells the application how the connection is, if that is news. */
  #tell(why?: string): void {
    const { state } = this
    if (state === this.#told) return
    this.#told = state
    this.#host.emit('peer-state', { peer: this, state, ...(why !== undefined && { reason: why }) })
  }

  /** Hands a message to the connection that it is for. */
  #hand(message: Relayed): void {
    const generation = numberOf(message.x, 'g') ?? this.#generation
    if (generation === this.#generation && this.#relation.at === 'paired') {
      void this.#relation.pair.receive(negotiationOf(message))
    } else if (generation < this.#generation || message.type !== 'ice-candidate') {
      this.#step('stale-dropped')
    } else if (this.#early.length < EARLY_MAX) {
      this.#early.push(message)
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

/** What came, as the negotiation takes it: with the numbers that it understands. */
function negotiationOf(message: Relayed): NegotiationMessage {
  return { ...message, x: { d: numberOf(message.x, 'd'), re: numberOf(message.x, 're') } } as NegotiationMessage
}
