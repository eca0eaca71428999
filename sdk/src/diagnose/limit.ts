/** How long one check may take, and what it leaves behind. */

import type { Cancel, Clock } from '../clock.ts'
import { Scope } from '../scope.ts'

/** Ends what belongs to a check when its time is over, when the check is, or when nobody wants to know any more. */
export class Limit {
  readonly #clock: Clock
  readonly #began: number
  readonly #scope: Scope
  readonly #abort = new AbortController()
  readonly #over: Promise<undefined>

  constructor(clock: Clock, ms: number, whole: AbortSignal) {
    this.#clock = clock
    this.#began = clock.now()
    this.#scope = new Scope(clock)
    this.#over = new Promise((resolve) => this.signal.addEventListener('abort', () => resolve(undefined), { once: true }))
    const abort = (): void => this.#abort.abort()
    this.#scope.after(ms, abort)
    whole.addEventListener('abort', abort)
    this.#scope.defer(() => whole.removeEventListener('abort', abort))
    if (whole.aborted) abort()
  }

  /** Aborted at its end. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** How long it has been, in milliseconds. */
  get elapsedMs(): number {
    return Math.round(this.#clock.now() - this.#began)
  }

  /** The same for people. */
  get elapsed(): string {
    return this.elapsedMs < 1_000 ? `${this.elapsedMs} ms` : `${Math.round(this.elapsedMs / 1_000)} s`
  }

  /** What a promise brings, or `undefined` when the time is over. */
  race<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    return Promise.race([promise, this.#over])
  }

  /** Calls `cancel` at the end, whatever it comes from. */
  defer(cancel: Cancel): void {
    this.#scope.defer(cancel)
  }

  /** The check is over. */
  end(): void {
    this.#scope.end()
    this.#abort.abort()
  }
}
