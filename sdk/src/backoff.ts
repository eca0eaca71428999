/** How long to wait before the next attempt to connect. */

/** The longest first wait, in milliseconds. */
const BASE_MS = 500

/** The longest wait, in milliseconds. */
const CAP_MS = 15_000

/**
 * Full jitter: anything up to a bound that doubles with each failure, so that clients which lost the same server do not come back
 * together. Never sooner than the server asked.
 *
 * @param failures how many attempts have failed since the last one that did not, at least 1
 * @param random a number in [0, 1)
 * @param retryAfterMs what the server asked to wait
 */
export function backoff(failures: number, random: number, retryAfterMs = 0): number {
  const bound = Math.min(CAP_MS, BASE_MS * 2 ** (failures - 1))
  return Math.round(retryAfterMs + random * bound)
}
