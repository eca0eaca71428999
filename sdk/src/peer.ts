/** Somebody else in the room, and the connection to them. */

import { unlessAborted } from './abort.ts'
import { Allowance } from './allowance.ts'
import { callError } from './call-errors.ts'
import type { Channels } from './channel.ts'
import type { CodecPreferences } from './codecs.ts'
import type { Environment } from './environment.ts'
import { AldisError, asAldisError, leftError } from './errors.ts'
import type { GiveUp } from './gate.ts'
import type {
  JsonObject,
  Presence,
  Relayed,
  RelayedHangup,
  RelayedOffer,
  RelayedRebuild,
  RelayedRestart,
  WirePeer,
} from './generated/wire.ts'
import { FIREFOX } from './head-start.ts'
import type { Parcel } from './lane.ts'
import type { Media } from './media.ts'
import type { Membership } from './membership.ts'
import { FIRST_OFFER_MS, type NegotiationMessage, type NegotiationStep } from './negotiate.ts'
import { signalIn } from './options.ts'
import { Pair, type PairState, type Part } from './pair.ts'
import type { PeerSnapshot, RoomEvents } from './room.ts'
import { Scope } from './scope.ts'
import type { Layout } from './senders.ts'
import { checkReason, numberOf, parcelOf, type RelayedSignal, signalOf } from './signals.ts'
import type { ConnectionStats } from './stats.ts'
import { STREAMS } from './stream-lane.ts'
import { watchReports } from './unheard.ts'
import { Waiters } from './waiters.ts'

/**
 * How the connection to a peer is: `new` before the first, otherwise a {@link PairState}.
 *
 * @example
 * const words: Partial<Record<PeerState, string>> = { connecting: 'calling …', interrupted: 'one moment …', failed: 'no way found' }
 * room.on('peer-state', ({ peer, state }) => show(peer.identity, words[state] ?? state))
 */
export type PeerState = 'new' | PairState

/**
 * What has been counted of the connections to a peer: {@link Peer.counts}.
 *
 * @example
 * const { connectMs, restarts, rebuilds } = peer.counts
 * show(`connected after ${connectMs} ms, mended ${restarts + rebuilds} times`)
 */
export interface PeerCounts {
  /** How often offers of the two sides crossed. */
  readonly glares: number
  /** How often this side looked for another way, or asked the peer to: ICE was started afresh. */
  readonly restarts: number
  /** How often another connection took the place of one that could not be mended. */
  readonly rebuilds: number
  /** How long the latest connection took to stand, in milliseconds; `undefined` where none has stood. */
  readonly connectMs: number | undefined
}

/**
 * What there is to know of a peer and the connection to it: {@link Peer.stats}.
 *
 * @example
 * const { state, roundTripMs, path, rebuilds }: PeerStats = await peer.stats()
 * show(state, `${roundTripMs} ms`, path?.relayed ? 'relayed' : 'direct', `made anew ${rebuilds} times`)
 */
export interface PeerStats extends ConnectionStats, PeerCounts {
  /** How the connection is. */
  readonly state: PeerState
}

/** What a peer needs of its room. @internal */
export interface PeerHost {
  readonly environment: Environment
  /** The way to it through the server. */
  membership(): Membership
  readonly channels: Channels
  readonly media: Media
  readonly layout: Layout
  readonly codecs: CodecPreferences
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
  /** Whether a peer that is here can be reached: the connection to the server stands. */
  isOnline(): boolean
  /** Gets fresh ICE servers, which every connection uses from then on. Returns whether they were asked for. */
  refreshIceServers(): Promise<boolean>
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

/** How many new connections in the place of broken ones there are at once, and how long until there is one more, in milliseconds. */
const REBUILDS_BURST = 3
const REBUILD_EVERY_MS = 20_000

/**
 * How long a connection that was replaced stays, so that the channels of its successor have opened before its own close: after the first
 * of them has opened, and at most, in milliseconds.
 */
const REPLACED_MS = 1_000
const REPLACED_MAX_MS = 6_000

/** How many failures of a peer are told at once, and how long until one more is, in milliseconds. */
const REPORTS_BURST = 10
const REPORT_EVERY_MS = 10_000

/** A connection is on its way. */
interface Waiting {
  readonly at: 'waiting'
  readonly scope: Scope
  readonly generation: number
  offer?: RelayedOffer
  /** Asks for the first offer, where the peer makes it. */
  request?: () => void
}

/** What there is between this side and the peer. */
type Relation =
  /** No connection, and none on its way. */
  | { readonly at: 'apart'; readonly state: 'new' | 'closed' | 'failed' }
  /** One is on its way: this side's place, the peer's first offer, or a place for that offer is waited for. */
  | Waiting
  /** There is one. What belongs to its opening ends when it has stood once. */
  | { readonly at: 'paired'; readonly pair: Pair; readonly opening: Scope }
  /** One of the two is no longer in the room. */
  | { readonly at: 'gone'; readonly why: string }

/**
 * Somebody else in the room: one stay. Whoever comes back later is another peer of the same {@link Peer.identity}.
 *
 * @example
 * const label = (peer: Peer) => `${peer.name ?? peer.identity}: ${peer.state}`
 * room.on('peer-state', ({ peer }) => show(label(peer), peer.streams))
 * for (const peer of room.peers.values()) await peer.send({ text: 'hello' })
 */
export class Peer {
  readonly #host: PeerHost
  #wire: WirePeer
  #relation: Relation = { at: 'apart', state: 'new' }
  #told: PeerState = 'new'
  /** Which connection this is, counted over both sides; messages of an older one are dropped. */
  #generation = 0
  #early: RelayedSignal[] = []
  #isFirefox = false
  /** A connection that goes on as it is until the one that takes its place stands. */
  #retired: Pair | undefined
  /** Tracks of the connection that takes its place: shown when it stands. */
  #held: (() => void)[] = []
  /** Connections that were replaced, whose channels are still needed for a moment. */
  readonly #replaced = new Map<Pair, Scope>()
  #counts = { glares: 0, restarts: 0, rebuilds: 0, connectMs: undefined as number | undefined }
  #openedAt = 0
  readonly #rebuilds: Allowance
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
    this.#rebuilds = new Allowance(clock, REBUILDS_BURST, REBUILD_EVERY_MS)
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
    if (relation.at === 'gone') return 'closed'
    const state = relation.at === 'paired' ? relation.pair.state : 'connecting'
    // What it takes the place of has stood.
    return state === 'connecting' && this.#retired !== undefined ? 'interrupted' : state
  }

  /** What has been counted of the connections to it: offers that crossed, and what was mended. */
  get counts(): PeerCounts {
    const current = this.#relation.at === 'paired' ? this.#relation.pair.restarts : 0
    return { ...this.#counts, restarts: this.#counts.restarts + current }
  }

  /**
   * Asks the browser about the connection. Rates are those since the last call, whoever made it.
   *
   * @example
   * const { roundTripMs, path, received } = await peer.stats()
   * show(roundTripMs, path?.relayed, received.bitsPerSecond)
   */
  async stats(): Promise<PeerStats> {
    const { connectionStats } = await import('./stats.ts')
    return { state: this.state, ...(await connectionStats(this.connection)), ...this.counts }
  }

  /**
   * The browser's own connection, for everything that this library does not do; `null` where there is none. Its `restartIce()` asks the peer
   * to start ICE afresh where that is the peer's part.
   */
  get connection(): RTCPeerConnection | null {
    return this.#relation.at === 'paired' ? this.#relation.pair.connection : null
  }

  /** What it sends, as it grouped its tracks; `room.on('track')` tells of them as they come. */
  get streams(): readonly MediaStream[] {
    const pairs = [this.#relation.at === 'paired' ? this.#relation.pair : undefined, this.#retired]
    return pairs.flatMap((pair) => pair?.streams ?? [])
  }

  /**
   * Sends it a message through the server, whether there is a call or not. Resolves when it was delivered: once, and after those that were
   * sent before. It is kept and sent again while either side is out of reach, for 30 s.
   *
   * A peer without this library gets it at most once, and it counts as delivered when the server has written it to the peer's connection.
   *
   * @param data any JSON, of up to about 64 KiB
   * @throws AldisError whose `outcome` says what became of the message, `not-delivered` or `unknown`: `timed-out` when it did not arrive
   * within 30 s; `peer-closed` when the peer leaves first, or this side; `forbidden` where the token allows no messages; `queue-full` when
   * too many wait. `invalid-option` where it is no JSON, and `message-too-large`
   * @example
   * await peer.send({ text: 'hello' })
   */
  async send(data: unknown): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal.with('not-delivered')
    await this.#host.membership().send(this.id, data)
  }

  /**
   * Calls it, if there is no call yet. Resolves when the connection stands.
   *
   * @throws AldisError `timed-out` when it does not stand within 15 s, or the peer makes no offer within 10 s; `peer-closed` when it
   * hangs up or leaves first; `negotiation-failed` when no way is found; what the server said where it refused a signal for good
   * @param options `signal` gives up: a call that does not stand yet is hung up, and the promise rejects with the signal's reason
   * @example
   * await peer.connect()
   * show(`${peer.identity} is connected`)
   */
  async connect(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const signal = signalIn(options)
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    if (this.state === 'connected') return
    const late = new AldisError('timed-out', `The connection to ${this.identity} does not come about.`)
    const connected = this.#waiters.wait(OPENING_MS, late)
    this.#callAgain()
    this.begin('at-once')
    await unlessAborted(connected, signal, () => this.hangup())
  }

  /**
   * Ends the call, and tells the peer. Both stay in the room; `connect` calls again.
   *
   * @param reason a word for the peer's client: at most 256 bytes
   * @example
   * peer.hangup()
   */
  hangup(reason?: string): void {
    checkReason('reason', reason)
    const relation = this.#relation
    if (relation.at !== 'waiting' && relation.at !== 'paired') return
    this.#host.membership().forget(this.id)
    // An offer that is on its way is of this connection too, and comes too late.
    if (relation.at === 'waiting') this.#generation = relation.generation
    this.#post({ type: 'hangup', ...(reason !== undefined && { reason }), ...this.#numbers() })
    this.end('You hung up.')
  }

  /** Opens a connection, if there is none. @internal */
  begin(ask: Ask): void {
    if (this.#relation.at !== 'apart' || this.#host.isOver()) return
    this.#open(this.#generation + 1, ask)
  }

  #open(generation: number, ask: Ask): void {
    const scope = new Scope(this.#host.environment.clock)
    const waiting: Waiting = { at: 'waiting', scope, generation }
    this.#enter(waiting)
    // Whoever hears of it may hang up at once.
    if (!scope.live) return
    if (this.polite) {
      this.#awaitOffer(waiting, ask)
    } else {
      scope.defer(this.#host.enter(() => this.#make(scope, generation, 'offers')))
    }
  }

  /** What is visible of it. @internal */
  look(): PeerSnapshot {
    const { id, identity, name, metadata, attributes, presence, state, streams } = this
    const tracks = streams.flatMap((stream) => stream.getTracks())
    return { id, identity, name, metadata, attributes, presence, state, streams, tracks }
  }

  /** What the server said about it last. @internal */
  get wire(): WirePeer {
    return this.#wire
  }

  /** Takes what the server says about it. @internal */
  update(wire: WirePeer): void {
    const wasAway = this.presence === 'away'
    this.#wire = wire
    if (wasAway) this.reachable()
  }

  /** It can be reached again: what could not be mended before may be now. @internal */
  reachable(): void {
    const relation = this.#relation
    if (!this.#isReachable()) return
    if (relation.at === 'waiting' && relation.offer === undefined) relation.request?.()
    if (relation.at === 'paired' && relation.pair.state === 'failed') relation.pair.networkChanged()
  }

  /** Sends exactly what is published. @internal */
  async sync(): Promise<void> {
    // Where the first offer has not come yet, its answer will say it.
    if (this.#relation.at === 'paired') await this.#relation.pair.sync()
  }

  /** Uses other ICE servers from now on. @internal */
  setIceServers(iceServers: RTCIceServer[]): void {
    if (this.#relation.at === 'paired') this.#relation.pair.setIceServers(iceServers)
  }

  /** The network is another one. @internal */
  networkChanged(): void {
    if (this.#relation.at === 'paired') this.#relation.pair.networkChanged()
  }

  /** The TURN server ends relays whose credentials expire: starts afresh what goes through one. @internal */
  async renewRelay(): Promise<void> {
    const relation = this.#relation
    if (relation.at === 'paired' && (await relation.pair.isRelayed())) await relation.pair.restart()
  }

  /** Gives up its connection, if it stands, to the peer that it has become. @internal */
  surrender(): Pair | undefined {
    const relation = this.#relation
    if (relation.at !== 'paired' || relation.pair.state !== 'connected') return undefined
    this.#retire(relation)
    const pair = this.#retired
    this.#letGo('kept')
    this.#relation = { at: 'apart', state: 'closed' }
    return pair
  }

  /** Goes on with the connection of an earlier stay until its own stands. @internal */
  inherit(pair: Pair): void {
    this.#retired = pair
    for (const stream of pair.streams) {
      for (const track of stream.getTracks()) this.#host.emit('track', { peer: this, track, stream })
    }
    this.begin('after-a-while')
  }

  /** Takes a message of the peer. @internal */
  receive(message: Relayed): void {
    switch (message.type) {
      case 'offer':
        return this.#offered(message)
      case 'message':
        return this.#host.emit('message', { peer: this, data: message.data })
      case 'rebuild':
        return this.#rebuildFor(message)
      case 'answer':
      case 'ice-candidate':
      case 'nack':
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

  /** This side is a new peer to it. What stands goes on until another connection does, which is called for at once. @internal */
  reset(wire: WirePeer): void {
    this.#wire = wire
    const relation = this.#relation
    this.#generation = 0
    if (relation.at === 'paired' && relation.pair.state === 'connected') {
      this.#retire(relation)
      this.#relation = { at: 'apart', state: 'closed' }
      return this.begin('after-a-while')
    }
    this.end('The session began anew.')
    // Whoever heard of the end may have called again at once.
    if (this.#relation.at === 'apart') this.#enter({ at: 'apart', state: 'new' })
  }

  /** Whether it speaks streams, and so numbers its descriptions. */
  get #numbered(): boolean {
    return this.#wire.features.includes(STREAMS)
  }

  /** Which connection a message is about. */
  #numbers(generation = this.#generation): { x?: JsonObject } {
    return this.#numbered && generation > 0 ? { x: { g: generation } } : {}
  }

  #post(parcel: Parcel): void {
    this.#host.membership().post(this.id, parcel, (failure) => {
      // Whoever is out of reach for that long negotiates anew when it is back.
      const isRefused = failure !== undefined && !/^(left|peer-closed|timed-out)$/.test(failure.code)
      if (isRefused) this.refused(failure)
    })
  }

  /** Why there is nobody to call. */
  #refusal(): AldisError | undefined {
    if (this.#relation.at === 'gone') return new AldisError('peer-closed', this.#relation.why)
    return this.#host.isOver() ? leftError() : undefined
  }

  /** Tells the application, unless the peer has made this side tell it too much. */
  #report(error: AldisError): void {
    if (this.#reports.take()) this.#host.report(error, this)
  }

  #end(relation: Relation, why: string): void {
    this.#early = []
    this.#drop()
    this.#held = []
    this.#letGo('closed')
    for (const pair of this.#replaced.keys()) this.#closeReplaced(pair)
    this.#waiters.reject(new AldisError('peer-closed', why))
    this.#enter(relation, why)
  }

  /** Lets go of what there is, on the way to another relation. */
  #drop(): void {
    const relation = this.#relation
    if (relation.at === 'waiting') relation.scope.end()
    if (relation.at !== 'paired') return
    relation.opening.end()
    this.#count(relation.pair)
    // While another connection goes on, those of this one were not shown.
    if (this.#retired === undefined) this.#hide(relation.pair)
    this.#close(relation.pair)
  }

  /** Keeps what there is until what takes its place stands. */
  #retire({ pair, opening }: Relation & { readonly at: 'paired' }): void {
    opening.end()
    this.#count(pair)
    if (pair.hasStood) {
      pair.retire()
      this.#retired = pair
    } else {
      this.#held = []
      this.#close(pair)
    }
  }

  /** Lets go of the connection whose place another one has taken, or which nothing takes the place of. */
  #letGo(fate: 'closed' | 'kept' | 'replaced'): void {
    const retired = this.#retired
    this.#retired = undefined
    if (retired !== undefined) {
      this.#hide(retired)
      if (fate === 'closed') this.#close(retired)
      if (fate === 'replaced') this.#replaced.set(retired, new Scope(this.#host.environment.clock))
    }
    for (const show of this.#held.splice(0)) show()
  }

  /** The connection in its place stands: the old one is closed when the channels of that have opened. */
  #replace({ mainChannel }: Pair): void {
    this.#letGo('replaced')
    for (const [replaced, scope] of this.#replaced) {
      const close = (): void => this.#closeReplaced(replaced)
      scope.after(mainChannel.readyState === 'open' ? REPLACED_MS : REPLACED_MAX_MS, close)
      mainChannel.addEventListener('open', () => scope.after(REPLACED_MS, close), { once: true })
    }
  }

  #closeReplaced(pair: Pair): void {
    this.#replaced.get(pair)?.end()
    if (this.#replaced.delete(pair)) this.#close(pair)
  }

  #count(pair: Pair): void {
    this.#counts.restarts += pair.restarts
  }

  #hide(pair: Pair): void {
    for (const stream of pair.streams) {
      for (const track of stream.getTracks()) this.#host.emit('track-removed', { peer: this, track, stream })
    }
  }

  #close(pair: Pair): void {
    pair.close()
    this.#host.channels.disconnect(pair.connection)
  }

  /** A connection cannot be mended: another one takes its place. */
  #broken(pair: Pair, error: AldisError): void {
    const relation = this.#relation
    if (relation.at !== 'paired' || relation.pair !== pair) return
    if (this.#numbered && this.#rebuilds.take()) return this.#rebuild(relation, this.#generation + 1)
    this.#waiters.reject(error)
    this.#report(error)
    pair.giveUp()
  }

  #rebuild(relation: Relation & { readonly at: 'paired' }, generation: number): void {
    this.#counts.rebuilds += 1
    this.#retire(relation)
    this.#relation = { at: 'apart', state: 'closed' }
    // The offer that follows, ours or theirs, is one of the connection that this names.
    this.#post({ type: 'rebuild', ...this.#numbers(generation) })
    this.#open(generation, 'after-a-while')
  }

  /** The peer cannot mend the connection. Where both say so at once, it is the same one that both mean. */
  #rebuildFor({ x }: RelayedRebuild): void {
    const relation = this.#relation
    const generation = numberOf(x, 'g') ?? 0
    const isStale = generation <= this.#generation
    if (!isStale && this.#hasEnded) return this.#repeatHangup(generation)
    if (isStale || relation.at !== 'paired' || !this.#calls.take()) return this.#step('stale-dropped')
    this.#counts.rebuilds += 1
    this.#retire(relation)
    this.#relation = { at: 'apart', state: 'closed' }
    this.#open(generation, 'after-a-while')
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
    if (relation.pair.hasStood) void relation.pair.restart()
    else this.#makeWay('failed')
  }

  #awaitOffer(waiting: Waiting, ask: Ask): void {
    const { clock } = this.#host.environment
    let wait = new Scope(clock)
    waiting.scope.defer(() => wait.end())
    const waitFor = (run: () => void): void => {
      wait = wait.next()
      wait.after(FIRST_OFFER_MS, run)
    }
    const late = (): void => {
      // It is asked again as soon as it can be.
      if (!this.#isReachable()) return
      waiting.scope.end()
      this.refused(new AldisError('timed-out', `${this.identity} made no offer.`))
      this.#letGo('closed')
      this.#enter({ at: 'apart', state: 'failed' })
    }
    waiting.request = () => {
      this.#post({ type: 'restart' })
      waitFor(late)
    }
    if (ask === 'at-once') waiting.request()
    else waitFor(waiting.request)
  }

  /** An offer: of the connection there is, or of a new one, which waits for its place among those that open. */
  #offered(message: RelayedOffer): void {
    const relation = this.#relation
    if (relation.at === 'gone' || this.#host.isOver()) return
    const generation = numberOf(message.x, 'g')
    if (relation.at === 'paired' && (generation ?? this.#generation) === this.#generation) return this.#hand(message)
    if (generation === this.#generation && relation.at === 'apart') return this.#repeatHangup(generation)
    const stale = generation !== undefined && generation <= this.#generation
    if (stale || !this.#calls.take()) return this.#step('stale-dropped')
    if (relation.at === 'waiting' && relation.offer !== undefined) {
      relation.offer = message
      return
    }
    this.#drop()
    const scope = new Scope(this.#host.environment.clock)
    const waiting = {
      at: 'waiting' as const,
      scope,
      generation: generation ?? this.#generation + 1,
      offer: message,
    }
    this.#enter(waiting)
    if (scope.live) scope.defer(this.#host.enter(() => this.#answer(waiting)))
  }

  #answer({ scope, offer }: { readonly scope: Scope; readonly offer: RelayedOffer }): void {
    this.#make(scope, numberOf(offer.x, 'g') ?? this.#generation + 1, 'answers')
    this.#hand(offer)
    for (const early of this.#early.splice(0)) this.#hand(early)
  }

  /** The peer wants a fresh start of ICE; or, without a number, a connection, because it has none. */
  #asked(message: RelayedRestart): void {
    const relation = this.#relation
    const generation = numberOf(message.x, 'g')
    if (generation === this.#generation && this.#hasEnded) return this.#repeatHangup(generation)
    const names = generation !== undefined
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
    const awaited = relation.at === 'waiting' && offer === undefined && this.#numbered ? relation.generation : undefined
    const theirs = relation.at === 'paired' ? this.#generation : offer ? (numberOf(offer.x, 'g') ?? this.#generation) : awaited
    if (theirs === undefined) this.#early = []
    if (theirs === undefined || (numberOf(x, 'g') ?? theirs) !== theirs) return this.#step('stale-dropped')
    this.end(`${this.identity} hung up${reason === undefined ? '' : `: ${reason}`}.`)
  }

  /** Whether there was a connection, and it was hung up. */
  get #hasEnded(): boolean {
    return this.#relation.at === 'apart' && this.#relation.state === 'closed'
  }

  /** The peer has not heard yet that its connection, or the one before it, was hung up; or never will: what said so may have expired. */
  #repeatHangup(generation: number): void {
    this.#generation = generation
    this.#post({ type: 'hangup', ...this.#numbers() })
  }

  #make(opening: Scope, generation: number, part: Part): void {
    this.#generation = generation
    this.#openedAt = this.#host.environment.clock.now()
    this.#host.membership().forget(this.id)
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
      layout: host.layout,
      polite: this.polite,
      numbered,
      codecs: host.codecs,
      published: () => host.media.tracks,
      send: (message) => this.#post(parcelOf(message, numbered ? generation : undefined)),
      onState: (state) => this.#changed(pair, state),
      onStood: (life) => this.#watchReports(pair, life),
      onStep: (step) => this.#step(step),
      onTrack: (event, track, stream) => this.#heard(pair, () => host.emit(event, { peer: this, track, stream })),
      onChannel: (channel) => host.channels.found(channel, pair.connection, this),
      onError: (error) => this.#report(error),
      onBroken: (error) => this.#broken(pair, error),
      onInterrupted: () => host.membership().check(this.id),
      reachable: () => this.#isReachable(),
      refreshIceServers: () => host.refreshIceServers(),
    })
    return pair
  }

  /** Looks whether a Firefox hears what it is sent. */
  #watchReports(pair: Pair, life: Scope): void {
    if (!this.#isFirefox) return
    const error = callError('negotiation-failed', `${this.identity} does not hear.`, { retryable: true })
    const isReachable = (): boolean => this.#isReachable()
    watchReports(pair.connection, this.#host.environment.clock, life, isReachable, () => this.#broken(pair, error))
  }

  #openChannels({ connection, mainChannel }: Pair): void {
    const { channels, paired } = this.#host
    // A page without this library may wait for channels, or may open them itself.
    channels.connect(connection, this, !this.polite || !this.#numbered ? 'opens' : 'waits')
    channels.found(mainChannel, connection, this)
    paired()
  }

  /** Whether it could answer now: only that time counts as its delay. */
  #isReachable(): boolean {
    return this.#host.isOnline() && this.presence === 'here'
  }

  /** Shows a track; later, while the picture before it is still there. */
  #heard(pair: Pair, show: () => void): void {
    if (this.#retired !== undefined && this.#retired !== pair) this.#held.push(show)
    else show()
  }

  #step(step: NegotiationStep): void {
    if (step === 'glare-yielded' || step === 'glare-ignored') this.#counts.glares += 1
    this.#host.emit('negotiation', { peer: this, step })
  }

  #tooLate(pair: Pair, opening: Scope): void {
    if (!this.#isReachable()) return opening.after(OPENING_MS, () => this.#tooLate(pair, opening))
    opening.end()
    this.#report(new AldisError('timed-out', `The connection to ${this.identity} does not come about.`))
    pair.giveUp()
  }

  #changed(pair: Pair, state: PairState): void {
    const relation = this.#relation
    if (relation.at !== 'paired' || relation.pair !== pair || state === 'closed') return
    if (state === 'connected') {
      if (relation.opening.live) this.#counts.connectMs = this.#host.environment.clock.now() - this.#openedAt
      relation.opening.end()
      this.#replace(pair)
      this.#waiters.resolve()
    }
    if (state === 'failed') {
      relation.opening.end()
      this.#letGo('closed')
      this.#waiters.reject(callError('negotiation-failed', `No way to ${this.identity} was found.`, { retryable: true }))
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
  #hand(message: RelayedSignal): void {
    const generation = numberOf(message.x, 'g') ?? this.#generation
    // Chromium writes descriptions anew, so that its own copy does not say it.
    if ('sdp' in message) this.#isFirefox = FIREFOX.test(message.sdp)
    if (generation === this.#generation && this.#relation.at === 'paired') {
      void this.#relation.pair.receive(signalOf(message) as NegotiationMessage)
    } else if (generation < this.#generation || message.type !== 'ice-candidate') {
      this.#step('stale-dropped')
    } else if (this.#early.length < EARLY_MAX) {
      this.#early.push(message)
    }
  }
}
