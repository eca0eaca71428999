/** Promises for something that may never come: each is settled by then, or after its time. */

import type { Cancel, Clock } from './clock.ts'
import type { AldisError } from './errors.ts'

interface Waiter {
  resolve(): void
  reject(error: AldisError): void
  readonly cancel: Cancel
}

/** Those who wait for one thing. */
export class Waiters {
  readonly #clock: Clock
  #waiting: Waiter[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Waits, for so many milliseconds at most; then it is `late`. */
  wait(ms: number, late: AldisError): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, cancel: this.#clock.after(ms, () => reject(late)) })
    })
  }

  /** It has come. */
  resolve(): void {
    for (const waiter of this.#take()) waiter.resolve()
  }

  /** It will not come. */
  reject(error: AldisError): void {
    for (const waiter of this.#take()) waiter.reject(error)
  }

  #take(): Waiter[] {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { cancel } of waiting) cancel()
    return waiting
  }
}
