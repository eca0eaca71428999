/** What two sides that were introduced by hand tell each other from then on: over a data channel of their own. */

import type { NegotiationMessage } from '../negotiate.ts'

/** The number of that channel; 0 is the one that every connection of this library has. */
export const CONTROL_ID = 1

/** A message on it. */
export type ControlMessage = NegotiationMessage | { readonly type: 'hangup'; readonly reason?: string }

/** How many messages wait for the channel to open. */
const WAITING_MAX = 64

const TYPES: readonly unknown[] = ['offer', 'answer', 'ice-candidate', 'restart', 'nack', 'hangup']

/** The control channel, and what waits for it. */
export class Control {
  readonly #channel: RTCDataChannel
  #waiting: ControlMessage[] = []

  constructor(connection: RTCPeerConnection, hear: (message: ControlMessage) => void) {
    this.#channel = connection.createDataChannel('', { negotiated: true, id: CONTROL_ID })
    this.#channel.addEventListener('message', ({ data }) => {
      const message = parse(data)
      if (message !== undefined) hear(message)
    })
    this.on('open', () => {
      for (const message of this.#waiting.splice(0)) this.send(message)
    })
  }

  /** Whether what is sent goes out. */
  get isOpen(): boolean {
    return this.#channel.readyState === 'open'
  }

  /** Calls `listener` when the channel opens, or closes. */
  on(event: 'close' | 'open', listener: () => void): void {
    this.#channel.addEventListener(event, listener)
  }

  /** Sends a message, as soon as the channel is open. */
  send(message: ControlMessage): void {
    if (this.isOpen) this.#channel.send(JSON.stringify(message))
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(message)
  }
}

function parse(data: unknown): ControlMessage | undefined {
  try {
    const message: unknown = JSON.parse(String(data))
    const isKnown = typeof message === 'object' && message !== null && 'type' in message && TYPES.includes(message.type)
    return isKnown ? (message as ControlMessage) : undefined
  } catch {
    return undefined
  }
}
