/**
 * The receiving half of a stream: what one peer sent, in order and once.
 *
 * A message that overtook another one is held until that has come. What is known already is acknowledged again, because its sender seems
 * not to know. Epochs have an order, as serial numbers do (RFC 1982): a newer one ends the older, and what comes of an older one is answered
 * by `reset`, so that nothing of it can be delivered late. A new epoch begins at position 1: what comes of it before is held too.
 */

import { type Acknowledgement, type Position, WINDOW_BYTES, WINDOW_MESSAGES } from './outgoing.ts'

/** How long an acknowledgement waits for a message to travel with, in milliseconds. */
const ACK_MS = 50

/** After how many messages it waits no longer. */
const ACK_MESSAGES = 16

interface Held<Item> {
  readonly item: Item
  readonly bytes: number
}

interface Epoch<Item> {
  readonly e: number
  /** The place up to which everything was delivered. */
  delivered: number
  readonly held: Map<number, Held<Item>>
}

/** The receiving half; see the module. */
export class Incoming<Item> {
  #epoch: Epoch<Item> | undefined
  /** How many messages are to be acknowledged. */
  #owed = 0
  #ackAt: number | undefined
  /** An epoch whose sender has to be told that it is over. */
  #over: number | undefined

  /** Takes a message of so many bytes. Returns what is to be delivered now, in order. */
  receive({ e, n }: Position, item: Item, bytes: number, now: number): Item[] {
    const epoch = this.#epochOf(e)
    if (epoch === undefined) {
      this.#over = e
      this.#ackAt = now
      return []
    }
    if (n <= epoch.delivered) {
      // No sooner than others: after an outage a whole window comes again.
      this.#owe(now)
      return []
    }
    const held = [...epoch.held.values()].reduce((sum, other) => sum + other.bytes, bytes)
    const fits = n <= epoch.delivered + WINDOW_MESSAGES && held <= WINDOW_BYTES
    // The next one always fits: it is not held.
    if (!fits && n !== epoch.delivered + 1) return []
    epoch.held.set(n, { item, bytes })
    this.#owe(now)
    return release(epoch)
  }

  /** What is to be acknowledged, if anything is; it has to be sent. */
  take(): Acknowledgement | undefined {
    const over = this.#over
    if (over !== undefined) {
      this.#over = undefined
      if (this.#owed === 0) this.#ackAt = undefined
      return { e: over, reset: true }
    }
    if (this.#ackAt === undefined || this.#epoch === undefined) return undefined
    this.#owed = 0
    this.#ackAt = undefined
    return { e: this.#epoch.e, n: this.#epoch.delivered }
  }

  /** When {@link take} is to be called at the latest. */
  get ackAt(): number | undefined {
    return this.#ackAt
  }

  /** Acknowledges at once what is owed: timers are late where a page is hidden. */
  hurry(now: number): void {
    if (this.#ackAt !== undefined) this.#ackAt = Math.min(this.#ackAt, now)
  }

  /** The epoch of this number, if it is not over. */
  #epochOf(e: number): Epoch<Item> | undefined {
    if (this.#epoch === undefined || isNewer(e, this.#epoch.e)) {
      this.#epoch = { e, delivered: 0, held: new Map() }
      this.#owed = 0
      if (this.#over === undefined) this.#ackAt = undefined
    }
    return this.#epoch.e === e ? this.#epoch : undefined
  }

  #owe(now: number): void {
    this.#owed += 1
    if (this.#owed >= ACK_MESSAGES) this.#ackAt = now
    else this.#ackAt ??= now + ACK_MS
  }
}

/** Takes out what is next, as long as it is there. */
function release<Item>(epoch: Epoch<Item>): Item[] {
  const items: Item[] = []
  for (let next = epoch.held.get(1 + epoch.delivered); next !== undefined; next = epoch.held.get(1 + epoch.delivered)) {
    epoch.delivered += 1
    epoch.held.delete(epoch.delivered)
    items.push(next.item)
  }
  return items
}

function isNewer(e: number, than: number): boolean {
  return e !== than && (e - than) >>> 0 < 2 ** 31
}
