/** Time. */

/**
 * Cancels what was planned; calling it again does nothing.
 *
 * @example
 * const cancel: Cancel = clock.after(1_000, () => show('a second later'))
 * cancel()
 */
export type Cancel = () => void

/**
 * Time, for a test that makes its own.
 *
 * @example
 * // Twice as fast as the system's.
 * const fast: Clock = {
 *   now: () => performance.now() * 2,
 *   after: (ms, run) => {
 *     const timer = setTimeout(run, ms / 2)
 *     return () => clearTimeout(timer)
 *   },
 * }
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, environment: { clock: fast } })
 */
export interface Clock {
  /** Milliseconds since some moment of its choice; never goes back. */
  now(): number
  /** Calls `run` once, after `ms` milliseconds, unless it is cancelled first. */
  after(ms: number, run: () => void): Cancel
}

/** The system's. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    // The largest that a browser takes; beyond it, it does not wait at all.
    const timer = setTimeout(run, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}
