/**
 * A call between two who carried a text each way.
 *
 * ```text
 *   invite() ── invitation ──► answer()
 *   accept() ◄─── reply ────── the answer
 *      └────── they connect ──────┘
 *   from then on descriptions and candidates go over a data channel
 * ```
 *
 * The negotiation is that of rooms ({@link negotiate}, `pair.ts`); only its first offer and answer are taken out and written as text
 * (`text.ts`), without media, which keeps them short. When the data channel stands, the side that invited adds the sections of audio and
 * video, alone, so that no two first offers ever cross.
 */

import { unlessAborted } from '../abort.ts'
import { type Addressee, type Channel, type ChannelOptions, Channels, type Reach } from '../channel.ts'
import { browserEnvironment, type Environment } from '../environment.ts'
import { AldisError, asAldisError } from '../errors.ts'
import { Emitter } from '../events.ts'
import { Media, type MediaSource } from '../media.ts'
import type { NegotiationMessage, NegotiationStep } from '../negotiate.ts'
import { checkNothing, checkObject, checkOptions, checkParts, checkSignal, numberOf, signalIn } from '../options.ts'
import { Pair, type PairState, type Part } from '../pair.ts'
import { RunningClock } from '../running.ts'
import { Scope } from '../scope.ts'
import { layOut, type Published } from '../senders.ts'
import { checkReason } from '../signals.ts'
import { Control, type ControlMessage } from './control.ts'
import { gathered } from './gather.ts'

/**
 * How to invite and to answer.
 *
 * @example
 * const options: ManualOptions = { iceServers: [{ urls: 'stun:stun.example.org' }], gatherMs: 1_000 }
 * const invitation = await invite(options)
 */
export interface ManualOptions {
  /**
   * STUN and TURN servers. By default there are none: then two find each other on one network, or where one of them has a public address.
   * Across the internet a STUN server tells each side its public address.
   */
  readonly iceServers?: RTCIceServer[]
  /** For the `RTCPeerConnection`. */
  readonly rtc?: RTCConfiguration
  /** How long to look for addresses of this side before the text is written, in milliseconds; by default 3,000. */
  readonly gatherMs?: number
  /** Gives up before the text is written: the promise rejects with its reason, and nothing is left. */
  readonly signal?: AbortSignal | undefined
  /** Replaces what is taken from the browser. */
  readonly environment?: Partial<Environment>
}

/**
 * The other side of a {@link Call}.
 *
 * @example
 * const reply = (chat: Channel<OtherSide>) => chat.on('message', ({ data, from }) => chat.send(`you said ${data}`, { to: from }))
 * reply(call.channel('chat'))
 */
export type OtherSide = Addressee

/**
 * What happens in a call: `call.on(name, listener)`.
 *
 * @example
 * call.on('track', ({ stream }) => {
 *   video.srcObject = stream
 * })
 * call.on('state', ({ state, reason }) => show(state, reason))
 */
export interface CallEvents {
  /** The connection changed. `reason` says why it ended, for people. */
  state: { readonly state: PairState; readonly reason?: string }
  /** The other side sends a track; show its stream. */
  track: { readonly track: MediaStreamTrack; readonly stream: MediaStream }
  /** It sends it no longer. */
  'track-removed': { readonly track: MediaStreamTrack; readonly stream: MediaStream }
  /** A step of the handshake, for counting and for showing. */
  negotiation: { readonly step: NegotiationStep }
  /** Something failed and nobody was waiting for it. */
  error: { readonly error: AldisError }
}

/** Refuses what are no such options. */
export function checkManual(options: ManualOptions): void {
  checkOptions(options, {
    // What is in these two the browser refuses, when the connection is made.
    iceServers: checkNothing,
    rtc: checkObject,
    gatherMs: numberOf('milliseconds'),
    signal: checkSignal,
    environment: (option, found) => checkParts(option, found, browserEnvironment()),
  })
}

const OTHER: OtherSide = { identity: 'the other side' }

const REACH: Reach = { name: 'the other side, as events of the channel name it', has: (who) => who === OTHER }

const GATHER_MS = 3_000

/** How long an interruption lasts that counts as the end, in milliseconds: browsers give a silent connection up after 30 s, too. */
const LOST_MS = 30_000

/** How long a goodbye may take to leave before the connection is closed, in milliseconds. */
const GOODBYE_MS = 250

const NOTHING: Published = new Map()

/**
 * A call without a server, made by {@link invite} or {@link answer}. Tracks may be published and channels asked for at any time, before
 * it stands too. ICE is started afresh by itself when the device changes its network, as long as the data channel still stands; a call
 * that has broken for good needs another invitation.
 *
 * @example
 * const chat = call.channel('chat')
 * chat.on('message', ({ data }) => show(data))
 * await call.connected()
 * chat.send('hello')
 */
export class Call extends Emitter<CallEvents> {
  /** @internal */
  readonly environment: Environment
  /** @internal */
  readonly pair: Pair
  /** What is there until this side has closed the call. @internal */
  readonly life: Scope
  readonly #control: Control
  readonly #channels = new Channels<OtherSide>(REACH)
  readonly #media: Media
  readonly #gatherMs: number
  #state: PairState = 'connecting'
  #lost: Scope
  /** Takes the first description of this side, which does not go over the control channel. */
  #describe: ((message: NegotiationMessage) => void) | undefined
  readonly #described: Promise<NegotiationMessage>
  /** Ends whatever waits for the connection, or for the description. */
  #fail: (error: AldisError) => void = () => undefined
  #stand: () => void = () => undefined
  readonly #connected: Promise<void>
  readonly #failed: Promise<never>

  /** @internal */
  constructor(part: Part, { iceServers = [], rtc, gatherMs = GATHER_MS, environment }: ManualOptions) {
    super()
    const world = { ...browserEnvironment(), ...environment }
    const clock = new RunningClock(world.clock)
    this.environment = { ...world, clock }
    this.#gatherMs = gatherMs
    this.life = new Scope(clock)
    this.#lost = new Scope(clock)
    this.#described = new Promise((resolve) => {
      this.#describe = resolve
    })
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    const stood = new Promise<void>((resolve) => {
      this.#stand = resolve
    })
    this.#connected = Promise.race([stood, this.#failed])
    // Nobody has to wait for it.
    this.#connected.catch(() => undefined)
    try {
      this.pair = this.#makePair(part, { ...rtc, iceServers: rtc?.iceServers ?? iceServers, bundlePolicy: 'max-bundle' })
    } catch (error) {
      throw asAldisError(error, 'invalid-option', 'The browser makes no connection')
    }
    this.#media = new Media(this.environment, () => void this.pair.sync())
    this.#control = new Control(this.pair.connection, (message) => this.#hear(part, message))
    this.#control.on('open', () => this.#opened(part))
    this.#control.on('close', () => this.#cut())
    this.#channels.connect(this.pair.connection, OTHER, part === 'offers' ? 'opens' : 'waits')
    this.#channels.found(this.pair.mainChannel, this.pair.connection, OTHER)
    this.life.defer(
      world.watchPage((event) => {
        clock.hear(event)
        if (event === 'left') this.close()
        const isElsewhere = event === 'online' || event === 'network-changed' || event === 'thawed'
        if (isElsewhere && this.pair.hasStood) this.pair.networkChanged()
      }),
    )
  }

  /** How the connection is. */
  get state(): PairState {
    return this.#state
  }

  /** The browser's own connection, for everything that this library does not do: what is done to it reaches the other side. */
  get connection(): RTCPeerConnection {
    return this.pair.connection
  }

  /** What the other side sends, as it grouped its tracks. */
  get streams(): readonly MediaStream[] {
    return this.pair.streams
  }

  /**
   * Resolves when the connection stands.
   *
   * @param options `signal` gives up waiting: the promise rejects with its reason, and the call may still come about
   * @throws AldisError `negotiation-failed` when no way to the other side was found, `peer-closed` when either side closes the call first
   * @example
   * call.connected({ signal: AbortSignal.timeout(60_000) }).then(
   *   () => show('You are connected.'),
   *   () => call.close(),
   * )
   */
  connected(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const waiting = this.#wait(options)
    // Nobody has to wait for it.
    waiting.catch(() => undefined)
    return waiting
  }

  async #wait(options: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    await unlessAborted(this.#connected, signalIn(options))
  }

  /**
   * A data channel, if the other side asks for one of the same name. Without a name it is the one that is always there.
   *
   * @param name what both sides call it
   * @param options how it delivers; those of the side that invited count
   * @example
   * const chat = call.channel('chat')
   * chat.on('open', () => chat.send('hello'))
   */
  channel(name = '', options: ChannelOptions = {}): Channel<OtherSide> {
    return this.#channels.get(name, options)
  }

  /**
   * Sends audio and video, as soon as the connection stands. Resolves with the stream, to show it.
   *
   * @param source a stream, a track, or what to ask the browser for
   * @throws AldisError `media-denied`, `media-missing` and so on, as `room.publish` does
   * @example
   * video.srcObject = await call.publish({ audio: true, video: true })
   */
  async publish(source: MediaSource): Promise<MediaStream> {
    const stream = await this.#media.add(source)
    if (this.life.live) return stream
    this.#media.remove(stream)
    throw new AldisError('peer-closed', 'The call has ended.')
  }

  /**
   * Stops sending a stream or a track.
   *
   * @param source what `publish` was given or returned
   * @example
   * call.unpublish(camera)
   */
  unpublish(source: MediaStream | MediaStreamTrack): void {
    this.#media.remove(source)
  }

  /**
   * Ends the call, and tells the other side.
   *
   * @param reason a word for the other side
   * @example
   * call.close()
   */
  close(reason?: string): void {
    checkReason('reason', reason)
    if (!this.life.live) return
    const goodbye = this.#control.isOpen
    if (goodbye) this.#control.send({ type: 'hangup', ...(reason !== undefined && { reason }) })
    this.#end('closed', new AldisError('peer-closed', 'You closed the call.'), goodbye ? GOODBYE_MS : 0)
  }

  /** The first description of this side, with every candidate that was found in time. @internal */
  async describe(): Promise<string> {
    await Promise.race([this.#described, this.#failed])
    const { connection } = this.pair
    await Promise.race([gathered(connection, this.environment.clock, this.#gatherMs), this.#failed])
    this.#describe = undefined
    return connection.localDescription?.sdp ?? ''
  }

  /** No way was found, or none is left. @internal */
  giveUp(error: AldisError): void {
    if (this.life.live) this.#end('failed', error, 0)
  }

  #makePair(part: Part, configuration: RTCConfiguration): Pair {
    return new Pair({
      environment: this.environment,
      configuration,
      part,
      // Media comes later, alone.
      layout: 'data',
      polite: part === 'answers',
      numbered: true,
      codecs: {},
      // Until there are sections for it, media would make the first descriptions long.
      published: () => (this.connection.getTransceivers().length > 0 ? this.#media.tracks : NOTHING),
      send: (message) => this.#send(message),
      onState: (state) => this.#changed(state),
      onStep: (step) => this.emit('negotiation', { step }),
      onTrack: (event, track, stream) => this.emit(event, { track, stream }),
      onChannel: (channel) => this.#channels.found(channel, this.connection, OTHER),
      onError: (error) => this.#report(error),
      onBroken: (error) => this.giveUp(error),
      onInterrupted: () => undefined,
      reachable: () => this.#control.isOpen && this.connection.connectionState === 'connected',
      refreshIceServers: async () => false,
    })
  }

  #send(message: NegotiationMessage): void {
    if (this.#describe === undefined) {
      // Before the other side is there, a fresh start would change what the text says.
      if (message.type !== 'restart' || this.#control.isOpen) this.#control.send(message)
    } else if (message.type === 'offer' || message.type === 'answer') {
      this.#describe(message)
    }
    // What is found before the text is written is in it.
  }

  #hear(part: Part, message: ControlMessage): void {
    if (message.type !== 'hangup') return void this.pair.receive(part === 'answers' ? withPart(message) : message)
    const { reason } = message
    const why = `The other side closed the call${typeof reason === 'string' ? `: ${reason}` : ''}.`
    this.#end('closed', new AldisError('peer-closed', why, { hint: '' }), 0)
  }

  #opened(part: Part): void {
    this.#stand()
    this.#tell(this.pair.state)
    if (part === 'answers') return
    layOut(this.connection, 'media')
    void this.pair.sync()
  }

  /** The control channel has closed, and does not come back. */
  #cut(): void {
    if (this.#state !== 'interrupted') {
      return this.#end('closed', new AldisError('peer-closed', 'The other side closed the call.', { hint: '' }), 0)
    }
    this.giveUp(lost())
  }

  #changed(state: PairState): void {
    this.#lost.end()
    // One that invited may take its time: whoever was invited waits, and the one who invited has a deadline of its own.
    if (!this.pair.hasStood && state !== 'connected') return
    if (state === 'interrupted') {
      this.#lost = new Scope(this.environment.clock)
      this.#lost.after(LOST_MS, () => this.giveUp(lost()))
    }
    // It stands when it can be negotiated over.
    if (state !== 'connected' || this.#control.isOpen) this.#tell(state)
  }

  #tell(state: PairState, reason?: string): void {
    if (state === this.#state || !this.life.live) return
    this.#state = state
    this.emit('state', { state, ...(reason !== undefined && { reason }) })
  }

  #report(error: AldisError): void {
    this.environment.warn(String(error))
    this.emit('error', { error })
  }

  #end(state: 'closed' | 'failed', error: AldisError, afterMs: number): void {
    if (!this.life.live) return
    this.#lost.end()
    this.#tell(state, error.message)
    this.life.end()
    this.#fail(error)
    this.#failed.catch(() => undefined)
    this.#media.clear()
    const end = (): void => {
      this.pair.close()
      this.#channels.disconnect(this.connection)
    }
    if (afterMs === 0) return end()
    this.pair.retire()
    this.environment.clock.after(afterMs, end)
  }
}

/**
 * Whoever was invited waits for the handshake of DTLS (`description.ts`), and has to go on so: offered both parts again, Firefox would take
 * the other one, and nothing that is sent to it would arrive any more.
 */
function withPart(message: NegotiationMessage): NegotiationMessage {
  return message.type === 'offer' ? { ...message, sdp: message.sdp.replaceAll('a=setup:actpass', 'a=setup:active') } : message
}

function lost(): AldisError {
  return new AldisError('negotiation-failed', 'The connection is gone.', { hint: 'Make a new invitation.' })
}
