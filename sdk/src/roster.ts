/**
 * Who is in a room, as the server tells it: the whole at each `welcome`, then what changes. Absence is no departure: whoever is missing
 * when the connection is back may be about to come back too, and is away until the server would have given it up.
 */

import type { Clock } from './clock.ts'
import type { LeaveReason, PeerId, Presence, ServerMessage, WelcomeMessage, WirePeer } from './generated/wire.ts'
import { Scope } from './scope.ts'

/** Who hears what changes, in order. The roster is as it is told already. */
export interface RosterListener {
  /** Somebody came. */
  joined(peer: WirePeer): void
  /** Somebody known is there in a new stay of this side's, and so has to do with another peer. */
  met(peer: WirePeer): void
  /** Something about somebody changed. */
  updated(peer: WirePeer): void
  /** Somebody is gone; `successor` is who it became. */
  left(peer: WirePeer, reason: LeaveReason, successor?: WirePeer): void
}

/** The others in one room; see the module. */
export class Roster {
  readonly #listener: RosterListener
  readonly #peers = new Map<PeerId, WirePeer>()
  /** Those who have not come back with the server. */
  readonly #missing = new Set<PeerId>()
  /** How long they are waited for. */
  #absence: Scope

  constructor(clock: Clock, listener: RosterListener) {
    this.#listener = listener
    this.#absence = new Scope(clock)
  }

  /** The others by their id, oldest first. */
  get peers(): ReadonlyMap<PeerId, WirePeer> {
    return this.#peers
  }

  /** Nothing is heard of anybody any more: whoever is missing may have come back meanwhile. */
  lost(): void {
    this.#absence.end()
  }

  /** This side has left. */
  left(): void {
    this.lost()
    this.#peers.clear()
  }

  /** Takes the whole. */
  welcome(welcome: WelcomeMessage): void {
    this.#absence = this.#absence.next()
    this.#missing.clear()
    if (welcome.resumed) this.#reconcile(welcome)
    else this.#begin(welcome)
  }

  /** Takes what changed. Returns whether it was that. */
  hear(message: ServerMessage): boolean {
    switch (message.type) {
      case 'peer-joined':
        this.#joined(message.peer)
        break
      case 'peer-updated':
        this.#updated(message.peer)
        break
      case 'peer-away':
        this.present(message.id, 'away')
        break
      case 'peer-back':
        this.present(message.id, 'here')
        break
      case 'peer-left':
        if (message.final) this.#remove(message.id, message.reason)
        else this.present(message.id, 'away')
        break
      case 'checked':
        if (message.presence !== 'gone') this.present(message.id, message.presence)
        break
      default:
        return false
    }
    return true
  }

  /** Somebody can be reached, or cannot. */
  present(id: PeerId, presence: Presence): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    this.#missing.delete(id)
    if (peer.presence !== presence) this.#updated({ ...peer, presence })
  }

  /** A new stay. */
  #begin({ peers }: WelcomeMessage): void {
    for (const id of this.#without(peers)) this.#remove(id, 'timeout')
    for (const peer of peers) {
      const known = this.#peers.has(peer.id)
      if (!known) this.#add(peer)
      else {
        this.#peers.set(peer.id, peer)
        this.#listener.met(peer)
      }
    }
  }

  /** The same stay. */
  #reconcile({ peers, left, resume }: WelcomeMessage): void {
    for (const id of left) this.#remove(id, 'timeout')
    for (const peer of peers) this.#joined(peer)
    for (const id of this.#without(peers)) {
      this.present(id, 'away')
      this.#missing.add(id)
    }
    this.#absence.after(resume?.windowMs ?? 0, () => {
      for (const id of this.#missing) this.#remove(id, 'timeout')
    })
  }

  /** Whoever is known and not among these. */
  #without(peers: readonly WirePeer[]): PeerId[] {
    const here = new Set(peers.map(({ id }) => id))
    return [...this.#peers.keys()].filter((id) => !here.has(id))
  }

  #joined(peer: WirePeer): void {
    if (this.#peers.has(peer.id)) this.#updated(peer)
    else this.#add(peer)
  }

  #add(peer: WirePeer): void {
    if (peer.previous !== undefined) this.#remove(peer.previous, 'timeout', peer)
    this.#peers.set(peer.id, peer)
    this.#listener.joined(peer)
  }

  #updated(peer: WirePeer): void {
    if (!this.#peers.has(peer.id)) return
    this.#missing.delete(peer.id)
    this.#peers.set(peer.id, peer)
    this.#listener.updated(peer)
  }

  #remove(id: PeerId, reason: LeaveReason, successor?: WirePeer): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    this.#peers.delete(id)
    this.#missing.delete(id)
    this.#listener.left(peer, reason, successor)
  }
}
