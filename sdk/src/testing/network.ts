/**
 * Connections that find each other in memory: those whose descriptions name each other connect, open their channels, carry what is sent on
 * them, and tell of each other's tracks. There is no media, and nothing leaves the process.
 */

import { fragmentOf } from '../candidates.ts'
import { FakePeerConnection } from './connection.ts'
import { FakeDataChannel } from './data-channel.ts'
import { FakeStream, type FakeTrack } from './media.ts'
import { sectionsOf } from './sdp.ts'

/**
 * All connections that can find each other.
 *
 * @example
 * const network = new TestNetwork()
 * const server = createTestServer({ createConnection: network.createConnection })
 * network.cut()
 */
export class TestNetwork {
  readonly #connections = new Set<NetworkConnection>()
  #isCut = false

  /**
   * Makes a connection: for `createConnection` of the environment.
   *
   * @example
   * const pc = network.createConnection({})
   * const negotiation = negotiate(pc, { polite: false, send: (message) => port.postMessage(message) })
   */
  readonly createConnection = (configuration: RTCConfiguration): RTCPeerConnection => {
    const connection = new NetworkConnection(configuration, this)
    this.#connections.add(connection)
    return connection.asBrowsers()
  }

  /**
   * Nothing comes through between any two any more: connections are `disconnected`, and `failed` if nothing is done about it.
   *
   * @example
   * network.cut()
   */
  cut(): void {
    this.#isCut = true
    for (const connection of this.#connections) connection.lose()
  }

  /**
   * Everything comes through again.
   *
   * @example
   * network.mend()
   */
  mend(): void {
    this.#isCut = false
    for (const connection of this.#connections) this.settle(connection)
  }

  /** Connects a connection with the one that it describes, if they agree. @internal */
  settle(one: NetworkConnection): void {
    const other = [...this.#connections].find(
      (connection) => connection !== one && connection.describes(one) && one.describes(connection),
    )
    if (other === undefined || this.#isCut) return
    one.join(other)
    other.join(one)
    one.exchange()
    other.exchange()
  }

  /** @internal */
  forget(connection: NetworkConnection): void {
    this.#connections.delete(connection)
  }
}

/** One end of a connection in memory. @internal */
export class NetworkConnection extends FakePeerConnection {
  readonly #network: TestNetwork
  #other: NetworkConnection | undefined
  #gathered: string | undefined
  /** The streams that came with the other side's tracks, and the tracks, each by its section. */
  readonly #streams = new Map<string, FakeStream>()
  readonly #coming = new Map<number, { readonly track: FakeTrack; readonly stream: FakeStream }>()

  constructor(configuration: RTCConfiguration, network: TestNetwork) {
    super(configuration)
    this.#network = network
  }

  override async setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
    await super.setLocalDescription(description)
    this.#gather()
    this.#network.settle(this)
  }

  override async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    await super.setRemoteDescription(description)
    this.#network.settle(this)
  }

  override get localDescription(): RTCSessionDescriptionInit | null {
    const description = super.localDescription
    if (description === null || this.#gathered !== fragmentOf(description)) return description
    return { ...description, sdp: `${description.sdp}a=${CANDIDATE}\r\n` }
  }

  override createDataChannel(label: string, init: RTCDataChannelInit = {}): RTCDataChannel {
    const channel = super.createDataChannel(label, init)
    if (this.#other !== undefined) queueMicrotask(() => this.#network.settle(this))
    return channel
  }

  override close(): void {
    const other = this.#other
    this.#other = undefined
    super.close()
    this.#network.forget(this)
    // As browsers do it: the goodbye of DTLS closes the channels of the other side.
    if (other !== undefined) queueMicrotask(() => other.left())
  }

  /** Whether its remote description is the local one of the other. */
  describes(other: NetworkConnection): boolean {
    const theirs = fragmentOf(other.currentLocalDescription)
    return theirs !== undefined && this.signalingState !== 'closed' && theirs === fragmentOf(this.currentRemoteDescription)
  }

  /** They have found each other. */
  join(other: NetworkConnection): void {
    this.#other = other
    if (this.connectionState !== 'connected') this.become('connected')
  }

  /** Opens the channels that are new, and tells of tracks. */
  exchange(): void {
    const other = this.#other
    if (other === undefined) return
    for (const channel of this.channels) {
      if (channel.readyState === 'closed' || channel.isLinked) continue
      const { negotiated, id } = channel.init
      const known = negotiated
        ? other.channels.find(({ init }) => init.negotiated && init.id === id)
        : new FakeDataChannel(channel.label)
      if (known === undefined) continue
      channel.link(known)
      if (negotiated) continue
      other.channels.push(known)
      other.offerChannel(known)
      channel.open()
      known.open()
    }
    this.#hear(other)
  }

  /** Nothing comes through. */
  lose(): void {
    if (this.connectionState === 'connected') this.become('disconnected')
  }

  /** The other side has closed. */
  left(): void {
    this.#other = undefined
    for (const channel of this.channels) if (channel.readyState === 'open') channel.end()
    if (this.connectionState === 'connected') this.become('disconnected')
  }

  #gather(): void {
    const fragment = fragmentOf(super.localDescription)
    if (fragment === undefined || fragment === this.#gathered) return
    this.#gathered = fragment
    this.startGathering()
    this.gather()
    this.gathered()
    this.finishGathering()
  }

  /** What the other side sends now, and did not before, or the other way round. */
  #hear(other: NetworkConnection): void {
    for (const { mid, direction } of sectionsOf(other.currentLocalDescription)) {
      const sends = direction === 'sendrecv' || direction === 'sendonly'
      const sender = sends ? other.transceiverOf(mid)?.sender : undefined
      const known = this.#coming.get(mid)
      if (sender?.track && known === undefined) this.#comes(mid, sender.streams)
      if (known !== undefined && !sender?.track) {
        this.#coming.delete(mid)
        known.stream.lose(known.track)
      }
    }
  }

  #comes(mid: number, streams: readonly object[]): void {
    const track = this.transceiverOf(mid)?.receiver.track
    if (track === undefined) return
    const id = (streams[0] as { readonly id?: string } | undefined)?.id ?? `${mid}`
    const stream = this.#streams.get(id) ?? new FakeStream([], id)
    this.#streams.set(id, stream)
    stream.addTrack(track)
    this.#coming.set(mid, { track, stream })
    this.bring(track, [stream])
  }
}

const CANDIDATE = 'candidate:1 1 udp 2122260223 192.0.2.7 9 typ host'
