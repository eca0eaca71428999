/** A data channel that carries what the test says. */

/** One end of a channel. */
export class FakeDataChannel extends EventTarget {
  readonly label: string
  readonly init: RTCDataChannelInit
  readyState: RTCDataChannelState = 'connecting'
  binaryType: BinaryType = 'blob'
  readonly sent: unknown[] = []
  /** The largest message that it takes. */
  maxSize = 262_144
  /** What waits to be sent. */
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  /** The other end, where there is one. */
  #other: FakeDataChannel | undefined
  /** Whether its buffer has room. */
  buffer: 'room' | 'full' = 'room'

  constructor(label: string, init: RTCDataChannelInit = {}) {
    super()
    this.label = label
    this.init = init
  }

  asBrowsers(): RTCDataChannel {
    return this as unknown as RTCDataChannel
  }

  send(data: unknown): void {
    if (typeof data === 'string' && data.length > this.maxSize) throw new TypeError('The message is too large.')
    if (this.buffer === 'full') throw new DOMException('The buffer is full.', 'OperationError')
    this.sent.push(data)
    const other = this.#other
    if (other !== undefined) queueMicrotask(() => other.readyState === 'open' && other.hear(carried(data)))
  }

  /** So much is left of what waits to be sent. */
  drain(left: number): void {
    const crosses = this.bufferedAmount > this.bufferedAmountLowThreshold && left <= this.bufferedAmountLowThreshold
    this.bufferedAmount = left
    if (crosses) this.dispatchEvent(new Event('bufferedamountlow'))
  }

  close(): void {
    this.readyState = 'closing'
    const ends = this.#other === undefined ? [] : [this, this.#other]
    for (const end of ends) queueMicrotask(() => end.readyState !== 'closed' && end.end())
  }

  /** Whether it has another end. */
  get isLinked(): boolean {
    return this.#other !== undefined
  }

  /** Makes two ends of one channel. */
  link(other: FakeDataChannel): void {
    this.#other = other
    other.#other = this
  }

  open(): void {
    this.readyState = 'open'
    this.dispatchEvent(new Event('open'))
  }

  hear(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }))
  }

  end(): void {
    this.readyState = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}

/** Bytes arrive as an `ArrayBuffer`, as the library asks for them. */
function carried(data: unknown): unknown {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer
  return data instanceof ArrayBuffer ? data.slice(0) : data
}
