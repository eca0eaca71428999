/** A stream put together from two others, one for each direction, so that a mutant can change one of them. */

import type { Settled, StreamHeader } from '../../../src/outgoing.ts'
import { type Received, Stream } from '../../../src/stream.ts'
import type { Letter } from './checker.ts'
import type { AnyStream } from './endpoint.ts'

type Taken = ReturnType<AnyStream['take']>

/** It does what {@link Stream} does. */
export class Halves implements AnyStream {
  protected readonly out: Stream<Letter>
  protected in: Stream<Letter> = new Stream<Letter>(0)

  constructor(epoch: number) {
    this.out = new Stream<Letter>(epoch)
  }

  get size(): number {
    return this.out.size
  }

  send(item: Letter, bytes: number, now: number): boolean {
    return this.out.send(item, bytes, now)
  }

  peek(now: number): number | undefined {
    return this.out.peek(now)
  }

  take(now: number): Taken {
    const next = this.out.take(now)
    if (next === undefined) return undefined
    this.in.hurry(now)
    const a = this.takeAck(now)
    return { item: next.item, x: { ...next.x, ...(a && { a }) } }
  }

  takeAck(now: number): StreamHeader['a'] {
    return this.in.takeAck(now)
  }

  receive({ s, a }: StreamHeader, item: Letter, bytes: number, now: number): Received<Letter, Letter> {
    const { settled } = this.out.receive({ ...(a && { a }) }, item, bytes, now)
    const { delivered } = this.in.receive({ ...(s && { s }) }, item, bytes, now)
    return { delivered, settled }
  }

  postpone(...[position, retryAfterMs, now]: Parameters<AnyStream['postpone']>): void {
    this.out.postpone(position, retryAfterMs, now)
  }

  refuse(...[position]: Parameters<AnyStream['refuse']>): Settled<Letter>[] {
    return this.out.refuse(position)
  }

  open(now: number): void {
    this.out.open(now)
  }

  shut(): void {
    this.out.shut()
  }

  hurry(now: number): void {
    this.in.hurry(now)
  }

  expire(now: number): Settled<Letter>[] {
    return this.out.expire(now)
  }

  end(): Settled<Letter>[] {
    return this.out.end()
  }

  nextAt(now: number): number | undefined {
    const times = [this.out.nextAt(now), this.in.nextAt(now)].filter((time) => time !== undefined)
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
