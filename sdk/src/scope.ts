/** What belongs to one state of a state machine, and ends with it. */

import type { Cancel, Clock } from './clock.ts'

/** Timers and listeners that are over when the state is left. */
export class Scope {
  readonly #clock: Clock
  readonly #cancels: Cancel[] = []
  #live = true

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether the state still is. Whatever comes back from an `await` has to ask. */
  get live(): boolean {
    return this.#live
  }

  /** Calls `run` after `ms` milliseconds, if the state still is. */
  after(ms: number, run: () => void): void {
    if (this.#live) this.#cancels.push(this.#clock.after(ms, run))
  }

  /** Calls `cancel` when the state is left; at once, if it has been. */
  defer(cancel: Cancel): void {
    if (this.#live) this.#cancels.push(cancel)
    else cancel()
  }

  /** Leaves the state. */
  end(): void {
    this.#live = false
    for (const cancel of this.#cancels.splice(0)) cancel()
  }

  /** Leaves the state for the next one, whose scope it returns. */
  next(): Scope {
    this.end()
    return new Scope(this.#clock)
  }
}
