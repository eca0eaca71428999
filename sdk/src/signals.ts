/** What peers say to each other in order to connect, and what of it the server carries. */

import type { JsonObject, Relayed } from './generated/wire.ts'
import type { Parcel } from './lane.ts'
import type { NegotiationMessage } from './negotiate.ts'
import { checkObject, refuse } from './options.ts'

/** How long a reason may be. */
const REASON_BYTES = 256

/**
 * What two peers say to each other in order to connect: what `negotiate` sends and takes, the end of a call (`hangup`), and the wish
 * for a new connection in the place of one that cannot be mended (`rebuild`, with its number in `x.g`).
 *
 * @example
 * const goodbye: PeerSignal = { type: 'hangup', reason: 'lunch' }
 * await client.signal(peer.id, goodbye)
 */
export type PeerSignal =
  | NegotiationMessage
  | { readonly type: 'hangup'; readonly reason?: string; readonly x?: JsonObject }
  | { readonly type: 'rebuild'; readonly x?: JsonObject }

/** The same, as it comes. */
export type RelayedSignal = Exclude<Relayed, { type: 'ack' | 'message' }>

/** A number of `x`, if there is a sensible one. */
export function numberOf(x: JsonObject | undefined, name: 'd' | 'g' | 're'): number | undefined {
  const value = x?.[name]
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined
}

/** A negotiation's message, as it travels. */
export function parcelOf(message: NegotiationMessage, generation: number | undefined): Parcel {
  if (generation === undefined) return message as Parcel
  return { ...message, x: { ...('x' in message ? message.x : {}), g: generation } } as Parcel
}

/** What came, as the negotiation takes it: with the numbers that it understands, and without what belongs to the stream. */
export function signalOf(message: RelayedSignal): PeerSignal {
  const { from, msg, receipt, x, ...rest } = message
  return { ...rest, x: { ...own(x), d: numberOf(x, 'd'), re: numberOf(x, 're') } } as PeerSignal
}

/** A signal of the application's own code, as it travels. */
export function signalParcel(signal: PeerSignal): Parcel {
  checkObject('signal', signal)
  const { type, x } = signal as { readonly type: unknown; readonly x?: JsonObject }
  if (x !== undefined) checkObject('signal.x', x)
  // Read one by one: descriptions and candidates of browsers have nothing of their own.
  return { ...fieldsOf(signal), type, ...(x && { x: own(x) }) } as Parcel
}

function fieldsOf(signal: PeerSignal): object {
  switch (signal.type) {
    case 'offer':
    case 'answer':
      if (typeof signal.sdp !== 'string') refuse('signal.sdp', 'a session description', signal.sdp)
      return { sdp: signal.sdp }
    case 'ice-candidate':
      if (typeof signal.candidate !== 'object') refuse('signal.candidate', 'a candidate or `null`', signal.candidate)
      return { candidate: signal.candidate }
    case 'hangup':
      checkReason('signal.reason', signal.reason)
      return { reason: signal.reason }
    case 'restart':
    case 'nack':
    case 'rebuild':
      return {}
    default:
      return refuse('signal.type', 'that of a `PeerSignal`', (signal as { type: unknown }).type)
  }
}

/** Refuses a reason that the server would refuse. */
export function checkReason(option: string, reason: unknown): void {
  const good = reason === undefined || (typeof reason === 'string' && new TextEncoder().encode(reason).length <= REASON_BYTES)
  if (!good) refuse(option, `text of at most ${REASON_BYTES} bytes`, reason)
}

/** Without what belongs to the stream. */
function own(x: JsonObject | undefined): JsonObject {
  const { s, a, ...others } = x ?? {}
  return others
}
