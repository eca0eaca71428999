/**
 * A stream to one peer and back: every message is delivered once and in order, or its sender is told (`docs/protocol.md`, "Streams").
 *
 * It is the two halves put together: acknowledgements travel in the `x` of what goes the other way. Who owns it sends what
 * {@link Stream.take} and {@link Stream.takeAck} give, hands over what comes, calls {@link Stream.expire}, and looks at
 * {@link Stream.nextAt} for when to come back.
 */

import { Incoming } from './incoming.ts'
import { type Acknowledgement, earliest, Outgoing, type Position, type Settled } from './outgoing.ts'

/** What streams add to a message: its own position, and an acknowledgement of what came the other way. */
export interface StreamHeader {
  readonly s?: Position
  readonly a?: Acknowledgement
}

/** What came of what was received. */
export interface Received<Theirs, Ours> {
  /** To be handed to the application, in order. */
  readonly delivered: Theirs[]
  /** What is known now of our own messages. */
  readonly settled: Settled<Ours>[]
}

/** Both halves; see the module. */
export class Stream<Ours, Theirs = Ours> {
  readonly #outgoing: Outgoing<Ours>
  readonly #incoming = new Incoming<Theirs>()

  /** @param epoch a random u32 */
  constructor(epoch: number) {
    this.#outgoing = new Outgoing(epoch)
  }

  /** How many messages are not settled yet. */
  get size(): number {
    return this.#outgoing.size
  }

  /** Takes a message to be sent; `false` where too many wait already. */
  send(item: Ours, bytes: number, now: number): boolean {
    return this.#outgoing.push(item, bytes, now)
  }

  /** How many bytes the message has that may be sent now. */
  peek(now: number): number | undefined {
    return this.#outgoing.peek(now)
  }

  /** The message that is to be sent now, and its header. */
  take(now: number): { readonly item: Ours; readonly x: StreamHeader & { readonly s: Position } } | undefined {
    const next = this.#outgoing.take(now)
    if (next === undefined) return undefined
    const a = this.#incoming.take()
    return { item: next.item, x: { s: next.s, ...(a && { a }) } }
  }

  /** The acknowledgement that has waited long enough for a message to travel with. */
  takeAck(now: number): Acknowledgement | undefined {
    const { ackAt } = this.#incoming
    return ackAt !== undefined && ackAt <= now ? this.#incoming.take() : undefined
  }

  /** Takes what came: a message with its header, or the header of a bare acknowledgement. */
  receive({ s, a }: StreamHeader, item: Theirs, bytes: number, now: number): Received<Theirs, Ours> {
    const settled = a === undefined ? [] : this.#outgoing.acknowledge(a)
    return { delivered: s === undefined ? [] : this.#incoming.receive(s, item, bytes, now), settled }
  }

  /** The server did not hand a message on, and it may later. */
  postpone(position: Position, retryAfterMs: number, now: number): void {
    this.#outgoing.postpone(position, retryAfterMs, now)
  }

  /** The server will never hand a message on. */
  refuse(position: Position): Settled<Ours>[] {
    return this.#outgoing.refuse(position)
  }

  /** The peer can be reached. */
  open(now: number): void {
    this.#outgoing.open(now)
  }

  /** It cannot. */
  shut(): void {
    this.#outgoing.shut()
  }

  /** Acknowledges at once what is owed. */
  hurry(now: number): void {
    this.#incoming.hurry(now)
  }

  /** Settles what is too late. */
  expire(now: number): Settled<Ours>[] {
    return this.#outgoing.expire(now)
  }

  /** The peer is gone for good: settles everything. */
  end(): Settled<Ours>[] {
    return this.#outgoing.end()
  }

  /** When something is to be done next. */
  nextAt(now: number): number | undefined {
    return earliest([this.#outgoing.nextAt(now), this.#incoming.ackAt])
  }
}
