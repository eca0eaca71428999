/** Time. */

/** Cancels what was planned; calling it again does nothing. */
export type Cancel = () => void

/** Time, for a test that makes its own. */
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
