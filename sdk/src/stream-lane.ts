/** The way to a peer that speaks streams. */

import { AldisError } from './errors.ts'
import { type ErrorMessage, type PeerId, type Presence, RETRYABLE_CODES, type Relayed, type Signal } from './generated/wire.ts'
import type { Lane, Letter } from './lane.ts'
import type { Acknowledgement, Position, Settled, StreamHeader } from './outgoing.ts'
import { fromServer } from './problem.ts'
import { Stream } from './stream.ts'

/** What a peer's `hello` names where it speaks streams, and numbers its descriptions. */
export const STREAMS = 'streams'

/** How long a peer that could not be reached is left alone, in milliseconds. */
const PAUSE_MS = 1_000

/** Its stream; see `stream.ts`. */
export class StreamLane implements Lane {
  readonly #to: PeerId
  readonly #prefix: string
  readonly #isHidden: () => boolean
  readonly #stream: Stream<Letter, Relayed>
  #way: 'open' | 'shut' = 'shut'
  #presence: Presence = 'here'

  /**
   * @param prefix what the names of its messages begin with
   * @param epoch a random u32
   * @param isHidden whether the page is hidden, so that its timers are late
   */
  constructor(to: PeerId, prefix: string, epoch: number, isHidden: () => boolean) {
    this.#to = to
    this.#prefix = prefix
    this.#isHidden = isHidden
    this.#stream = new Stream(epoch)
  }

  post(letter: Letter, now: number): void {
    if (this.#stream.send(letter, letter.bytes, now)) return
    letter.settle(
      new AldisError('queue-full', 'Too many messages wait for this peer.', { retryable: true, outcome: 'not-delivered' }),
    )
  }

  connect(way: 'open' | 'shut', now: number): void {
    this.#way = way
    this.#turn(now)
  }

  present(presence: Presence, now: number): void {
    // Whoever is still there has not missed anything.
    if (presence === this.#presence) return
    this.#presence = presence
    this.#turn(now)
  }

  peek(now: number): number | undefined {
    return this.#stream.peek(now)
  }

  take(now: number): Signal | undefined {
    const next = this.#stream.take(now)
    if (next === undefined) return undefined
    const { parcel } = next.item
    const { e, n } = next.x.s
    return { ...parcel, to: this.#to, msg: `${this.#prefix}${e}.${n}`, x: { ...parcel.x, ...next.x } } as Signal
  }

  takeAck(now: number): Signal | undefined {
    const a = this.#stream.takeAck(now)
    return a && { type: 'ack', to: this.#to, x: { a } }
  }

  receive(message: Relayed, now: number): Relayed[] {
    const header = headerOf(message.x)
    // Whoever is heard is there, whatever the server has told so far.
    if (this.#presence === 'away') this.present('here', now)
    // What a lane adds does not count: it is no part of the sender's window either.
    const bytes = JSON.stringify({ ...message, from: '', msg: '', x: undefined }).length
    const { delivered, settled } = this.#stream.receive(header, message, bytes, now)
    this.#settle(settled, (outcome) => new AldisError('timed-out', 'The peer takes nothing more of this stream.', { outcome }))
    if (this.#isHidden()) this.#stream.hurry(now)
    // What has no position is not of the stream: a broadcast.
    return header.s === undefined && message.type !== 'ack' ? [message] : delivered
  }

  // It asks for no receipts.
  written(): void {}

  refuse(name: string, error: ErrorMessage, now: number): void {
    const [e, n] = name.split('.')
    const position: Position = { e: Number(e), n: Number(n) }
    if (RETRYABLE_CODES.includes(error.code)) this.#stream.postpone(position, error.retryAfterMs ?? PAUSE_MS, now)
    else {
      // The server knows of one copy, and the stream of all that was sent.
      this.#settle(this.#stream.refuse(position), (outcome) => fromServer({ ...error, outcome }))
    }
  }

  // Whatever is out of date is known by its numbers.
  forget(): void {}

  expire(now: number): void {
    this.#settle(this.#stream.expire(now), (outcome) => {
      return new AldisError('timed-out', 'The message did not arrive within 30 s.', { outcome })
    })
  }

  end(failure: AldisError): void {
    this.#settle(this.#stream.end(), (outcome) => failure.with(outcome))
  }

  nextAt(now: number): number | undefined {
    return this.#stream.nextAt(now)
  }

  #turn(now: number): void {
    if (this.#way === 'open' && this.#presence === 'here') this.#stream.open(now)
    else this.#stream.shut()
  }

  #settle(settled: readonly Settled<Letter>[], failure: (outcome: 'not-delivered' | 'unknown') => AldisError): void {
    for (const { item, outcome } of settled) item.settle(outcome === 'delivered' ? undefined : failure(outcome))
  }
}

/** What of `x` belongs to the stream, as far as it makes sense. */
function headerOf(x: Relayed['x']): StreamHeader {
  const header = (x ?? {}) as { readonly s?: unknown; readonly a?: unknown }
  const s = positionOf(header.s)
  const a = acknowledgementOf(header.a)
  return { ...(s && { s }), ...(a && { a }) }
}

function positionOf(value: unknown): Position | undefined {
  const { e, n } = Object(value) as Partial<Position>
  return isU32(e) && Number.isSafeInteger(n) && (n as number) > 0 ? { e, n: n as number } : undefined
}

function acknowledgementOf(value: unknown): Acknowledgement | undefined {
  const { e, n, reset } = Object(value) as { e?: unknown; n?: unknown; reset?: unknown }
  if (!isU32(e)) return undefined
  if (reset === true) return { e, reset }
  return Number.isSafeInteger(n) && (n as number) >= 0 ? { e, n: n as number } : undefined
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value
}
