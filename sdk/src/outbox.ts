/**
 * Signals on their way to peers that take them plainly: in order, each with a receipt.
 *
 * A signal is *queued* until the pace and the connection allow it, then *sent* until the server says what became of it. What the
 * server could not hand on (`unknown-peer`, `queue-full`, …) waits for the peer and is sent again. What was sent on a connection that
 * broke may have arrived: it is sent again only to a peer that recognises what it has seen.
 */

import type { Cancel, Clock } from './clock.ts'
import { AldisError } from './errors.ts'
import type { ClientLimits, ErrorMessage, PeerId, Signal } from './generated/wire.ts'
import { STREAM_ENDING_CODES } from './generated/wire.ts'
import { Pace } from './pace.ts'
import { fromServer } from './problem.ts'

/** A signal without what the outbox adds. */
export type Parcel = DistributiveOmit<Signal, 'to' | 'msg' | 'receipt'>

type DistributiveOmit<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never

/** What the outbox works with. */
export interface OutboxOptions {
  readonly clock: Clock
  /** Sends at once; `false` where there is no connection. */
  readonly send: (signal: Signal) => boolean
  /** Whether a peer recognises what it has seen, so that it may get it twice. */
  readonly recognises: (peer: PeerId) => boolean
  /** A signal was refused for good. */
  readonly refused: (peer: PeerId, error: AldisError) => void
}

interface Entry {
  readonly to: PeerId
  readonly msg: string
  readonly text: Signal
  readonly bytes: number
  state: 'queued' | 'sent'
}

/** How long a peer that could not be reached is left alone, in milliseconds; its return ends that. */
const PAUSE_MS = 1_000

/** How many signals may wait for one peer. */
const CAPACITY = 256

/** The outbox of one room. */
export class Outbox {
  readonly #options: OutboxOptions
  #entries: Entry[] = []
  #counter = 0
  #pace: Pace | undefined
  #wake: Cancel | undefined
  readonly #paused = new Map<PeerId, Cancel>()
  /** When each peer was last sent something, counted in messages. */
  readonly #turns = new Map<PeerId, number>()
  #turn = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Posts a signal. Beyond {@link CAPACITY} the oldest that is still queued makes room, and is refused. */
  post(to: PeerId, parcel: Parcel): void {
    const msg = String(++this.#counter)
    const text = { ...parcel, to, msg, receipt: true } as Signal
    this.#entries.push({ to, msg, text, bytes: new TextEncoder().encode(JSON.stringify(text)).length, state: 'queued' })
    this.#makeRoom(to)
    this.#pump()
  }

  /** A connection stands. */
  open(limits: ClientLimits, others: number): void {
    this.#pace = new Pace(limits, others, this.#options.clock.now())
    this.#pump()
  }

  /** The connection is gone. */
  close(): void {
    this.#wake?.()
    this.#wake = undefined
    this.#pace = undefined
    this.#entries = this.#entries.filter((entry) => entry.state === 'queued' || this.#options.recognises(entry.to))
    for (const entry of this.#entries) entry.state = 'queued'
  }

  /** A message has reached its peer's connection. */
  settle(msg: string): void {
    this.#entries = this.#entries.filter((entry) => entry.msg !== msg)
  }

  /** A message was refused. Returns whether it was one of ours. */
  refuse(error: ErrorMessage): boolean {
    const entry = this.#entries.find(({ msg }) => msg === error.re)
    if (entry === undefined) return false
    const refusal = fromServer(error)
    if (refusal.retryable && error.outcome !== 'unknown') {
      entry.state = 'queued'
      this.#pause(entry.to, Math.max(PAUSE_MS, error.retryAfterMs ?? 0))
      return true
    }
    this.settle(entry.msg)
    if (STREAM_ENDING_CODES.includes(error.code)) this.forget(entry.to)
    this.#options.refused(entry.to, refusal)
    return true
  }

  /** A peer is there again. */
  resume(peer: PeerId): void {
    this.#paused.get(peer)?.()
    if (this.#paused.delete(peer)) this.#pump()
  }

  /** Drops what is meant for a peer. */
  forget(peer: PeerId): void {
    this.#entries = this.#entries.filter((entry) => entry.to !== peer)
    this.#turns.delete(peer)
    this.resume(peer)
  }

  /** Drops everything. */
  clear(): void {
    this.#entries = []
    for (const peer of [...this.#paused.keys()]) this.resume(peer)
  }

  #makeRoom(to: PeerId): void {
    const queued = this.#entries.filter((entry) => entry.to === to && entry.state === 'queued')
    if (queued.length <= CAPACITY) return
    this.#entries = this.#entries.filter((entry) => entry !== queued[0])
    this.#options.refused(
      to,
      new AldisError('queue-full', `More than ${CAPACITY} messages wait for a peer.`, { retryable: true }),
    )
  }

  /** What goes next: the peers take turns, so that none of them keeps the others waiting. */
  #next(): Entry | undefined {
    const firsts = new Map<PeerId, Entry>()
    for (const entry of this.#entries) {
      if (entry.state === 'queued' && !this.#paused.has(entry.to) && !firsts.has(entry.to)) firsts.set(entry.to, entry)
    }
    const turn = ({ to }: Entry): number => this.#turns.get(to) ?? 0
    return [...firsts.values()].reduce<Entry | undefined>(
      (best, entry) => (best && turn(best) <= turn(entry) ? best : entry),
      undefined,
    )
  }

  #pause(peer: PeerId, ms: number): void {
    this.#paused.get(peer)?.()
    this.#paused.set(
      peer,
      this.#options.clock.after(ms, () => this.resume(peer)),
    )
  }

  #pump(): void {
    if (this.#wake !== undefined || this.#pace === undefined) return
    const { clock, send } = this.#options
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
      const wait = this.#pace.take(entry.bytes, clock.now())
      if (wait > 0) {
        this.#wake = clock.after(wait, () => {
          this.#wake = undefined
          this.#pump()
        })
        return
      }
      if (!send(entry.text)) return
      entry.state = 'sent'
      this.#turns.set(entry.to, ++this.#turn)
    }
  }
}
