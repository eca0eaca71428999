/**
 * Whether a connection is still alive. The server's pings are invisible to a page, and a dead socket looks open for minutes: so it is
 * asked for a sign of life when it was silent for long, when nothing followed what was sent, and when there is reason to doubt it.
 */

import type { Cancel, Clock } from './clock.ts'
import type { Heartbeat as Rhythm } from './generated/wire.ts'
import { Scope } from './scope.ts'

/** How long nothing may be heard after something was sent, in milliseconds. */
const UNANSWERED_MS = 2_000

/** How long a sign of life may take where there is reason to doubt, in milliseconds. */
const DOUBT_MS = 3_000

/**
 * How much a slow way brings over in a millisecond, in bytes (64 kbit/s), and how long what was sent may take on it at most, in milliseconds:
 * an answer to it, and a `ping` behind it, are that much later. A browser does not tell: what it has handed to its system counts as sent.
 */
const SLOW_BYTES_PER_MS = 8
const SLOW_MAX_MS = 10_000

/** The watch over the silence of one connection. */
export class Heartbeat {
  readonly #clock: Clock
  readonly #rhythm: Rhythm
  readonly #ping: () => void
  readonly #dead: () => void
  #heardAt: number
  /** How many bytes were sent since. */
  #sent = 0
  /** Until the next look at the silence. */
  #look: Cancel | undefined
  /** Until something is heard. */
  #silence: Scope
  /** Whether an answer to what was sent is waited for. */
  #waits = false
  /** When an answer is too late. */
  #deadline = Number.POSITIVE_INFINITY

  /**
   * @param rhythm `welcome.heartbeat`
   * @param ping asks for a sign of life
   * @param dead none came in time
   */
  constructor(clock: Clock, rhythm: Rhythm, ping: () => void, dead: () => void) {
    this.#clock = clock
    this.#rhythm = rhythm
    this.#ping = ping
    this.#dead = dead
    this.#heardAt = clock.now()
    this.#silence = new Scope(clock)
    this.#watch()
  }

  /** Something came: it is alive. */
  heard(): void {
    this.#heardAt = this.#clock.now()
    this.#sent = 0
    this.#silence = this.#silence.next()
    this.#waits = false
    this.#deadline = Number.POSITIVE_INFINITY
  }

  /** So many bytes were sent. */
  sent(bytes: number): void {
    this.#sent += bytes
    if (!this.#waits) this.#silence.after(UNANSWERED_MS + this.#slowMs, () => this.doubt())
    this.#waits = true
  }

  /** Asks for a sign of life now, and soon. */
  doubt(): void {
    this.#ask(DOUBT_MS + this.#slowMs)
  }

  /** How much longer than usual what was sent may be on its way on a slow line. */
  get #slowMs(): number {
    return Math.min(SLOW_MAX_MS, Math.max(0, this.#sent / SLOW_BYTES_PER_MS - UNANSWERED_MS))
  }

  /** Ends the watch. */
  end(): void {
    this.#look?.()
    this.#silence.end()
  }

  #watch(): void {
    const { intervalMs, timeoutMs } = this.#rhythm
    const leftMs = this.#heardAt + intervalMs - this.#clock.now()
    if (leftMs <= 0) this.#ask(timeoutMs)
    this.#look = this.#clock.after(leftMs > 0 ? leftMs : intervalMs, () => this.#watch())
  }

  #ask(withinMs: number): void {
    const at = this.#clock.now() + withinMs
    // Whoever asks again and again must not be put off again and again.
    if (this.#deadline <= at) return
    this.#deadline = at
    this.#silence.after(withinMs, this.#dead)
    this.#ping()
  }
}
