/** How fast this client may send: the two token buckets that the server holds for it, kept here first. */

import type { ClientLimits } from './generated/wire.ts'

/** What is left of the server's rates, because its clock and ours differ a little. */
const SHARE = 0.9

interface Bucket {
  readonly perMs: number
  readonly burst: number
  level: number
}

/** The rates of one connection. */
export class Pace {
  readonly #messages: Bucket
  readonly #bytes: Bucket
  #filledAt: number

  /**
   * @param limits `welcome.limits`
   * @param others how many others are in the room
   * @param now the time, in milliseconds
   */
  constructor(limits: ClientLimits, others: number, now: number) {
    this.#messages = bucket(limits.messagesPerSecond, limits.messageBurst + limits.messageBurstPerPeer * others)
    this.#bytes = bucket(limits.bytesPerSecond, limits.byteBurst)
    this.#filledAt = now
  }

  /** Takes a message of so many bytes, or says how many milliseconds to wait for it. */
  take(bytes: number, now: number): number {
    const elapsed = now - this.#filledAt
    this.#filledAt = now
    const buckets = [
      [this.#messages, 1],
      [this.#bytes, bytes],
    ] as const
    for (const [bucket] of buckets) bucket.level = Math.min(bucket.burst, bucket.level + elapsed * bucket.perMs)
    // A message that is larger than the whole burst goes when the bucket is full.
    const wait = Math.max(...buckets.map(([bucket, amount]) => (Math.min(amount, bucket.burst) - bucket.level) / bucket.perMs))
    if (wait > 0) return Math.ceil(wait)
    for (const [bucket, amount] of buckets) bucket.level -= amount
    return 0
  }
}

function bucket(perSecond: number, burst: number): Bucket {
  return { perMs: (perSecond * SHARE) / 1000, burst: burst * SHARE, level: burst * SHARE }
}
