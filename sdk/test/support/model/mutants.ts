/** The streams and their world with one rule missing each: what the checker has to notice. */

import type { Acknowledgement, Position, Settled, StreamHeader } from '../../../src/outgoing.ts'
import { type Received, Stream } from '../../../src/stream.ts'
import type { Kind, Letter } from './checker.ts'
import type { AnyStream } from './endpoint.ts'
import { Halves } from './halves.ts'
import { RULES, type Rules } from './world.ts'

type Answer = Received<Letter, Letter>

/** What came before is delivered again. */
class WithoutDedupe extends Halves {
  readonly #had = new Set<Letter>()

  override receive(x: StreamHeader, item: Letter, bytes: number, now: number): Answer {
    const { delivered, settled } = super.receive(x, item, bytes, now)
    const again = x.s !== undefined && this.#had.has(item) ? [item] : []
    for (const one of delivered) this.#had.add(one)
    return { delivered: [...again, ...delivered], settled }
  }
}

/** What was written counts as delivered. */
class SettledOnWrite extends Halves {
  readonly #written = new Set<Letter>()
  #untold: Letter[] = []

  override take(now: number): ReturnType<AnyStream['take']> {
    const next = super.take(now)
    if (next !== undefined && !this.#written.has(next.item)) {
      this.#written.add(next.item)
      this.#untold.push(next.item)
    }
    return next
  }

  override receive(x: StreamHeader, item: Letter, bytes: number, now: number): Answer {
    const { delivered, settled } = super.receive(x, item, bytes, now)
    return { delivered, settled: this.#rest(settled) }
  }

  override refuse(position: Position): Settled<Letter>[] {
    return this.#rest(super.refuse(position))
  }

  override expire(now: number): Settled<Letter>[] {
    return this.#rest(super.expire(now))
  }

  override end(): Settled<Letter>[] {
    return this.#rest(super.end())
  }

  override nextAt(now: number): number | undefined {
    return this.#untold.length > 0 ? now : super.nextAt(now)
  }

  #rest(settled: Settled<Letter>[]): Settled<Letter>[] {
    const told = this.#untold.splice(0).map((item) => ({ item, outcome: 'delivered' as const }))
    return [...told, ...settled.filter(({ item }) => !this.#written.has(item))]
  }
}

/** The highest place that came is acknowledged, whatever is missing below it. */
class AcknowledgesTheHighest extends Halves {
  readonly #highest = new Map<number, number>()

  override receive(x: StreamHeader, item: Letter, bytes: number, now: number): Answer {
    if (x.s !== undefined) this.#highest.set(x.s.e, Math.max(x.s.n, this.#highest.get(x.s.e) ?? 0))
    return super.receive(x, item, bytes, now)
  }

  override takeAck(now: number): Acknowledgement | undefined {
    const a = super.takeAck(now)
    return a === undefined || 'reset' in a ? a : { e: a.e, n: this.#highest.get(a.e) ?? a.n }
  }
}

/** Nothing is sent a second time. */
class WithoutRetransmission extends Halves {
  readonly #sent = new Set<Letter>()
  #next: { readonly bytes: number; readonly taken: NonNullable<ReturnType<AnyStream['take']>> } | undefined

  override peek(now: number): number | undefined {
    for (let bytes = super.peek(now); this.#next === undefined && bytes !== undefined; bytes = super.peek(now)) {
      const taken = super.take(now)
      if (taken !== undefined && !this.#sent.has(taken.item)) this.#next = { bytes, taken }
    }
    return this.#next?.bytes
  }

  override take(now: number): ReturnType<AnyStream['take']> {
    this.peek(now)
    const taken = this.#next?.taken
    this.#next = undefined
    if (taken !== undefined) this.#sent.add(taken.item)
    return taken
  }
}

/** What is known of the other end's messages does not outlive a connection. */
class ForgetsOnReconnect extends Halves {
  #way: 'open' | 'shut' = 'open'

  override open(now: number): void {
    if (this.#way === 'shut') this.in = new Stream<Letter>(0)
    this.#way = 'open'
    super.open(now)
  }

  override shut(): void {
    this.#way = 'shut'
    super.shut()
  }
}

/** An older epoch is taken for a new one. */
class WithoutTombstones extends Halves {
  #epoch: number | undefined

  override receive(x: StreamHeader, item: Letter, bytes: number, now: number): Answer {
    if (x.s !== undefined && x.s.e !== this.#epoch) {
      this.in = new Stream<Letter>(0)
      this.#epoch = x.s.e
    }
    return super.receive(x, item, bytes, now)
  }
}

/** Every epoch has the same number. */
class ConstantEpoch extends Halves {
  static readonly #NUMBER = 7
  #epoch = 0

  override take(now: number): ReturnType<AnyStream['take']> {
    const next = super.take(now)
    if (next === undefined) return undefined
    this.#epoch = next.x.s.e
    return { item: next.item, x: { ...next.x, s: { e: ConstantEpoch.#NUMBER, n: next.x.s.n } } }
  }

  override receive({ s, a }: StreamHeader, item: Letter, bytes: number, now: number): Answer {
    return super.receive({ ...(s && { s }), ...(a && { a: { ...a, e: this.#epoch } }) }, item, bytes, now)
  }

  override postpone({ n }: Position, retryAfterMs: number, now: number): void {
    super.postpone({ e: this.#epoch, n }, retryAfterMs, now)
  }

  override refuse({ n }: Position): Settled<Letter>[] {
    return super.refuse({ e: this.#epoch, n })
  }
}

/** An epoch begins with whatever comes of it first. */
class BeginsAnywhere extends Halves {
  #epoch: number | undefined
  /** How many places were skipped. */
  #skipped = 0

  override receive(x: StreamHeader, item: Letter, bytes: number, now: number): Answer {
    const { s, ...rest } = x
    if (s === undefined) return super.receive(x, item, bytes, now)
    if (this.#epoch === undefined || (s.e !== this.#epoch && (s.e - this.#epoch) >>> 0 < 2 ** 31)) {
      this.#epoch = s.e
      this.#skipped = s.n - 1
    }
    const n = s.e === this.#epoch ? Math.max(0, s.n - this.#skipped) : s.n
    return super.receive({ ...rest, s: { e: s.e, n } }, item, bytes, now)
  }

  override takeAck(now: number): Acknowledgement | undefined {
    const a = super.takeAck(now)
    return a === undefined || 'reset' in a ? a : { e: a.e, n: a.n + this.#skipped }
  }
}

/** A rule that is missing, and what is seen then at least. */
export interface Mutant {
  readonly name: string
  readonly rules: Rules
  readonly kinds: readonly Kind[]
}

const made = (Changed: new (epoch: number) => AnyStream): Rules => ({
  ...RULES,
  createStream: (epoch) => new Changed(epoch),
})

/** Nothing is missing: the way in which the mutants are made changes nothing. */
export const CONTROL: Rules = made(Halves)

/** One for each rule of the streams, and the rule that their owner adds. */
export const MUTANTS: readonly Mutant[] = [
  { name: 'no dedupe', rules: made(WithoutDedupe), kinds: ['twice'] },
  { name: 'the same peer id after a failed resume', rules: { ...RULES, nextStay: (previous) => previous }, kinds: ['given-up'] },
  { name: 'settled on the write to the socket', rules: made(SettledOnWrite), kinds: ['lost'] },
  { name: 'the highest acknowledged instead of the contiguous', rules: made(AcknowledgesTheHighest), kinds: ['lost'] },
  { name: 'no retransmission', rules: made(WithoutRetransmission), kinds: ['given-up'] },
  { name: 'incoming streams forgotten on reconnect', rules: made(ForgetsOnReconnect), kinds: ['twice', 'given-up'] },
  { name: 'no tombstones', rules: made(WithoutTombstones), kinds: ['twice'] },
  { name: 'a constant epoch', rules: made(ConstantEpoch), kinds: ['lost'] },
  { name: 'an unknown epoch accepted above 1', rules: made(BeginsAnywhere), kinds: ['lost'] },
  { name: 'a second stream with the same stay', rules: { ...RULES, departed: 'forgotten' }, kinds: ['given-up'] },
]
