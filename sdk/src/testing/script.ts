/** What a test has ordered to go wrong, until it has. */

import type { ErrorCode, Signal } from '../generated/wire.ts'
import type { Session } from './session.ts'

/**
 * Whom a fault is about: an identity, a peer id, or a room that was joined.
 *
 * @example
 * const bob: Whom = 'bob'
 * server.cut(bob)
 * server.kick(alice) // what `joinRoom` gave her
 */
export type Whom = string | { readonly me: { readonly id: string } }

/** The faults to come. */
export class Script {
  /** How long everything takes, each way. */
  delayMs = 0
  readonly #refusals: ErrorCode[] = []
  readonly #errors: { readonly who: Whom; readonly code: ErrorCode }[] = []
  readonly #drops: { left: number; readonly who: Whom | undefined }[] = []
  readonly #most = new Map<string, number>()

  refuse(code: ErrorCode, times: number): void {
    this.#refusals.push(...Array<ErrorCode>(times).fill(code))
  }

  /** Whether the next connection is not let in. */
  get refuses(): boolean {
    return this.#refusals.length > 0
  }

  /** Why a connection was not let in: asked once for each. */
  takeRefusal(): ErrorCode | undefined {
    return this.#refusals.shift()
  }

  fail(who: Whom, code: ErrorCode): void {
    this.#errors.push({ who, code })
  }

  /** What a signal of somebody is refused with. */
  takeError({ type }: Signal, from: Session): ErrorCode | undefined {
    const at = type === 'ack' ? -1 : this.#errors.findIndex(({ who }) => isAbout(who, from))
    return at < 0 ? undefined : this.#errors.splice(at, 1)[0]?.code
  }

  drop(left: number, who: Whom | undefined): void {
    this.#drops.push({ left, who })
  }

  /** Whether a signal is lost. */
  loses({ type }: Signal, from: Session): boolean {
    const drop = this.#drops.find(({ left, who }) => left > 0 && (who === undefined || isAbout(who, from)))
    if (drop === undefined || type === 'ack') return false
    drop.left -= 1
    return true
  }

  full(room: string, peers: number): void {
    this.#most.set(room, peers)
  }

  /** How many peers a room takes, where the test has said so. */
  mostIn(room: string): number | undefined {
    return this.#most.get(room)
  }
}

/** Whether a fault is about a peer. */
export function isAbout(who: Whom, { id, claims }: Session): boolean {
  const name = nameOf(who)
  return name === id || name === claims.sub
}

export function nameOf(who: Whom): string {
  return typeof who === 'string' ? who : who.me.id
}
