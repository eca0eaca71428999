/**
 * A stream to one peer and back: every message is delivered once and in order, or its sender is told (`docs/protocol.md`, "Streams").
 *
 * It is the sending half with the receiving one: acknowledgements travel in the `x` of what goes the other way. Who owns it sends what
 * {@link Stream.take} and {@link Stream.takeAck} give, hands over what comes, calls {@link Stream.expire}, and looks at
 * {@link Stream.nextAt} for when to come back.
 */

import { Incoming } from './incoming.ts'
import { type Acknowledgement, earliest, Outgoing, type Settled, type StreamHeader, type Taken } from './outgoing.ts'

/** What came of what was received. */
export interface Received<Theirs, Ours> {
  /** To be handed to the application, in order. */
  readonly delivered: Theirs[]
  /** What is known now of our own messages. */
  readonly settled: Settled<Ours>[]
}

/** The sending half, and with it the receiving one; see the module. */
export class Stream<Ours, Theirs = Ours> extends Outgoing<Ours> {
  readonly #incoming = new Incoming<Theirs>()

  /** The message that is to be sent now, and with it what is to be acknowledged. */
  override take(now: number): Taken<Ours> | undefined {
    const next = super.take(now)
    const a = next && this.#incoming.take()
    return a ? { item: next.item, x: { ...next.x, a } } : next
  }

  /** The acknowledgement that has waited long enough for a message to travel with. */
  takeAck(now: number): Acknowledgement | undefined {
    const { ackAt } = this.#incoming
    return ackAt !== undefined && ackAt <= now ? this.#incoming.take() : undefined
  }

  /** Takes what came: a message with its header, or the header of a bare acknowledgement. */
  receive({ s, a }: StreamHeader, item: Theirs, bytes: number, now: number): Received<Theirs, Ours> {
    const settled = a === undefined ? [] : this.acknowledge(a)
    return { delivered: s === undefined ? [] : this.#incoming.receive(s, item, bytes, now), settled }
  }

  /** Acknowledges at once what is owed. */
  hurry(now: number): void {
    this.#incoming.hurry(now)
  }

  /** When something is to be done next. */
  override nextAt(now: number): number | undefined {
    return earliest([super.nextAt(now), this.#incoming.ackAt])
  }
}
