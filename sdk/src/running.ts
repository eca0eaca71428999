/** Time that counts only while the page runs. */

import type { Cancel, Clock } from './clock.ts'
import type { PageEvent } from './page.ts'

interface Timer {
  readonly at: number
  readonly run: () => void
  cancel: Cancel
}

/** A clock that stands still, and whose timers wait, between `frozen` and `thawed`: nobody is late who could not run. */
export class RunningClock implements Clock {
  readonly #clock: Clock
  readonly #timers = new Set<Timer>()
  #stoppedAt: number | undefined
  /** How long it has stood still so far. */
  #stood = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return (this.#stoppedAt ?? this.#clock.now()) - this.#stood
  }

  after(ms: number, run: () => void): Cancel {
    const timer: Timer = { at: this.now() + ms, run, cancel: () => undefined }
    this.#timers.add(timer)
    if (this.#stoppedAt === undefined) this.#wind(timer)
    return () => {
      this.#timers.delete(timer)
      timer.cancel()
    }
  }

  /** The page stops, or goes on. A page that somebody sees goes on too, whatever its browser forgot to say. */
  hear(event: PageEvent): void {
    if (event === 'frozen' || event === 'stowed') this.#stop()
    else if (event === 'thawed' || event === 'visible') this.#goOn()
  }

  #stop(): void {
    this.#stoppedAt ??= this.#clock.now()
    for (const { cancel } of this.#timers) cancel()
  }

  #goOn(): void {
    if (this.#stoppedAt === undefined) return
    this.#stood += this.#clock.now() - this.#stoppedAt
    this.#stoppedAt = undefined
    for (const timer of this.#timers) this.#wind(timer)
  }

  #wind(timer: Timer): void {
    timer.cancel = this.#clock.after(timer.at - this.now(), () => {
      this.#timers.delete(timer)
      timer.run()
    })
  }
}
