/** Data channels of a room: one name, a channel to each peer. */

import { callError } from './call-errors.ts'
import { AldisError } from './errors.ts'
import { Emitter } from './events.ts'
import { checkBoolean, checkNothing, checkOptions, checkSignal, numberOf, refuse } from './options.ts'
import type { Peer } from './peer.ts'

/**
 * What a channel carries: text, or bytes. Bytes arrive as an `ArrayBuffer`, whatever they were sent as.
 *
 * @example
 * chat.send('hello')
 * chat.send(new Uint8Array([1, 2, 3]))
 */
export type ChannelData = string | ArrayBuffer | ArrayBufferView<ArrayBuffer>

/**
 * How a channel delivers, as `RTCDataChannelInit` has it: `ordered` (by default `true`), and at most one of `maxRetransmits` (a number
 * of attempts) and `maxPacketLifeTime` (milliseconds). Without the last two it delivers reliably. Both sides should ask for the same:
 * those of the side that offers count.
 *
 * @example
 * // Positions in a game: a late one is of no use.
 * const moves = room.channel('moves', { ordered: false, maxRetransmits: 0 })
 */
export type ChannelOptions = Pick<RTCDataChannelInit, 'maxPacketLifeTime' | 'maxRetransmits' | 'ordered'>

/**
 * Somebody whom a channel reaches.
 *
 * @example
 * call.channel('chat').on('message', ({ data, from }) => show(from.identity, data))
 */
export interface Addressee {
  /** Who it is. */
  readonly identity: string
}

/** Whom the channels of a room or a call reach. */
export interface Reach {
  /** Who that is, in a few words. */
  readonly name: string
  /** Whether somebody is one of them. */
  has(who: unknown): boolean
}

/**
 * What happens on a channel.
 *
 * @example
 * chat.on('open', ({ peer }) => chat.send('welcome', { to: peer }))
 * chat.on('message', ({ data, from }) => show(from.identity, data))
 * chat.on('close', ({ peer }) => show(`${peer.identity} is out of reach`))
 */
export interface ChannelEvents<Who extends Addressee = Peer> {
  /** `data` came from a peer. What came before anybody asked for the channel follows: the last 256 messages of each peer. */
  message: { readonly data: string | ArrayBuffer; readonly from: Who }
  /** The way to a peer is open: `send` reaches it from now on. */
  open: { readonly peer: Who }
  /** The way to a peer is closed: its connection ended, or it left. A new call opens it again. */
  close: { readonly peer: Who }
}

/** How many channels of a peer wait for the application to ask for them; more are closed. */
const UNCLAIMED_CHANNELS = 16

/** How many messages wait on each of them; the oldest makes room. */
const UNCLAIMED_MESSAGES = 64

/** What WebRTC has two bytes for: the length of a name, and limits. */
const LIMIT_MAX = 65_535

/** How many bytes may wait before `drained` waits, by default. */
const DRAINED_BYTES = 64 * 1024

/** How many bytes wait on each of them, about; the oldest make room. */
const UNCLAIMED_BYTES = 64 * 1024

/**
 * A data channel to every peer of the room that has one of the same name. What it carries goes from peer to peer and never through the
 * server. It outlives calls: whoever is called again is reached by the same channel.
 *
 * @example
 * const chat = room.channel('chat')
 * chat.on('message', ({ data, from }) => show(from.identity, data))
 * chat.on('open', ({ peer }) => chat.send('hello', { to: peer }))
 */
export class Channel<Who extends Addressee = Peer> extends Emitter<ChannelEvents<Who>> {
  /** What both sides call it; empty for the one that is always there. */
  readonly name: string
  /** @internal */
  readonly options: ChannelOptions
  readonly #reach: Reach
  readonly #links = new Map<RTCDataChannel, Who>()

  /** @internal */
  constructor(name: string, options: ChannelOptions, reach: Reach) {
    super()
    this.name = name
    this.options = options
    this.#reach = reach
  }

  /**
   * How many bytes wait in the browser to be sent, at the peer where most do: one that takes them slowly. Beyond some megabytes `send`
   * throws `channel-full`.
   */
  get bufferedAmount(): number {
    return Math.max(0, ...this.#open().map(([channel]) => channel.bufferedAmount))
  }

  /**
   * Resolves when no peer has more than `below` bytes waiting: at once, if so it is. Wait for it between the parts of something large. Whoever
   * closes or leaves is not waited for.
   *
   * @param options `below`: how many bytes may wait, by default 65,536; `signal` gives up waiting
   * @example
   * for (const part of parts) {
   *   await chat.drained()
   *   chat.send(part)
   * }
   */
  async drained(options: { readonly below?: number; readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkOptions(options, { below: numberOf('bytes'), signal: checkSignal })
    const { below = DRAINED_BYTES, signal } = options
    signal?.throwIfAborted()
    const waits = this.#open().map(([channel]) => drain(channel, below, signal))
    await Promise.all(waits)
    signal?.throwIfAborted()
  }

  /** The peers that it is open to. */
  get peers(): Who[] {
    return [...new Set(this.#open().map(([, peer]) => peer))]
  }

  /**
   * Sends to every peer that it is open to, or only to some. Returns those it was sent to: nobody, where it is open to nobody.
   *
   * @param data text or bytes; how much at once is up to the browsers
   * @param options `to`: the peers, if not all of them
   * @throws AldisError `not-connected` where `to` names a peer that it is not open to: then it was sent to nobody. `message-too-large`
   * where the browser refuses its size, `channel-full` where more waits than it keeps: then the others have got it
   * @example
   * const reached = chat.send('hello')
   * show(`${reached.length} peers get it`)
   */
  send(data: ChannelData, options: { to?: Who | readonly Who[] } = {}): Who[] {
    checkData(data)
    checkOptions(options, { to: checkNothing })
    const { to } = options
    const wanted = to === undefined ? this.peers : ([to].flat() as Who[])
    for (const who of wanted) if (!this.#reach.has(who)) refuse('to', this.#reach.name, who)
    const links = wanted.map((peer) => {
      // The newest: an older one is about to be closed.
      const link = this.#open()
        .filter(([, owner]) => owner === peer)
        .at(-1)
      if (link === undefined) throw callError('not-connected', `The channel is not open to ${peer.identity}.`)
      return link
    })
    // One that takes nothing does not keep the others from getting it.
    const failed = links.flatMap(([channel]) => transmit(channel, data) ?? [])
    if (failed[0] !== undefined) throw failed[0]
    return [...wanted]
  }

  /** Adds the way to a peer, with what came on it before anybody listened. @internal */
  attach(channel: RTCDataChannel, peer: Who, earlier: readonly MessageEvent[]): void {
    const hear = ({ data }: MessageEvent): void => this.emit('message', { data, from: peer })
    let told = false
    // A channel of the other side is open before its `open` event: whoever sees it first tells.
    // Where another connection to the peer takes the place of the one that is there, nothing has changed.
    const others = (): boolean => this.#open().some(([other, owner]) => owner === peer && other !== channel)
    const opened = (): void => {
      if (!told && !others()) this.emit('open', { peer })
      told = true
    }
    this.#links.set(channel, peer)
    channel.addEventListener('open', opened)
    channel.addEventListener('message', hear)
    channel.addEventListener('close', () => {
      this.#links.delete(channel)
      if (!others()) this.emit('close', { peer })
    })
    // Whoever asked for the channel has no listeners yet.
    queueMicrotask(() => {
      if (channel.readyState === 'open') opened()
      earlier.forEach(hear)
    })
  }

  #open(): [RTCDataChannel, Who][] {
    return [...this.#links].filter(([channel]) => channel.readyState === 'open')
  }
}

/** Waits until so little waits on a channel, or it has closed. */
function drain(channel: RTCDataChannel, below: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = new AbortController()
    const look = (): void => {
      if (channel.readyState === 'open' && channel.bufferedAmount > below && !signal?.aborted) {
        // The browser tells of one threshold only: whoever waits for less sets it again.
        channel.bufferedAmountLowThreshold = below
        return
      }
      end.abort()
      resolve()
    }
    for (const type of ['bufferedamountlow', 'close']) channel.addEventListener(type, look, { signal: end.signal })
    signal?.addEventListener('abort', look, { signal: end.signal })
    look()
  })
}

/** Refuses what would arrive as something else, or not at all. */
function checkData(data: unknown): void {
  if (typeof data === 'string' || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return
  refuse('data', 'text, an `ArrayBuffer` or a view of one', data)
}

function transmit(channel: RTCDataChannel, data: ChannelData): AldisError | undefined {
  try {
    // The DOM has an overload for each type, and none for all of them.
    channel.send(data as string)
    return undefined
  } catch (cause) {
    // WebRTC 1.0, section 6.2: what is too large is a TypeError, and a full buffer an OperationError.
    if (cause instanceof TypeError)
      return new AldisError('message-too-large', 'The browser takes no message of this size.', { cause })
    return callError('channel-full', 'More waits to be sent than the browser keeps.', { cause })
  }
}

/** Who opens a channel of a name: the side that offers. Where the other side is no SDK both do, and each hears both. */
export type Opens = 'opens' | 'waits'

interface Unclaimed<Who> {
  readonly channel: RTCDataChannel
  readonly connection: RTCPeerConnection
  readonly peer: Who
  readonly name: string
  readonly messages: MessageEvent[]
  readonly listening: AbortController
}

/** The channels of one room, or of one call. */
export class Channels<Who extends Addressee = Peer> {
  readonly #channels = new Map<string, Channel<Who>>()
  readonly #connections = new Map<RTCPeerConnection, { readonly peer: Who; readonly opens: Opens }>()
  #unclaimed: Unclaimed<Who>[] = []
  readonly #reach: Reach

  constructor(reach: Reach) {
    this.#reach = reach
  }

  /** The channel of a name; the same one each time. */
  get(name: string, options: ChannelOptions): Channel<Who> {
    check(name, options)
    const known = this.#channels.get(name)
    if (known !== undefined) return known
    const made = new Channel<Who>(name, options, this.#reach)
    this.#channels.set(name, made)
    for (const [connection, { peer, opens }] of this.#connections) this.#open(made, connection, peer, opens)
    for (const { channel, peer, messages, listening } of this.#unclaimed.filter((entry) => entry.name === name)) {
      listening.abort()
      made.attach(channel, peer, messages)
    }
    this.#unclaimed = this.#unclaimed.filter((entry) => entry.name !== name)
    return made
  }

  /** A connection to a peer was made. */
  connect(connection: RTCPeerConnection, peer: Who, opens: Opens): void {
    this.#connections.set(connection, { peer, opens })
    for (const channel of this.#channels.values()) this.#open(channel, connection, peer, opens)
  }

  /** A connection has ended. */
  disconnect(connection: RTCPeerConnection): void {
    this.#connections.delete(connection)
    this.#unclaimed = this.#unclaimed.filter((entry) => entry.connection !== connection)
  }

  /** A channel came with a connection, or was opened by the other side. */
  found(channel: RTCDataChannel, connection: RTCPeerConnection, peer: Who): void {
    channel.binaryType = 'arraybuffer'
    const name = channel.label
    const known = this.#channels.get(name)
    if (known !== undefined) return known.attach(channel, peer, [])
    if (this.#unclaimed.filter((entry) => entry.peer === peer).length >= UNCLAIMED_CHANNELS) return channel.close()
    const entry: Unclaimed<Who> = { channel, connection, peer, name, messages: [], listening: new AbortController() }
    const { signal } = entry.listening
    channel.addEventListener('message', (message) => keep(entry.messages, message), { signal })
    channel.addEventListener(
      'close',
      () => {
        this.#unclaimed = this.#unclaimed.filter((other) => other !== entry)
      },
      { signal },
    )
    this.#unclaimed.push(entry)
  }

  #open(channel: Channel<Who>, connection: RTCPeerConnection, peer: Who, opens: Opens): void {
    // The one without a name comes with every connection.
    if (channel.name === '' || opens === 'waits' || connection.signalingState === 'closed') return
    const made = connection.createDataChannel(channel.name, channel.options)
    made.binaryType = 'arraybuffer'
    channel.attach(made, peer, [])
  }
}

/** Keeps a message, as far as there is room. */
function keep(messages: MessageEvent[], message: MessageEvent): void {
  messages.push(message)
  let bytes = messages.reduce((sum, { data }) => sum + sizeOf(data), 0)
  while (messages.length > UNCLAIMED_MESSAGES || bytes > UNCLAIMED_BYTES) bytes -= sizeOf(messages.shift()?.data)
}

function sizeOf(data: unknown): number {
  return typeof data === 'string' ? data.length : data instanceof ArrayBuffer ? data.byteLength : 0
}

function checkLimit(option: string, found: unknown): void {
  const good = Number.isInteger(found) && (found as number) >= 0 && (found as number) <= LIMIT_MAX
  if (!good) refuse(option, `a whole number up to ${LIMIT_MAX}`, found)
}

/** Refuses what a browser would refuse only later, when there is somebody to open a channel to. */
function check(name: unknown, options: ChannelOptions): void {
  checkOptions(options, { ordered: checkBoolean, maxPacketLifeTime: checkLimit, maxRetransmits: checkLimit })
  if (typeof name !== 'string' || new TextEncoder().encode(name).length > LIMIT_MAX) {
    refuse('name', `text of at most ${LIMIT_MAX} bytes`, name)
  }
  const { maxPacketLifeTime, maxRetransmits } = options
  if (maxPacketLifeTime !== undefined && maxRetransmits !== undefined) {
    refuse('maxRetransmits', 'left out where there is a `maxPacketLifeTime`', maxRetransmits)
  }
}
