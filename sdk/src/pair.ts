/** One connection to one peer, from its first offer to its end. A new call is a new pair. */

import { callError } from './call-errors.ts'
import type { Cancel } from './clock.ts'
import { type CodecPreferences, preferCodecs } from './codecs.ts'
import type { Environment } from './environment.ts'
import type { AldisError } from './errors.ts'
import { type Negotiation, type NegotiationMessage, type NegotiationStep, negotiate } from './negotiate.ts'
import { DISTANCE_MS, Recovery } from './recovery.ts'
import { Scope } from './scope.ts'
import { type Layout, layOut, type Published, syncSenders } from './senders.ts'

/**
 * How a connection is:
 *
 * - `connecting`: on its way, the first time or after a fresh start of ICE;
 * - `connected`: it stands;
 * - `interrupted`: it stood, and nothing comes through at the moment: it heals by itself, or is mended;
 * - `failed`: no way was found; it is looked for again once in 30 to 60 s, and at once by `connect` or when the network changes;
 * - `closed`: it was hung up, or the peer has left.
 *
 * @example
 * call.on('state', ({ state }) => show(state === 'interrupted' ? 'One moment …' : state))
 */
export type PairState = 'connecting' | 'connected' | 'interrupted' | 'failed' | 'closed'

/** Whose part the first offer is. */
export type Part = 'offers' | 'answers'

/** What can happen to a track of the other side. */
export type TrackEvent = 'track' | 'track-removed'

/** What a pair needs, and whom it tells. */
export interface PairOptions {
  readonly environment: Environment
  readonly configuration: RTCConfiguration
  readonly part: Part
  readonly layout: Layout
  /** Whether this side yields when both offer at once. */
  readonly polite: boolean
  /** Whether the other side understands numbered descriptions. */
  readonly numbered: boolean
  readonly codecs: CodecPreferences
  published(): Published
  send(message: NegotiationMessage): void
  onState(state: PairState): void
  /** It stands for the first time. `life` is over as soon as another connection takes its place, and when it ends. */
  onStood?(life: Scope): void
  onStep(step: NegotiationStep): void
  onTrack(event: TrackEvent, track: MediaStreamTrack, stream: MediaStream): void
  onChannel(channel: RTCDataChannel): void
  onError(error: AldisError): void
  /** The connection cannot be mended: another one has to be made. */
  onBroken(error: AldisError): void
  /** Nothing comes through any more. */
  onInterrupted(): void
  /** Whether the other side can be told now. */
  readonly reachable: () => boolean
  /**
   * Gets ICE servers with fresh credentials, and waits for them for a while. Returns whether they were asked for: then they come by
   * `setIceServers`, however late.
   */
  refreshIceServers(): Promise<boolean>
}

/** What the browser calls otherwise. */
const STATES: { readonly [state in RTCPeerConnectionState]?: PairState } = { new: 'connecting', disconnected: 'interrupted' }

/** How long the channel that is always there may take to open, once the connection stands, in milliseconds. */
const CHANNEL_MS = 5_000

/** How long the word of a hangup may take that closes the channel already, in milliseconds. */
const HANGUP_MS = 2_000

/** How often another way is looked for on a connection that has never stood. */
const RESTARTS_MAX = 3

/** How soon a way is looked for again where none was found, in milliseconds; up to twice as long. Nothing may tell that there is one now. */
const RETRY_MS = 30_000

/** How long relays may take to be found with other credentials, in milliseconds. */
const RELAY_MS = 10_000

/** A TURN server refused the credential: RFC 8489, section 14.8. */
const UNAUTHORIZED = 401

/** The connection and its negotiation. */
export class Pair {
  /** The browser's own connection. */
  readonly connection: RTCPeerConnection
  /** The channel that is there from the first offer on: both sides know it as number 0. */
  readonly mainChannel: RTCDataChannel
  readonly #options: PairOptions
  readonly #negotiation: Negotiation
  readonly #streams = new Set<MediaStream>()
  #state: PairState = 'connecting'
  #hasStood = false
  /** Whether a TURN server has refused credentials, and neither a relay nor another way has been found since. */
  #refused = false
  /** Looks for relays with other credentials than those, while others are awaited. */
  #tryOthers: (() => void) | undefined
  readonly #recovery: Recovery
  readonly #life: Scope
  #restarts = 0
  /** When the network was last another one. */
  #changedAt = Number.NEGATIVE_INFINITY
  #retry: Cancel | undefined
  #syncing: Promise<void> = Promise.resolve()
  /** The streams of tracks that came without one, among others. */
  readonly #ownStreams = new WeakMap<MediaStreamTrack, MediaStream>()

  constructor(options: PairOptions) {
    this.#options = options
    const pc = options.environment.createConnection(options.configuration)
    this.connection = pc
    this.mainChannel = pc.createDataChannel('', { negotiated: true, id: 0 })
    this.#life = new Scope(options.environment.clock)
    this.#recovery = new Recovery({
      clock: options.environment.clock,
      reachable: options.reachable,
      restart: () => void this.restart(),
      rebuild: () => this.#broken('The connection was interrupted, and does not come back.'),
    })
    this.#listen(pc)
    this.#negotiation = negotiate(pc, {
      ...options,
      clock: options.environment.clock,
      beforeAnswer: () => this.sync(),
    })
    // Browsers fail where the side that did not make the first offer starts ICE afresh: whoever asks this connection, asks the other side.
    if (options.polite && options.numbered) pc.restartIce = () => void this.restart()
    if (options.part === 'offers') {
      layOut(pc, options.layout)
      void this.sync()
    }
  }

  /** How it is. */
  get state(): PairState {
    return this.#state
  }

  /** What comes in, as the other side grouped it. */
  get streams(): MediaStream[] {
    return [...this.#streams].filter((stream) => stream.getTracks().length > 0)
  }

  /** Takes a message of the other side. */
  receive(message: NegotiationMessage): Promise<void> {
    return this.#negotiation.receive(message)
  }

  /** Sends exactly what is published, as it is preferred: now, and one time after the other, because the browser takes a while to change a track. */
  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#sync())
    return this.#syncing
  }

  /** Says that it takes too long, or cannot be mended. It may come about all the same. */
  giveUp(): void {
    if (this.#state === 'connecting' || this.#state === 'interrupted') this.#become('failed')
  }

  async #sync(): Promise<void> {
    // Until the first offer has been applied, there are no sections to send in: the other side makes them.
    if (this.#options.part === 'answers' && this.connection.remoteDescription === null) return
    try {
      const synced = syncSenders(this.connection, this.#options.published())
      // The sections that it made are there by now, and nothing has been offered yet.
      preferCodecs(this.connection, this.#options.codecs, this.#options.environment)
      await synced
    } catch (cause) {
      if (this.#state !== 'closed') this.#options.onError(callError('negotiation-failed', 'A track cannot be sent.', { cause }))
    }
  }

  /** Uses other ICE servers from the next start of ICE on. */
  setIceServers(iceServers: RTCIceServer[]): void {
    // The application may have closed it by itself.
    if (this.connection.signalingState === 'closed') return
    this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers })
    this.#tryOthers?.()
  }

  /** Whether it has ever been connected. */
  get hasStood(): boolean {
    return this.#hasStood
  }

  /** How often another way was looked for. */
  get restarts(): number {
    return this.#restarts
  }

  /** Looks for another way between the two, with fresh credentials: relays take no others. */
  async restart(): Promise<void> {
    this.#restarts += 1
    await this.#options.refreshIceServers()
    if (this.#life.live) this.#negotiation.restart()
  }

  /** The network is another one. */
  networkChanged(): void {
    if (this.#hasStood && this.connection.connectionState !== 'connected') {
      if (this.#isLost) this.#recovery.giveUp()
      else this.#recovery.again()
      return
    }
    const now = this.#options.environment.clock.now()
    if (now - this.#changedAt < DISTANCE_MS) return
    this.#changedAt = now
    void this.restart()
  }

  /** Whether what it carries goes through a relay. */
  async isRelayed(): Promise<boolean> {
    // One that cannot say it any more is about to end.
    const report = await this.connection.getStats().catch(() => undefined)
    const stats = [...(report?.values() ?? [])]
    const inUse = stats.filter(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded')
    const ends = inUse.map(({ localCandidateId }) => stats.find(({ id }) => id === localCandidateId))
    return ends.some((end) => end?.candidateType === 'relay')
  }

  /** Says nothing more, and goes on as it is until it is closed: another connection takes its place. */
  retire(): void {
    this.#negotiation.close()
    this.#recovery.end()
    this.#retry?.()
    this.#life.end()
  }

  /** Ends it. */
  close(): void {
    if (this.#state === 'closed') return
    this.retire()
    this.connection.close()
    this.#become('closed')
  }

  #listen(pc: RTCPeerConnection): void {
    pc.addEventListener('connectionstatechange', () => this.#changed(pc.connectionState))
    this.mainChannel.addEventListener('close', () => this.#channelClosed())
    pc.addEventListener('datachannel', ({ channel }) => this.#options.onChannel(channel))
    pc.addEventListener('track', ({ track, streams }) => this.#hear(track, streams[0]))
    pc.addEventListener('icecandidateerror', ({ errorCode, url }) => {
      if (errorCode === UNAUTHORIZED) void this.#unauthorised(url)
    })
  }

  /**
   * A credential may have expired in the meantime. Once others are tried, whether there is a relay counts, and no further refusal: it may
   * be of a search that began before.
   */
  async #unauthorised(url: string): Promise<void> {
    if (this.#refused) return
    this.#refused = true
    this.#tryOthers = () => {
      this.#tryOthers = undefined
      void this.restart()
      this.#life.after(RELAY_MS, () => {
        this.#refused = !/ typ relay/.test(JSON.stringify(this.connection.localDescription))
        if (this.#refused) this.#options.onError(callError('turn-refused', `The TURN server ${url} refused the credential.`))
      })
    }
    // Where there are no others, these may have come after the search began.
    if (!(await this.#options.refreshIceServers())) this.#tryOthers?.()
  }

  #hear(track: MediaStreamTrack, given: MediaStream | undefined): void {
    // A page without an SDK may send tracks that belong to no stream.
    const stream = given ?? this.#ownStreams.get(track) ?? new MediaStream([track])
    this.#ownStreams.set(track, stream)
    if (!this.#streams.has(stream)) {
      this.#streams.add(stream)
      stream.addEventListener('removetrack', (event) => this.#options.onTrack('track-removed', event.track, stream))
    }
    this.#options.onTrack('track', track, stream)
  }

  #changed(state: RTCPeerConnectionState): void {
    if (!this.#life.live) return
    if (state === 'connected') this.#stands()
    if (state === 'disconnected') this.#interrupted()
    if (state === 'failed') this.#failed()
    // Firefox says so of one that stands as soon as a section is added, while everything comes through.
    if (this.#state === 'connected' && (state === 'connecting' || state === 'new')) return
    // A connection that has stood is interrupted until it stands again, or is given up.
    const waits = this.#hasStood && state !== 'connected' && state !== 'closed'
    this.#become(waits ? 'interrupted' : (STATES[state] ?? (state as PairState)))
  }

  #stands(): void {
    this.#recovery.end()
    this.#refused = false
    if (!this.#options.numbered) return
    // Chromium connects and never opens the channel, where two first offers of different layouts have crossed. Firefox may have closed it.
    const isOpen = (): boolean => this.mainChannel.readyState === 'open'
    const late = (): void => (isOpen() ? undefined : this.#broken('The data channel does not open.'))
    this.#life.after(CHANNEL_MS, late)
  }

  #interrupted(): void {
    if (this.#hasStood) this.#recovery.begin()
    this.#options.onInterrupted()
  }

  #failed(): void {
    if (this.#isLost) this.#recovery.giveUp()
    else if (this.#hasStood) this.#recovery.hurry()
    else if (this.#restarts < RESTARTS_MAX) void this.restart()
  }

  /** Firefox says so only after it has said that the connection has failed. */
  #channelClosed(): void {
    const giveUp = (): void => (this.#isLost ? this.#recovery.giveUp() : undefined)
    if (this.#state === 'interrupted') giveUp()
    // Whoever hangs up says so meanwhile.
    else this.#life.after(HANGUP_MS, giveUp)
  }

  /** Whether only another connection helps: Firefox closes the channels of one that has failed, and opens them no more. */
  get #isLost(): boolean {
    return this.#hasStood && this.#options.numbered && this.mainChannel.readyState !== 'open'
  }

  #broken(why: string): void {
    this.#options.onBroken(callError('negotiation-failed', why, { retryable: true }))
  }

  #become(state: PairState): void {
    if (state === this.#state) return
    this.#state = state
    if (state === 'connected' && !this.#hasStood) {
      this.#hasStood = true
      this.#options.onStood?.(this.#life)
    }
    if (state === 'failed') this.#retryLater()
    this.#options.onState(state)
  }

  /** Looks for a way from time to time, as long as there is none. */
  #retryLater(): void {
    const { clock, random } = this.#options.environment
    this.#retry?.()
    this.#retry = clock.after(RETRY_MS * (1 + random()), () => {
      if (this.#state !== 'failed') return
      if (this.#options.reachable()) this.networkChanged()
      this.#retryLater()
    })
  }
}
