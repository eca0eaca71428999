/**
 * The way to a peer that speaks no streams: plain messages, each sent once and in order, with a receipt.
 *
 * What the server could not hand on (`unknown-peer`, `queue-full`, …) is sent again after a pause. What was sent on a connection that
 * broke may have arrived, and would be taken for another one the second time: it is given up.
 */

import { AldisError } from './errors.ts'
import { type ErrorMessage, type PeerId, type Presence, RETRYABLE_CODES, type Relayed, type Signal } from './generated/wire.ts'
import type { Lane, Letter } from './lane.ts'
import { earliest, SETTLE_MS } from './outgoing.ts'
import { fromServer } from './problem.ts'

/** How many messages may wait. */
const CAPACITY = 256

/** How long a peer that could not be reached is left alone, in milliseconds; its return ends that. */
const PAUSE_MS = 1_000

/** A receipt or a refusal comes within 35 s, and what says so is itself on the way. */
const RECEIPT_MS = 36_000

interface Entry {
  readonly letter: Letter
  readonly name: string
  /** When it is too late to send it. */
  readonly sendBy: number
  /** When it is too late, as it is now. */
  deadline: number
  state: 'queued' | 'sent'
}

/** Its queue; see the module. */
export class PlainLane implements Lane {
  readonly #to: PeerId
  readonly #prefix: string
  #way: 'open' | 'shut' = 'shut'
  #entries: Entry[] = []
  #counter = 0
  #pausedUntil = 0

  /** @param prefix what the names of its messages begin with */
  constructor(to: PeerId, prefix: string) {
    this.#to = to
    this.#prefix = prefix
  }

  post(letter: Letter, now: number): void {
    if (this.#entries.length >= CAPACITY) {
      const details = { retryable: true, outcome: 'not-delivered' } as const
      return letter.settle(new AldisError('queue-full', 'Too many messages wait for this peer.', details))
    }
    const sendBy = now + SETTLE_MS
    this.#entries.push({ letter, name: String(++this.#counter), sendBy, deadline: sendBy, state: 'queued' })
  }

  connect(way: 'open' | 'shut', now: number): void {
    this.#way = way
    this.#pausedUntil = now
    this.#settle(
      ({ state }) => state === 'sent',
      new AldisError('timed-out', 'The connection broke before the server said what became of the message.', {
        outcome: 'unknown',
      }),
    )
  }

  present(presence: Presence, now: number): void {
    // The server keeps messages for a while for whoever is away.
    if (presence === 'here') this.#pausedUntil = now
  }

  peek(now: number): number | undefined {
    return this.#next(now)?.letter.bytes
  }

  take(now: number): Signal | undefined {
    const entry = this.#next(now)
    if (entry === undefined) return undefined
    entry.state = 'sent'
    entry.deadline = now + RECEIPT_MS
    return { ...entry.letter.parcel, to: this.#to, msg: this.#prefix + entry.name, receipt: true } as Signal
  }

  takeAck(): undefined {}

  receive(message: Relayed): Relayed[] {
    return [message]
  }

  written(name: string): void {
    this.#settle((entry) => entry.name === name)
  }

  refuse(name: string, error: ErrorMessage, now: number): void {
    const entry = this.#entries.find((other) => other.name === name)
    if (entry === undefined) return
    if (RETRYABLE_CODES.includes(error.code) && error.outcome !== 'unknown') {
      entry.state = 'queued'
      entry.deadline = entry.sendBy
      this.#pausedUntil = now + Math.max(PAUSE_MS, error.retryAfterMs ?? 0)
    } else {
      this.#settle((other) => other === entry, fromServer({ ...error, outcome: error.outcome ?? 'not-delivered' }))
    }
  }

  forget(): void {
    this.#entries = this.#entries.filter(({ letter, state }) => state === 'sent' || letter.parcel.type === 'message')
  }

  expire(now: number): void {
    const late = (outcome: 'not-delivered' | 'unknown'): AldisError =>
      new AldisError('timed-out', 'The message did not arrive within 30 s.', { outcome })
    this.#settle(({ deadline, state }) => deadline <= now && state === 'queued', late('not-delivered'))
    this.#settle(({ deadline }) => deadline <= now, late('unknown'))
  }

  end(failure: AldisError): void {
    this.#settle(({ state }) => state === 'queued', failure.with('not-delivered'))
    this.#settle(() => true, failure.with('unknown'))
  }

  nextAt(now: number): number | undefined {
    const isQueued = this.#way === 'open' && this.#entries.some(({ state }) => state === 'queued')
    return earliest([...this.#entries.map(({ deadline }) => deadline), isQueued ? Math.max(now, this.#pausedUntil) : undefined])
  }

  #next(now: number): Entry | undefined {
    if (this.#way === 'shut' || now < this.#pausedUntil) return undefined
    return this.#entries.find(({ state }) => state === 'queued')
  }

  #settle(which: (entry: Entry) => boolean, failure?: AldisError): void {
    const settled = this.#entries.filter(which)
    this.#entries = this.#entries.filter((entry) => !settled.includes(entry))
    for (const { letter } of settled) letter.settle(failure)
  }
}
