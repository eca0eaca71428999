/** Resume tokens of the test server: what the real one signs, and no signature. */

import type { Clock } from '../clock.ts'
import { claimsOf, tokenOf } from './claims.ts'
import type { Session } from './session.ts'

/** How long a resume token is good, in milliseconds. */
const FRESH_MS = 300_000

/** A session, as its token has it. */
export interface Ticket {
  readonly id: string
  readonly place: number
  readonly generation: number
  readonly isFresh: boolean
}

/** Writes and reads resume tokens. */
export class Tickets {
  readonly #clock: Clock
  #secret = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Tokens that were written before are no longer known. */
  forget(): void {
    this.#secret += 1
  }

  write(room: string, { id, place, generation, claims }: Session): string {
    return tokenOf({ sub: claims.sub, room, exp: 0, metadata: [this.#secret, id, place, generation, this.#clock.now()] })
  }

  /** Reads a token; it counts only for the same identity and room. */
  read(token: string | undefined, sub: string, room: string): Ticket | undefined {
    const claims = token === undefined ? undefined : claimsOf(token)
    if (claims === undefined || claims.sub !== sub || claims.room !== room) return undefined
    const [secret, id, place, generation, at] = claims.metadata as [number, string, number, number, number]
    return secret === this.#secret ? { id, place, generation, isFresh: this.#clock.now() - at < FRESH_MS } : undefined
  }
}
