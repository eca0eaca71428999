/** Time that stands still until the test moves it. */

import type { Cancel, Clock } from '../clock.ts'
import { checkCount, checkMs } from './input.ts'

/** How many turns of the microtask queue the longest chain of promises in a test takes, with room to spare. */
const TURNS = 64

/**
 * Lets every promise settle that waits for nothing but other promises.
 *
 * @example
 * await settle()
 */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await Promise.resolve()
}

interface Timer {
  readonly at: number
  readonly run: () => void
}

/**
 * A clock that stands still until it is moved. Its timers run in order, with all promises settled before and after each.
 *
 * @example
 * const clock = new TestClock()
 * const server = createTestServer({ clock })
 * await clock.advance(30_000)
 */
export class TestClock implements Clock {
  #now = 0
  #timers: Timer[] = []

  /**
   * Milliseconds since it was made, as far as it was moved.
   *
   * @example
   * const began = clock.now()
   * await clock.advance(500)
   * show(clock.now() - began) // 500
   */
  now(): number {
    return this.#now
  }

  /**
   * Calls `run` once it was moved so far.
   *
   * @example
   * clock.after(1_000, () => show('a second later'))
   * await clock.advance(1_000)
   */
  after(ms: number, run: () => void): Cancel {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** How many timers are planned. */
  get planned(): number {
    return this.#timers.length
  }

  /**
   * Moves on by so much.
   *
   * @example
   * server.cut('alice')
   * await clock.advance(5_000) // she is back
   */
  async advance(ms: number): Promise<void> {
    checkMs('ms', ms)
    const end = this.#now + ms
    await settle()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) await this.#fire(next)
    this.#now = end
  }

  /**
   * Moves on until nothing is planned any more.
   *
   * @example
   * room.leave()
   * await clock.drain() // throws where a timer is planned again and again
   */
  async drain(limit = 10_000): Promise<void> {
    checkCount('limit', limit)
    await settle()
    for (let next = this.#next(Number.POSITIVE_INFINITY); next !== undefined; next = this.#next(Number.POSITIVE_INFINITY)) {
      if (limit-- === 0) throw new Error('The timers never end.')
      await this.#fire(next)
    }
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== timer)
    this.#now = timer.at
    timer.run()
    await settle()
  }

  #next(end: number): Timer | undefined {
    const due = this.#timers.filter(({ at }) => at <= end)
    return due.reduce<Timer | undefined>(
      (first, timer) => (first === undefined || timer.at < first.at ? timer : first),
      undefined,
    )
  }
}
