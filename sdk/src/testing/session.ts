/** One stay of somebody in a room of the test server, as `crates/core/src/session.rs` keeps it. */

import type { JsonObject, ServerMessage, Signal, WirePeer } from '../generated/wire.ts'
import type { Scope } from '../scope.ts'
import { DEFAULT_CAN, type TestClaims } from './claims.ts'
import type { Line } from './line.ts'

/** What waits for a peer that is away: a signal of somebody, or what became of one of its own. */
export type Parked = { readonly from: string; readonly signal: Signal } | { readonly notice: ServerMessage }

/** Out of reach: its connection broke, or its page is frozen and has one still. */
export interface Away {
  readonly scope: Scope
  readonly parked: Parked[]
  isTold: boolean
}

/** A stay. */
export class Session {
  readonly id: string
  /** Its place in the room: the smaller is older, and impolite. */
  readonly place: number
  generation: number
  claims: TestClaims
  features: readonly string[]
  readonly previous: string | undefined
  attributes: JsonObject | undefined
  /** The connection that is open, frozen or not. */
  line: Line | undefined
  away: Away | undefined

  constructor(given: Pick<Session, 'claims' | 'features' | 'generation' | 'id' | 'line' | 'place' | 'previous'>) {
    this.id = given.id
    this.place = given.place
    this.generation = given.generation
    this.claims = given.claims
    this.features = given.features
    this.previous = given.previous
    this.line = given.line
  }

  /** Whether its token allows something. */
  can(what: string): boolean {
    return ((this.claims.can ?? DEFAULT_CAN) as readonly string[]).includes(what)
  }

  /** The peer as another one sees it. */
  seenFrom(viewer: Session): WirePeer {
    const { sub, name, metadata } = this.claims
    return {
      id: this.id,
      identity: sub,
      ...(name !== undefined && { name }),
      ...(metadata !== undefined && { metadata }),
      ...(this.attributes !== undefined && { attributes: this.attributes }),
      presence: this.away?.isTold ? 'away' : 'here',
      polite: this.place < viewer.place,
      features: this.features,
      ...(this.previous !== undefined && { previous: this.previous }),
    }
  }
}
