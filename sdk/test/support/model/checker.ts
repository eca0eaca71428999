/** Watches what is sent, what arrives and what the sender is told, and says where a promise is broken. */

import type { Outcome } from '../../../src/outgoing.ts'

/** A peer id: one stay of one side in the room. */
export type Stay = string

/** A message between two stays. */
export interface Letter {
  readonly id: number
  readonly from: Stay
  readonly to: Stay
  readonly sentAt: number
}

/**
 * A broken promise: *lost* was reported as delivered and had not arrived; *twice* arrived again; *disordered* arrived after one that was
 * sent later; *contradicted* arrived although it was reported as not delivered; *unsettled* was not settled in time; *settled-twice*;
 * *given-up* was rejected although the way was free for long enough, or although its epoch was the newest.
 */
export type Kind = 'lost' | 'twice' | 'disordered' | 'contradicted' | 'unsettled' | 'settled-twice' | 'given-up'

/** What is wrong, with which message, and when it was seen. */
export interface Violation {
  readonly kind: Kind
  readonly letter: Letter
  readonly at: number
}

/** Which call settled a message. */
export type Cause = 'receive' | 'refuse' | 'expire' | 'end'

interface Fate {
  readonly letter: Letter
  arrivals: number
  outcome?: Outcome
}

/** How long a message may take to be settled: 30 s, and what a late timer adds. */
const SETTLED_MS = 31_000

/** How long the way is to be free for a message to arrive for certain: two of the longest pauses, and room for a full queue. */
const FREE_MS = 20_000

/** The checker of one run. */
export class Checker {
  readonly violations: Violation[] = []
  readonly counts: Record<Outcome | 'sent' | 'rejectedYetArrived', number> = {
    sent: 0,
    delivered: 0,
    'not-delivered': 0,
    unknown: 0,
    rejectedYetArrived: 0,
  }
  readonly #fates = new Map<number, Fate>()
  readonly #latest = new Map<string, number>()

  sent(letter: Letter): void {
    this.counts.sent += 1
    this.#fates.set(letter.id, { letter, arrivals: 0 })
  }

  arrived(letter: Letter, at: number): void {
    const fate = this.#fateOf(letter)
    fate.arrivals += 1
    if (fate.arrivals > 1) this.#blame('twice', letter, at)
    if (fate.outcome === 'not-delivered') this.#blame('contradicted', letter, at)
    const direction = `${letter.from}>${letter.to}`
    if (letter.id < (this.#latest.get(direction) ?? 0)) this.#blame('disordered', letter, at)
    this.#latest.set(direction, Math.max(letter.id, this.#latest.get(direction) ?? 0))
  }

  /** @param freeMs how long the way between the two has been free at most, while the message was on it */
  settled(letter: Letter, outcome: Outcome, cause: Cause, freeMs: number, at: number): void {
    const fate = this.#fateOf(letter)
    if (fate.outcome !== undefined) return this.#blame('settled-twice', letter, at)
    fate.outcome = outcome
    this.counts[outcome] += 1
    if (at - letter.sentAt > SETTLED_MS) this.#blame('unsettled', letter, at)
    if (outcome === 'delivered' && fate.arrivals === 0) this.#blame('lost', letter, at)
    if (outcome === 'not-delivered' && fate.arrivals > 0) this.#blame('contradicted', letter, at)
    if (outcome === 'delivered') return
    if (cause === 'receive' || (cause === 'expire' && freeMs >= FREE_MS)) this.#blame('given-up', letter, at)
  }

  /** Everything has had its time. */
  finish(at: number): void {
    for (const { letter, outcome, arrivals } of this.#fates.values()) {
      if (outcome === undefined) this.#blame('unsettled', letter, at)
      else if (outcome !== 'delivered' && arrivals > 0) this.counts.rejectedYetArrived += 1
    }
  }

  #fateOf(letter: Letter): Fate {
    const fate = this.#fates.get(letter.id)
    if (fate === undefined) throw new Error(`Nobody has sent message ${letter.id}.`)
    return fate
  }

  #blame(kind: Kind, letter: Letter, at: number): void {
    this.violations.push({ kind, letter, at })
  }
}
