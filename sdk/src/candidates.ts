/** Candidates that wait for the description they belong to. */

import type { Clock } from './clock.ts'

/** How long a candidate waits, in milliseconds. */
const HOLD_MS = 10_000

/** How many wait. */
const HOLD_MAX = 64

interface Held {
  readonly candidate: RTCIceCandidateInit
  readonly since: number
}

/** The candidates of one connection that came too early. */
export class Candidates {
  readonly #clock: Clock
  #held: Held[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Keeps a candidate; the oldest makes room. */
  hold(candidate: RTCIceCandidateInit): void {
    this.#held.push({ candidate, since: this.#clock.now() })
    if (this.#held.length > HOLD_MAX) this.#held.shift()
  }

  /** Gives back those whose description has come, and forgets those that have waited too long. */
  release(pc: RTCPeerConnection): RTCIceCandidateInit[] {
    const now = this.#clock.now()
    const fresh = this.#held.filter(({ since }) => now - since < HOLD_MS)
    const ready = fresh.filter(({ candidate }) => belongs(candidate, pc))
    this.#held = fresh.filter((held) => !ready.includes(held))
    return ready.map(({ candidate }) => candidate)
  }

  /** Forgets all of them. */
  clear(): void {
    this.#held = []
  }
}

/** Whether the description that a candidate is of has been applied. */
export function belongs({ usernameFragment }: RTCIceCandidateInit, pc: RTCPeerConnection): boolean {
  const { currentRemoteDescription, pendingRemoteDescription } = pc
  const descriptions = [currentRemoteDescription, pendingRemoteDescription].flatMap((description) => description?.sdp ?? [])
  if (!usernameFragment) return descriptions.length > 0
  // RFC 8839, section 5.4.
  return descriptions.some((sdp) => sdp.split(/\r?\n/).includes(`a=ice-ufrag:${usernameFragment}`))
}

/** Which start of ICE a description is of: RFC 8839, section 5.4. */
export function fragmentOf(description: RTCSessionDescriptionInit | null): string | undefined {
  return /^a=ice-ufrag:(\S+)/m.exec(description?.sdp ?? '')?.[1]
}
