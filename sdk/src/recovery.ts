/**
 * When a connection that has stood is helped, and how: a fresh start of ICE in the window in which browsers take it well, and a new
 * connection where that is not enough.
 *
 * ```text
 *   connected ── disconnected ──► grace ── 2.5 s ──► restarting ── 10 s ──► restarting again ── 10 s ──► a new connection
 *                                   │ failed ────────────▲
 *   any ── another network ──► restarting
   any ── connected ──► nothing to do
 * ```
 *
 * A blip of a few seconds heals by itself. Firefox closes data channels for good when a connection has failed, so the first attempt comes
 * before that. Only time in which the other side can be reached counts: nobody else could answer.
 */

import type { Cancel, Clock } from './clock.ts'

/** What a recovery works with. */
export interface RecoveryOptions {
  readonly clock: Clock
  /** Whether the other side can be told now. */
  reachable(): boolean
  /** Starts ICE afresh. */
  restart(): void
  /** Makes a new connection. */
  rebuild(): void
}

/** How long a connection may heal by itself, in milliseconds. */
export const GRACE_MS = 2_500

/** How long a fresh start of ICE may take, in milliseconds, and how many there are before a new connection. */
const RESTART_MS = 10_000
const RESTARTS = 2

/** How soon after the last one a change of the network makes another fresh start: devices tell of one change more than once. */
export const DISTANCE_MS = 1_000

/** How soon the other side is looked for again while it cannot be reached, in milliseconds. */
const LOOK_MS = 500

/** The recovery of one connection; see the module. */
export class Recovery {
  readonly #options: RecoveryOptions
  #restarts = 0
  #restartedAt = Number.NEGATIVE_INFINITY
  #next: Cancel | undefined

  constructor(options: RecoveryOptions) {
    this.#options = options
  }

  /** The connection is interrupted: helps it, if it does not help itself. */
  begin(): void {
    if (this.#next === undefined) this.#after(GRACE_MS)
  }

  /** Helps at once: it has failed. */
  hurry(): void {
    if (this.#restarts === 0) this.#step()
  }

  /** The network is another one: begins anew at once, because what was tried on the old one does not count. */
  again(): void {
    this.#restarts = 0
    const wait = this.#restartedAt + DISTANCE_MS - this.#options.clock.now()
    if (wait > 0) this.#after(wait)
    else this.#step()
  }

  /** Makes a new connection as soon as the other side can be told. */
  giveUp(): void {
    this.#restarts = RESTARTS
    this.#step()
  }

  /** It stands, or is over. */
  end(): void {
    this.#next?.()
    this.#next = undefined
    this.#restarts = 0
  }

  #after(ms: number): void {
    this.#next?.()
    this.#next = this.#options.clock.after(ms, () => this.#step())
  }

  #step(): void {
    const { reachable, restart, rebuild } = this.#options
    if (!reachable()) return this.#after(LOOK_MS)
    if (this.#restarts === RESTARTS) {
      this.end()
      return rebuild()
    }
    this.#restarts += 1
    this.#restartedAt = this.#options.clock.now()
    this.#after(RESTART_MS)
    restart()
  }
}
