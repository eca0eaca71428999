/**
 * This side's membership in a room: the connection to the server, who is there, and what goes from one to the other. A room with calls and
 * a client without stand on it.
 */

import { Attributes } from './attributes.ts'
import { Delivery } from './delivery.ts'
import type { SignalingEnvironment } from './environment.ts'
import { AldisError, leftError } from './errors.ts'
import type {
  ErrorMessage,
  IceServer,
  IceServers,
  JsonObject,
  PeerId,
  Relayed,
  ServerMessage,
  WelcomeMessage,
  WirePeer,
} from './generated/wire.ts'
import type { Parcel } from './lane.ts'
import { fromServer } from './problem.ts'
import { Roster, type RosterListener } from './roster.ts'
import { Scope } from './scope.ts'
import type { Signaling, Status, StatusEvent } from './signaling.ts'

/**
 * You, as the others see you.
 *
 * @example
 * const { name, identity } = room.me
 * show(`You are ${name ?? identity}.`)
 */
export interface Self {
  /** This stay in the room; it changes where a session could not go on. */
  readonly id: PeerId
  /** Who you are: the `sub` of your token. */
  readonly identity: string
  /** Your name, from your token. */
  readonly name: string | undefined
  /** What you say about yourself: {@link Room.setAttributes}. */
  readonly attributes: JsonObject | undefined
}

/** Whoever is told of everything, in order. @internal */
export interface Above extends RosterListener {
  status(event: StatusEvent): void
  /** A connection stands. Who is there follows. */
  welcomed?(welcome: WelcomeMessage): void
  iceServers(servers: IceServers): void
  received(message: Relayed): void
  failed(error: AldisError): void
  /** Whatever is visible may have changed. */
  changed(): void
}

/** What a membership is made of. @internal */
export interface MembershipParts {
  readonly id: string
  readonly environment: SignalingEnvironment
  readonly signaling: Signaling
}

/** How long fresh ICE servers are waited for, in milliseconds. */
const ICE_SERVERS_MS = 2_000

/** The membership; see the module. @internal */
export class Membership {
  readonly #signaling: Signaling
  readonly #delivery: Delivery
  readonly #roster: Roster
  readonly #attributes: Attributes
  readonly #above: Above
  #peer: WirePeer | undefined
  #iceServers: readonly IceServer[] = []
  /** Until the server gives others. */
  #iceWaiters: Scope

  constructor({ environment, signaling }: MembershipParts, above: Above) {
    this.#signaling = signaling
    this.#above = above
    const { clock } = environment
    this.#iceWaiters = new Scope(clock)
    this.#attributes = new Attributes(clock, (message) => signaling.send(message))
    this.#delivery = new Delivery({ ...environment, send: (signal) => signaling.send(signal) })
    this.#roster = new Roster(clock, this.#listenToRoster())
    signaling.on('welcome', (welcome) => this.#welcome(welcome))
    signaling.on('message', (message) => this.#handle(message))
    signaling.on('lost', () => {
      this.#roster.lost()
      this.#delivery.close()
    })
    signaling.on('status', (event) => this.#changed(event))
  }

  /** You. After a session that could not go on `me.id` is another one. */
  get me(): Self {
    const { id = '', identity = '', name, attributes } = this.#peer ?? {}
    return { id, identity, name, attributes: this.#attributes.value ?? (attributes as JsonObject | undefined) }
  }

  /** The others by their id, oldest first. */
  get peers(): ReadonlyMap<PeerId, WirePeer> {
    return this.#roster.peers
  }

  /** How the connection to the server is. */
  get status(): Status {
    return this.#signaling.status
  }

  /** As the server gave them last. */
  get iceServers(): readonly IceServer[] {
    return this.#iceServers
  }

  /** Sends somebody a message of the application; settled with its fate. */
  async send(to: PeerId, data: unknown): Promise<void> {
    this.checkIn()
    await this.#delivery.send(to, data)
  }

  /** Sends somebody a signal; settled with its fate. */
  async signal(to: PeerId, parcel: Parcel): Promise<void> {
    this.checkIn()
    await new Promise<void>((resolve, reject) => {
      this.post(to, parcel, (failure) => (failure ? reject(failure) : resolve()))
    })
  }

  /** Says something about this side from now on. */
  setAttributes(attributes: JsonObject): void {
    this.checkIn()
    this.#attributes.set(attributes)
    this.#above.changed()
  }

  /** Asks for fresh ICE servers. Resolves with what is there, once they are or the server does not answer. */
  async refreshIceServers(): Promise<readonly IceServer[]> {
    if (this.#signaling.send({ type: 'ice-servers' })) {
      await new Promise<void>((resolve) => {
        this.#iceWaiters.defer(resolve)
        this.#iceWaiters.after(ICE_SERVERS_MS, resolve)
      })
    }
    return this.#iceServers
  }

  /** Says goodbye, for good. */
  leave(): void {
    this.#signaling.leave()
  }

  /** Posts a signal; `settle` hears what becomes of it. */
  post(to: PeerId, parcel: Parcel, settle: (failure?: AldisError) => void): void {
    this.#delivery.post(to, parcel, settle)
  }

  /** Drops what a connection that is over still wanted to say. */
  forget(to: PeerId): void {
    this.#delivery.forget(to)
  }

  /** Asks the server whether it reaches a peer. */
  check(id: PeerId): void {
    this.#signaling.send({ type: 'check', id })
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.status === 'left' || this.status === 'failed'
  }

  /** Throws where it has ended. */
  checkIn(): void {
    if (this.isOver) throw leftError('not-delivered')
  }

  #changed(event: StatusEvent): void {
    this.#above.changed()
    if (event.status === 'left') {
      this.#roster.left()
      this.#attributes.end()
      this.#delivery.clear(leftError())
    }
    this.#above.status(event)
  }

  #welcome(welcome: WelcomeMessage): void {
    this.#peer = welcome.peer
    this.#above.changed()
    if (!welcome.resumed) this.#delivery.clear(new AldisError('peer-closed', 'The session could not go on.', { retryable: true }))
    this.#attributes.welcome(welcome)
    this.#useIceServers(welcome)
    this.#above.welcomed?.(welcome)
    // Before anything is sent: nothing goes to somebody who has left meanwhile.
    if (welcome.resumed) this.#roster.welcome(welcome)
    this.#delivery.open(welcome.limits, welcome.peers.length)
    if (!welcome.resumed) this.#roster.welcome(welcome)
  }

  #handle(message: ServerMessage): void {
    if (this.#roster.hear(message)) return
    switch (message.type) {
      case 'ice-servers':
        return this.#useIceServers(message)
      case 'receipt':
        return this.#delivery.written(message)
      case 'error':
        return this.#refused(message)
      default:
        if ('from' in message) this.#delivery.receive(message as Relayed, (due) => this.#above.received(due))
    }
  }

  #refused(error: ErrorMessage): void {
    // One about a message that nobody knows is about a peer that has left.
    if (!this.#delivery.refuse(error) && error.re === undefined) this.#above.failed(fromServer(error))
  }

  #useIceServers(servers: IceServers): void {
    this.#iceServers = servers.iceServers
    this.#iceWaiters = this.#iceWaiters.next()
    this.#above.iceServers(servers)
  }

  /** Deliveries know of everybody before anybody else does. */
  #listenToRoster(): RosterListener {
    const known = (peer: WirePeer): void => {
      this.#above.changed()
      this.#delivery.add(peer)
    }
    return {
      joined: (peer) => {
        known(peer)
        this.#above.joined(peer)
      },
      met: (peer) => {
        known(peer)
        this.#above.met(peer)
      },
      updated: (peer) => {
        this.#above.changed()
        this.#delivery.present(peer.id, peer.presence)
        this.#above.updated(peer)
      },
      left: (peer, reason, successor) => {
        this.#above.changed()
        this.#delivery.remove(peer.id, new AldisError('peer-closed', `${peer.identity} left the room.`))
        this.#above.left(peer, reason, successor)
      },
    }
  }
}
