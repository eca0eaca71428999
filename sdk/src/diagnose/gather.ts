/** What ICE finds with given servers. */

import type { Limit } from './limit.ts'

/** What was found. */
export interface Gathered {
  /** The candidates, in the order in which they came. */
  readonly candidates: readonly RTCIceCandidate[]
  /** The answers of STUN and TURN servers that were errors, and 701 for those that gave none. */
  readonly errors: readonly number[]
  /** Whether the browser tells such errors. Older versions of Firefox do not. */
  readonly tellsErrors: boolean
  /** Whether the search came to its end. */
  readonly complete: boolean
  /** How long it took, in milliseconds. */
  readonly ms: number
}

/** Searches with `pc` until a candidate is enough, the search ends, or the time is over. */
export async function gather(
  pc: RTCPeerConnection,
  enough: (candidate: RTCIceCandidate) => boolean,
  limit: Limit,
): Promise<Gathered> {
  const candidates: RTCIceCandidate[] = []
  const errors: number[] = []
  let complete = false
  const found = new Promise<void>((resolve) => {
    pc.addEventListener('icecandidateerror', ({ errorCode }) => void errors.push(errorCode))
    pc.addEventListener('icecandidate', ({ candidate }) => {
      // Some browsers end with an empty candidate, and then with `null`.
      if (candidate?.candidate) {
        candidates.push(candidate)
        if (enough(candidate)) resolve()
      } else if (candidate === null) {
        complete = true
        resolve()
      }
    })
  })
  try {
    // What it is about does not matter, but there has to be something.
    pc.createDataChannel('check')
    await limit.race(pc.setLocalDescription())
    await limit.race(found)
  } finally {
    pc.close()
  }
  return { candidates, errors, tellsErrors: 'onicecandidateerror' in pc, complete, ms: limit.elapsedMs }
}
