/** How often somebody else may make this side do something that costs. */

import type { Clock } from './clock.ts'

/** So many at once, and then one every so often. */
export class Allowance {
  readonly #clock: Clock
  readonly #burst: number
  readonly #everyMs: number
  #left: number
  #countedAt: number

  /**
   * @param burst how many at once
   * @param everyMs how long until there is one more, in milliseconds
   */
  constructor(clock: Clock, burst: number, everyMs: number) {
    this.#clock = clock
    this.#burst = burst
    this.#everyMs = everyMs
    this.#left = burst
    this.#countedAt = clock.now()
  }

  /** Takes one, if there is one left. */
  take(): boolean {
    const now = this.#clock.now()
    this.#left = Math.min(this.#burst, this.#left + (now - this.#countedAt) / this.#everyMs)
    this.#countedAt = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
