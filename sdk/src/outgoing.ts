/**
 * The sending half of a stream: what was sent to one peer, until it is known what became of it.
 *
 * A message *waits* until the window has room for it, then *flies* under a position of the current epoch, and is sent again after pauses
 * until an acknowledgement covers it. A position is never given up: where one message cannot be brought over, the epoch ends, everything
 * that flew in it is settled, and the next one begins at position 1. What still waited goes on in there.
 *
 * No timer and no socket: whoever owns it passes the time in, asks {@link Outgoing.peek} what may go, and comes back at
 * {@link Outgoing.nextAt}. The Rust client has the same in `crates/client/src/streams`; both read the traces in `streams/`.
 */

/** How many messages fly at once, and how many bytes: what a receiver holds back for the one that is missing. */
export const WINDOW_MESSAGES = 64
export const WINDOW_BYTES: number = 256 * 1024

/** How many messages may wait behind them. */
export const WAITING_MAX = 1_024

/** How long the first pause before sending again is, and the longest, in milliseconds. */
const PAUSE_MS = 1_000
const PAUSE_MAX_MS = 8_000

/** How long a message has to be settled, in milliseconds. */
export const SETTLE_MS = 30_000

/** Where a message is: an epoch, and its place in it, counted from 1. */
export interface Position {
  /** The epoch: a random u32 at first, then one more each time. */
  readonly e: number
  /** The place. */
  readonly n: number
}

/** Everything up to a place has arrived; or the epoch is over, and nothing of it is taken any more. */
export type Acknowledgement = Position | { readonly e: number; readonly reset: true }

/** What streams add to a message: its own position, and an acknowledgement of what came the other way. */
export interface StreamHeader {
  readonly s?: Position
  readonly a?: Acknowledgement
}

/** A message that is to be sent now, and its header. */
export interface Taken<Item> {
  readonly item: Item
  readonly x: StreamHeader & { readonly s: Position }
}

/**
 * What became of a message: it was `delivered`, once and in order; it was `not-delivered`, for certain; or its fate is `unknown`: it may
 * have arrived, or arrive yet where a copy is still on its way, but never twice, and never after something that was sent later.
 */
export type Outcome = 'delivered' | 'not-delivered' | 'unknown'

/** A message, and what became of it. */
export interface Settled<Item> {
  readonly item: Item
  readonly outcome: Outcome
}

interface Entry<Item> {
  readonly item: Item
  readonly bytes: number
  readonly deadline: number
  /** Its place in the epoch; 0 while it waits. */
  n: number
  /** Whether a refusal says for certain that it has not arrived. */
  sent: 'never' | 'once' | 'again'
  /** When it is to be sent again, and how long the pause after that is. */
  dueAt: number
  pauseMs: number
}

/** The sending half; see the module. */
export class Outgoing<Item> {
  #epoch: number
  #last = 0
  #waiting: Entry<Item>[] = []
  #flying: Entry<Item>[] = []
  #way: 'open' | 'shut' = 'shut'

  /** @param epoch the first epoch: a random u32, so that nothing of an earlier stream is taken for this one's */
  constructor(epoch: number) {
    this.#epoch = epoch
  }

  /** How many messages are not settled yet. */
  get size(): number {
    return this.#waiting.length + this.#flying.length
  }

  /** Takes a message of so many bytes; `false` where too many wait already. */
  send(item: Item, bytes: number, now: number): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false
    this.#waiting.push({ item, bytes, deadline: now + SETTLE_MS, n: 0, sent: 'never', dueAt: now, pauseMs: PAUSE_MS })
    return true
  }

  /** The peer can be reached: what flies may not have arrived, and goes again at once. */
  open(now: number): void {
    this.#way = 'open'
    for (const entry of this.#flying) {
      entry.dueAt = now
      entry.pauseMs = PAUSE_MS
    }
  }

  /** The peer cannot be reached: nothing is sent, and deadlines go on. */
  shut(): void {
    this.#way = 'shut'
  }

  /** How many bytes the message has that may be sent now; `undefined` where there is none. */
  peek(now: number): number | undefined {
    return this.#due(now)?.bytes
  }

  /** Takes the message that may be sent now; it has to be sent. */
  take(now: number): Taken<Item> | undefined {
    const entry = this.#due(now)
    if (entry === undefined) return undefined
    if (entry.n === 0) {
      entry.n = ++this.#last
      this.#flying.push(entry)
      this.#waiting.shift()
    }
    entry.sent = entry.sent === 'never' ? 'once' : 'again'
    entry.dueAt = now + entry.pauseMs
    entry.pauseMs = Math.min(2 * entry.pauseMs, PAUSE_MAX_MS)
    return { item: entry.item, x: { s: { e: this.#epoch, n: entry.n } } }
  }

  /** The peer acknowledges. */
  acknowledge(a: Acknowledgement): Settled<Item>[] {
    if (a.e !== this.#epoch) return []
    if ('reset' in a) return this.#begin()
    // Nobody can have got what was never sent.
    if (a.n > this.#last) return []
    const arrived = this.#flying.filter(({ n }) => n <= a.n)
    this.#flying = this.#flying.slice(arrived.length)
    return arrived.map(({ item }) => ({ item, outcome: 'delivered' }))
  }

  /** The server did not hand a message on, and it may later: it is sent again, not before `retryAfterMs` have passed. */
  postpone({ e, n }: Position, retryAfterMs: number, now: number): void {
    const entry = this.#find(e, n)
    if (entry !== undefined) entry.dueAt = Math.max(entry.dueAt, now + retryAfterMs)
  }

  /** The server will never hand a message on. Where it was sent only once, neither it nor what followed has been delivered. */
  refuse({ e, n }: Position): Settled<Item>[] {
    const refused = this.#find(e, n)
    if (refused === undefined) return []
    return this.#begin((entry) => (refused.sent === 'once' && entry.n >= n ? 'not-delivered' : 'unknown'))
  }

  /** Settles what is too late. */
  expire(now: number): Settled<Item>[] {
    const late = this.#waiting.filter(({ deadline }) => deadline <= now)
    this.#waiting = this.#waiting.slice(late.length)
    const flown = this.#flying[0] !== undefined && this.#flying[0].deadline <= now ? this.#begin() : []
    return [...flown, ...late.map(({ item }) => ({ item, outcome: 'not-delivered' as const }))]
  }

  /** The peer is gone for good: settles everything. */
  end(): Settled<Item>[] {
    const waiting = this.#waiting.splice(0)
    return [...this.#begin(), ...waiting.map(({ item }) => ({ item, outcome: 'not-delivered' as const }))]
  }

  /** When something is to be done next: something may be sent, or is too late. */
  nextAt(now: number): number | undefined {
    const times = [this.#flying[0]?.deadline, this.#waiting[0]?.deadline]
    if (this.#way === 'open') {
      times.push(...this.#flying.map(({ dueAt }) => dueAt))
      if (this.#due(now) !== undefined) times.push(now)
    }
    return earliest(times)
  }

  #due(now: number): Entry<Item> | undefined {
    if (this.#way === 'shut') return undefined
    const again = this.#flying.find(({ dueAt }) => dueAt <= now)
    if (again !== undefined) return again
    const [next] = this.#waiting
    if (next === undefined || this.#flying.length === 0) return next
    const bytes = this.#flying.reduce((sum, entry) => sum + entry.bytes, next.bytes)
    return this.#flying.length < WINDOW_MESSAGES && bytes <= WINDOW_BYTES ? next : undefined
  }

  #find(e: number, n: number): Entry<Item> | undefined {
    return e === this.#epoch ? this.#flying.find((entry) => entry.n === n) : undefined
  }

  /** Begins the next epoch: a hole never stays inside one. */
  #begin(outcome: (entry: Entry<Item>) => Outcome = () => 'unknown'): Settled<Item>[] {
    const flown = this.#flying.splice(0)
    this.#epoch = (this.#epoch + 1) >>> 0
    this.#last = 0
    return flown.map((entry) => ({ item: entry.item, outcome: outcome(entry) }))
  }
}

/** The first of some moments, if there is any. */
export function earliest(times: readonly (number | undefined)[]): number | undefined {
  const moments = times.filter((time) => time !== undefined)
  return moments.length === 0 ? undefined : Math.min(...moments)
}
