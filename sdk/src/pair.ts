/** One connection to one peer, from its first offer to its end. A new call is a new pair. */

import type { Environment } from './environment.ts'
import { AldisError } from './errors.ts'
import { type Negotiation, type NegotiationMessage, type NegotiationStep, negotiate } from './negotiate.ts'
import { layOut, type Published, syncSenders } from './senders.ts'

/**
 * How a connection is:
 *
 * - `connecting`: on its way, the first time or after a fresh start of ICE;
 * - `connected`: it stands;
 * - `interrupted`: it stood, and nothing comes through at the moment; often it heals by itself;
 * - `failed`: no way was found, and ICE is started afresh;
 * - `closed`: it was hung up, or the peer has left.
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
  /** Whether this side yields when both offer at once. */
  readonly polite: boolean
  /** Whether the other side understands numbered descriptions. */
  readonly numbered: boolean
  published(): Published
  send(message: NegotiationMessage): void
  onState(state: PairState): void
  onStep(step: NegotiationStep): void
  onTrack(event: TrackEvent, track: MediaStreamTrack, stream: MediaStream): void
  onChannel(channel: RTCDataChannel): void
  onError(error: AldisError): void
}

/** What the browser calls otherwise. */
const STATES: { readonly [state in RTCPeerConnectionState]?: PairState } = { new: 'connecting', disconnected: 'interrupted' }

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
  #turnRefused = false
  #syncing: Promise<void> = Promise.resolve()
  /** The streams of tracks that came without one, among others. */
  readonly #ownStreams = new WeakMap<MediaStreamTrack, MediaStream>()

  constructor(options: PairOptions) {
    this.#options = options
    const pc = options.environment.createConnection(options.configuration)
    this.connection = pc
    this.mainChannel = pc.createDataChannel('', { negotiated: true, id: 0 })
    this.#listen(pc)
    this.#negotiation = negotiate(pc, {
      polite: options.polite,
      numbered: options.numbered,
      clock: options.environment.clock,
      send: (message) => options.send(message),
      beforeAnswer: () => this.sync(),
      onStep: (step) => options.onStep(step),
      onError: (error) => options.onError(error),
    })
    if (options.part === 'offers') {
      layOut(pc)
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

  /** Sends exactly what is published: now, and one time after the other, because the browser takes a while to change a track. */
  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#sync())
    return this.#syncing
  }

  /** Says that it takes too long. It may come about all the same. */
  giveUp(): void {
    if (this.#state === 'connecting') this.#become('failed')
  }

  async #sync(): Promise<void> {
    // Until the first offer has been applied, there are no sections to send in: the other side makes them.
    if (this.#options.part === 'answers' && this.connection.remoteDescription === null) return
    try {
      await syncSenders(this.connection, this.#options.published())
    } catch (cause) {
      if (this.#state !== 'closed')
        this.#options.onError(new AldisError('negotiation-failed', 'A track cannot be sent.', { cause }))
    }
  }

  /** Uses other ICE servers from the next start of ICE on. */
  setIceServers(iceServers: RTCIceServer[]): void {
    // The application may have closed it by itself.
    if (this.connection.signalingState === 'closed') return
    this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers })
  }

  /** Whether it has ever been connected. */
  get hasStood(): boolean {
    return this.#hasStood
  }

  /** Looks for another way between the two. */
  restart(): void {
    this.#negotiation.restart()
  }

  /** Ends it. */
  close(): void {
    if (this.#state === 'closed') return
    this.#negotiation.close()
    this.connection.close()
    this.#enter('closed')
  }

  #listen(pc: RTCPeerConnection): void {
    pc.addEventListener('connectionstatechange', () =>
      this.#enter(STATES[pc.connectionState] ?? (pc.connectionState as PairState)),
    )
    pc.addEventListener('datachannel', ({ channel }) => this.#options.onChannel(channel))
    pc.addEventListener('track', ({ track, streams }) => this.#hear(track, streams[0]))
    pc.addEventListener('icecandidateerror', ({ errorCode, url }) => {
      if (errorCode !== UNAUTHORIZED || this.#turnRefused) return
      this.#turnRefused = true
      this.#options.onError(new AldisError('turn-refused', `The TURN server ${url} refused the credential.`))
    })
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

  #enter(state: PairState): void {
    if (state === this.#state || this.#state === 'closed') return
    // Only the side that offers restarts ICE: browsers fail where both do.
    if (state === 'failed') this.#negotiation.restart()
    this.#become(state)
  }

  #become(state: PairState): void {
    this.#state = state
    this.#hasStood ||= state === 'connected'
    this.#options.onState(state)
  }
}
