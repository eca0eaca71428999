/**
 * What this side says about itself to everybody: a wanted state. The latest counts, not every one; it goes as often as the server
 * allows, and again where a server does not have it: after a new stay, a restart, or a connection that broke on the way.
 */

import type { Cancel, Clock } from './clock.ts'
import type { ClientLimits, ClientMessage, JsonObject, WelcomeMessage } from './generated/wire.ts'
import { checkObject } from './options.ts'
import { payloadOf } from './payload.ts'

/** What is left of the server's rate, because its clock and ours differ a little. */
const SHARE = 0.9

/** The attributes of one side; see the module. */
export class Attributes {
  readonly #clock: Clock
  readonly #send: (message: ClientMessage) => boolean
  #wanted: JsonObject | undefined
  /** What the server has, as JSON. */
  #known: string | undefined
  #limits: ClientLimits | undefined
  #notBefore = Number.NEGATIVE_INFINITY
  #planned: Cancel | undefined

  constructor(clock: Clock, send: (message: ClientMessage) => boolean) {
    this.#clock = clock
    this.#send = send
  }

  /** What this side says, whether the others have it already or not. */
  get value(): JsonObject | undefined {
    return this.#wanted
  }

  /** Says something else from now on. */
  set(attributes: unknown): void {
    checkObject('attributes', attributes)
    const { attributesBytes: bytes = 1024, jsonDepth = 32 } = this.#limits ?? {}
    this.#wanted = payloadOf('attributes', attributes, { bytes, depth: jsonDepth - 1 }) as JsonObject
    this.#sync()
  }

  /** A connection stands. */
  welcome({ limits, peer }: WelcomeMessage): void {
    this.#limits = limits
    this.#known = JSON.stringify(peer.attributes)
    this.#sync()
  }

  /** Says nothing any more. */
  end(): void {
    this.#planned?.()
  }

  #sync(): void {
    this.#planned?.()
    const text = JSON.stringify(this.#wanted)
    if (this.#wanted === undefined || this.#limits === undefined || text === this.#known) return
    const wait = this.#notBefore - this.#clock.now()
    if (wait > 0) {
      this.#planned = this.#clock.after(wait, () => this.#sync())
    } else if (this.#send({ type: 'update', attributes: this.#wanted })) {
      this.#known = text
      this.#notBefore = this.#clock.now() + 1000 / (this.#limits.updatesPerSecond * SHARE)
    }
  }
}
