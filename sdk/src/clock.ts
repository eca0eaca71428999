/** Time. */

/** Cancels what was planned; calling it again does nothing. */
export type Cancel = () => void

/** Time. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number
  /** Calls `run` after `ms` milliseconds. */
  after(ms: number, run: () => void): Cancel
}

/** The system's. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}
