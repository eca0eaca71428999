/** A room of the test server: who is in it, in which order, and what is relayed. It decides as `crates/core` does. */

import type { Clock } from '../clock.ts'
import type { ErrorCode, LeaveReason, ServerMessage, Signal } from '../generated/wire.ts'
import { Scope } from '../scope.ts'
import { closeCodeOf, wireError } from './refusals.ts'
import type { Parked, Session } from './session.ts'

/** When the others are told that a peer is away, and when its stay ends, in milliseconds. */
export const AWAY_NOTICE_MS = 2_000
export const RESUME_WINDOW_MS = 30_000

/** How long the server waits for a sign of life that it asked for, in milliseconds. */
const PROBE_MS = 3_000

/** How much waits for a peer that is away. */
const PARKED_MAX = 64
const PARKED_BYTES = 65_536

/** What a room has to know of the faults of its server. */
export interface Faults {
  /** Whether a signal is lost on its way. */
  loses(signal: Signal, from: Session): boolean
}

/** A room. */
export class TestRoom {
  readonly id: string
  /** Oldest first. */
  readonly sessions: Session[] = []
  /** Who has left for good. */
  readonly left: string[] = []
  /** The highest place given so far. */
  seq = 0
  readonly #clock: Clock
  readonly #faults: Faults

  constructor(id: string, clock: Clock, faults: Faults) {
    this.id = id
    this.#clock = clock
    this.#faults = faults
  }

  find(id: string): Session | undefined {
    return this.sessions.find((session) => session.id === id)
  }

  /** Puts a session at its place, and shows it to the others. Its `welcome` has been said. */
  enter(session: Session): void {
    const at = this.sessions.findIndex(({ place }) => place > session.place)
    this.sessions.splice(at < 0 ? this.sessions.length : at, 0, session)
    this.show(session, 'peer-joined')
  }

  /** Shows a peer to everybody else who has a connection, each with its own politeness. */
  show(session: Session, type: 'peer-joined' | 'peer-updated'): void {
    for (const other of this.#others(session)) other.line?.say({ type, peer: session.seenFrom(other) })
  }

  /** Relays a signal, or tells its sender why not. */
  signal(from: Session, signal: Signal): void {
    const code = this.#refusal(from, signal)
    if (code !== undefined) return this.refuse(from, signal, code)
    if (this.#faults.loses(signal, from)) return
    if (signal.to === undefined) {
      for (const other of this.#others(from)) if (other.away === undefined) other.line?.say(relayed(signal, from.id))
      return this.#receipt(from.id, signal, 'written')
    }
    const target = this.find(signal.to)
    if (target !== undefined) this.#deliver(target, { from: from.id, signal })
  }

  /** Tells a sender that its signal was not delivered. */
  refuse(from: Session, signal: Signal, code: ErrorCode): void {
    if (signal.type === 'ack') return
    const { to, msg } = signal
    const about = { ...(to !== undefined && { to }), ...(msg !== undefined && { re: msg }) }
    this.tell(from, { type: 'error', ...wireError(code), ...about, outcome: 'not-delivered' })
  }

  /** Tells a peer something about its own messages, now or when it is back. */
  tell(session: Session, message: ServerMessage): void {
    if (session.away === undefined) session.line?.say(message)
    else if (session.away.parked.length < PARKED_MAX) session.away.parked.push({ notice: message })
  }

  /** A peer is out of reach: parking starts at once, and the others are told if it lasts. */
  away(session: Session): void {
    if (session.away !== undefined) return
    const scope = new Scope(this.#clock)
    session.away = { scope, parked: [], isTold: false }
    scope.after(AWAY_NOTICE_MS, () => {
      if (session.away !== undefined) session.away.isTold = true
      for (const other of this.#others(session)) other.line?.say({ type: 'peer-away', id: session.id })
    })
    scope.after(RESUME_WINDOW_MS, () => {
      session.line?.say({ type: 'error', ...wireError('heartbeat-timeout') })
      session.line?.end(closeCodeOf('heartbeat-timeout'))
      this.gone(session, 'timeout')
    })
  }

  /** It is here again. What was parked is returned, for after its `welcome`. */
  back(session: Session): readonly Parked[] {
    const { away } = session
    session.away = undefined
    away?.scope.end()
    if (away?.isTold) for (const other of this.#others(session)) other.line?.say({ type: 'peer-back', id: session.id })
    return away?.parked ?? []
  }

  /** Hands over what was parked, in order. */
  handOver(session: Session, parked: readonly Parked[]): void {
    for (const waiting of parked) {
      if ('notice' in waiting) this.tell(session, waiting.notice)
      else this.#deliver(session, waiting)
    }
  }

  /** Ends a stay for good. */
  gone(session: Session, reason: LeaveReason): void {
    const at = this.sessions.indexOf(session)
    if (at < 0) return
    this.sessions.splice(at, 1)
    this.left.push(session.id)
    session.away?.scope.end()
    for (const other of this.sessions) {
      other.line?.say({ type: 'peer-left', id: session.id, reason, final: true })
      // Nothing follows a `peer-left`.
      const parked = other.away?.parked ?? []
      parked.splice(0, parked.length, ...parked.filter((waiting) => !('from' in waiting) || waiting.from !== session.id))
    }
    for (const waiting of session.away?.parked ?? []) {
      const sender = 'from' in waiting ? this.find(waiting.from) : undefined
      if (sender !== undefined && 'signal' in waiting) this.refuse(sender, waiting.signal, 'peer-gone')
    }
  }

  /** Says whether a peer's connection is alive; one that is dead is found out. */
  check(asker: Session, id: string, lose: (session: Session) => void): void {
    const target = this.find(id)
    const answer = (presence: 'away' | 'gone' | 'here'): void => this.tell(asker, { type: 'checked', id, presence })
    if (target === undefined || target === asker) return answer('gone')
    if (target.away !== undefined) return answer('away')
    if (!target.line?.isSilent) return answer('here')
    this.#clock.after(PROBE_MS, () => {
      if (target.line?.isSilent) lose(target)
      answer(target.away === undefined ? 'here' : 'away')
    })
  }

  #others(session: Session): Session[] {
    return this.sessions.filter((other) => other !== session)
  }

  #refusal(from: Session, { type, to }: Signal): ErrorCode | undefined {
    if (!from.can(type === 'message' ? 'message' : 'signal')) return 'forbidden'
    if (to === undefined) return from.can('broadcast') ? undefined : 'forbidden'
    if (to !== from.id && this.find(to) !== undefined) return undefined
    return this.left.includes(to) ? 'peer-gone' : 'unknown-peer'
  }

  #deliver(target: Session, waiting: { readonly from: string; readonly signal: Signal }): void {
    const { from, signal } = waiting
    if (target.away === undefined) {
      target.line?.say(relayed(signal, from))
      return this.#receipt(from, signal, 'written')
    }
    if (signal.type === 'ack') return
    const { parked } = target.away
    const bytes = [...parked, waiting].reduce((sum, one) => sum + JSON.stringify(one).length, 0)
    const sender = this.find(from)
    if (parked.length < PARKED_MAX && bytes <= PARKED_BYTES) {
      parked.push(waiting)
      this.#receipt(from, signal, 'parked')
    } else if (sender !== undefined) {
      this.refuse(sender, signal, 'queue-full')
    }
  }

  #receipt(to: string, { msg, receipt }: Signal, status: 'parked' | 'written'): void {
    const sender = this.find(to)
    if (receipt && msg !== undefined && sender !== undefined) this.tell(sender, { type: 'receipt', re: msg, status })
  }
}

/** A signal as it is passed on. */
function relayed({ to, ...rest }: Signal, from: string): ServerMessage {
  return { ...rest, from } as ServerMessage
}
