/** ICE servers that answer as the test says, and the connections of a page that asks them. */

/** What becomes of one URL: it answers, with an error, not at all, or so that nobody hears of it. */
export type IceAnswer = 'found' | number | 'silent' | 'nothing'

const SRFLX = { type: 'srflx', candidate: 'candidate:2 1 udp 1 203.0.113.7 5 typ srflx', address: '203.0.113.7' }
const HOST = { type: 'host', candidate: 'candidate:1 1 udp 2 192.168.1.5 5 typ host', address: '192.168.1.5' }
const RELAY = { type: 'relay', candidate: 'candidate:3 1 udp 0 198.51.100.9 5 typ relay', address: '198.51.100.9' }

/** The network between a page and its ICE servers. */
export class FakeIceNetwork {
  /** By URL; `found` where nothing is said. */
  readonly answers: Map<string, IceAnswer> = new Map()
  /** Whether anything comes through a relay. */
  relays: 'open' | 'closed' = 'open'
  /** Whether the browser tells of servers that do not answer. Older versions of Firefox do not. */
  tellsErrors = true
  readonly connections: FakeIceConnection[] = []

  readonly createConnection = (configuration: RTCConfiguration): RTCPeerConnection => {
    const connection = new FakeIceConnection(this, configuration)
    this.connections.push(connection)
    return connection as unknown as RTCPeerConnection
  }
}

/** A data channel, as far as an echo needs one. */
class FakeEnd {
  onopen: (() => void) | undefined
  onmessage: ((event: { data: unknown }) => void) | undefined
  other: FakeEnd | undefined

  send(data: unknown): void {
    queueMicrotask(() => this.other?.onmessage?.({ data }))
  }
}

/** A connection that looks for candidates, and meets another one of its page. */
export class FakeIceConnection extends EventTarget {
  readonly #network: FakeIceNetwork
  readonly configuration: RTCConfiguration
  readonly #end = new FakeEnd()
  localDescription: { type: string; sdp: string } | null = null
  remoteDescription: { type: string; sdp: string } | null = null
  closed = false
  #found = 0

  constructor(network: FakeIceNetwork, configuration: RTCConfiguration) {
    super()
    this.#network = network
    this.configuration = configuration
    if (network.tellsErrors) Object.assign(this, { onicecandidateerror: null })
  }

  createDataChannel(): FakeEnd {
    return this.#end
  }

  async setLocalDescription(): Promise<void> {
    this.localDescription = { type: 'offer', sdp: String(this.#network.connections.indexOf(this)) }
    queueMicrotask(() => this.#gather())
  }

  async setRemoteDescription(description: { type: string; sdp: string }): Promise<void> {
    this.remoteDescription = description
    this.dispatchEvent(new Event('signalingstatechange'))
    const other = this.#network.connections[Number(description.sdp)]
    if (other?.remoteDescription == null || this.#network.relays === 'closed') return
    // Relays are found a moment after the descriptions have gone over.
    setTimeout(() => {
      if (this.#found > 0) this.#meet(other)
    })
  }

  async addIceCandidate(): Promise<void> {}

  async getStats(): Promise<Map<string, object>> {
    return new Map<string, object>([
      ['pair', { type: 'candidate-pair', nominated: true, localCandidateId: 'own' }],
      ['own', { type: 'local-candidate', relayProtocol: 'udp' }],
    ])
  }

  close(): void {
    this.closed = true
  }

  #meet(other: FakeIceConnection): void {
    const far = new FakeEnd()
    this.#end.other = far
    far.other = this.#end
    other.dispatchEvent(Object.assign(new Event('datachannel'), { channel: far }))
    this.#end.onopen?.()
  }

  #gather(): void {
    const urls = (this.configuration.iceServers ?? []).flatMap(({ urls }) => urls)
    const answers = urls.map((url) => ({ url, answer: this.#network.answers.get(url) ?? 'found' }))
    if (this.configuration.iceTransportPolicy !== 'relay') this.#tell(HOST)
    for (const { url, answer } of answers) {
      if (answer === 'found') {
        this.#found += 1
        this.#tell(url.startsWith('turn') ? RELAY : SRFLX)
      } else if (typeof answer === 'number' && this.#network.tellsErrors) {
        this.dispatchEvent(Object.assign(new Event('icecandidateerror'), { errorCode: answer, url }))
      }
    }
    if (!answers.some(({ answer }) => answer === 'silent')) this.#tell(null)
  }

  #tell(candidate: object | null): void {
    if (!this.closed) this.dispatchEvent(Object.assign(new Event('icecandidate'), { candidate }))
  }
}
