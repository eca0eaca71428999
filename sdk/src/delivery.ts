/**
 * What goes to the peers of a room, and what comes from them: a lane for each, which take turns, at the pace that the server allows.
 *
 * Every letter is settled: with its delivery, or with an error that says what became of it.
 */

import type { Cancel, Clock } from './clock.ts'
import { AldisError } from './errors.ts'
import type { ClientLimits, ErrorMessage, PeerId, Presence, ReceiptMessage, Relayed, Signal, WirePeer } from './generated/wire.ts'
import type { Lane, Parcel } from './lane.ts'
import { refuse } from './options.ts'
import { Pace } from './pace.ts'
import { limitsOf, payloadOf } from './payload.ts'
import { PlainLane } from './plain-lane.ts'
import { STREAMS, StreamLane } from './stream-lane.ts'

/** What deliveries work with. */
export interface DeliveryOptions {
  readonly clock: Clock
  readonly random: () => number
  /** Whether the page is hidden, so that its timers are late. */
  readonly isHidden: () => boolean
  /** Sends at once; `false` where there is no connection. */
  readonly send: (signal: Signal) => boolean
}

/** How often what has to wait for the pace is looked after, in milliseconds: acknowledgements and deadlines do not wait for it. */
const LOOK_MS = 50

/** How many lanes of peers that are gone are kept: a stream goes on where its peer comes back under the same id. */
const DORMANT_MAX = 256

/** What a lane adds to a parcel, about, in bytes. */
const ENVELOPE_BYTES = 200

interface Entry {
  readonly lane: Lane
  readonly number: number
  /** When something was last sent on it, counted in messages. */
  turn: number
}

/** The deliveries of one room. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #lanes = new Map<PeerId, Entry>()
  readonly #dormant = new Map<PeerId, Entry>()
  #pace: Pace | undefined
  #wake: Cancel | undefined
  #counter = 0
  #turn = 0
  #limits: ClientLimits | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** There is somebody to deliver to, perhaps again. */
  add(wire: WirePeer): void {
    const { clock } = this.#options
    const entry = this.#lanes.get(wire.id) ?? this.#dormant.get(wire.id) ?? this.#laneTo(wire)
    this.#dormant.delete(wire.id)
    this.#lanes.set(wire.id, entry)
    entry.lane.present(wire.presence, clock.now())
    entry.lane.connect(this.#pace ? 'open' : 'shut', clock.now())
  }

  #laneTo({ id, features }: WirePeer): Entry {
    const { random, isHidden } = this.#options
    const number = ++this.#counter
    const prefix = `${number}.`
    const lane = features.includes(STREAMS)
      ? new StreamLane(id, prefix, Math.floor(random() * 2 ** 32), isHidden)
      : new PlainLane(id, prefix)
    return { lane, number, turn: 0 }
  }

  /** They are gone. */
  remove(id: PeerId, failure: AldisError): void {
    const entry = this.#lanes.get(id)
    if (entry === undefined) return
    this.#lanes.delete(id)
    this.#dormant.set(id, entry)
    for (const oldest of [...this.#dormant.keys()].slice(0, -DORMANT_MAX)) this.#dormant.delete(oldest)
    entry.lane.end(failure)
    entry.lane.connect('shut', this.#now())
  }

  /** This side is gone: what comes is another stay, and has other streams. */
  clear(failure: AldisError): void {
    for (const id of [...this.#lanes.keys()]) this.remove(id, failure)
    this.#dormant.clear()
    this.close()
  }

  /** A connection to the server stands. */
  open(limits: ClientLimits, others: number): void {
    this.#limits = limits
    this.#pace = new Pace(limits, others, this.#now())
    this.#connect('open')
  }

  /** It is gone. */
  close(): void {
    this.#pace = undefined
    this.#connect('shut')
  }

  /** A peer can be reached, or cannot. */
  present(id: PeerId, presence: Presence): void {
    this.#lanes.get(id)?.lane.present(presence, this.#now())
    this.#pump()
  }

  /** Posts a signal; `settle` hears what becomes of it. */
  post(id: PeerId, parcel: Parcel, settle: (failure?: AldisError) => void): void {
    const bytes = ENVELOPE_BYTES + new TextEncoder().encode(JSON.stringify(parcel)).length
    const entry = this.#lanes.get(id)
    if (entry === undefined) {
      if (typeof id !== 'string') refuse('to', 'an id in `client.peers`', id)
      return settle(new AldisError('peer-closed', `${id} is not in the room.`, { outcome: 'not-delivered' }))
    }
    entry.lane.post({ parcel, bytes, settle }, this.#now())
    this.#pump()
  }

  /** Posts the application's own. Resolves when it was delivered. */
  async send(id: PeerId, data: unknown): Promise<void> {
    const parcel: Parcel = { type: 'message', data: payloadOf('data', data, limitsOf(this.#limits, ENVELOPE_BYTES)) }
    await new Promise<void>((resolve, reject) => {
      this.post(id, parcel, (failure) => (failure ? reject(failure) : resolve()))
    })
  }

  /** Drops what a connection that is over still wanted to say. */
  forget(id: PeerId): void {
    this.#lanes.get(id)?.lane.forget()
  }

  /** Takes a message of a peer. `handle` is called for what is to be handled now, in order; it is acknowledged after that. */
  receive(message: Relayed, handle: (message: Relayed) => void): void {
    const entry = this.#lanes.get(message.from)
    for (const due of entry?.lane.receive(message, this.#now()) ?? []) {
      // What came before may have ended it.
      if (this.#lanes.get(message.from) === entry) handle(due)
    }
    this.#pump()
  }

  /** The server says that a message reached its peer's connection. */
  written({ re, status }: ReceiptMessage): void {
    if (status === 'written') this.#find(re, ({ lane }, name) => lane.written(name))
  }

  /** The server says that it did not hand a message on. Returns whether it was one of ours. */
  refuse(error: ErrorMessage): boolean {
    return this.#find(error.re ?? '', ({ lane }, name) => lane.refuse(name, error, this.#now()))
  }

  #find(msg: string, found: (entry: Entry, name: string) => void): boolean {
    const [number, ...name] = msg.split('.')
    const entry = [...this.#lanes.values()].find((other) => String(other.number) === number)
    if (entry === undefined) return false
    found(entry, name.join('.'))
    this.#pump()
    return true
  }

  #connect(way: 'open' | 'shut'): void {
    for (const { lane } of this.#lanes.values()) lane.connect(way, this.#now())
    this.#pump()
  }

  #now(): number {
    return this.#options.clock.now()
  }

  /** Does what there is to do now, and comes back when there is more. */
  #pump(): void {
    const { clock } = this.#options
    const now = clock.now()
    for (const { lane } of this.#lanes.values()) {
      lane.expire(now)
      this.#acknowledge(lane, now)
    }
    const wait = this.#pace ? this.#sendAll(this.#pace, now) : 0
    // Whoever was told of something in the meantime may have posted.
    this.#wake?.()
    const times = [...this.#lanes.values()].flatMap(({ lane }) => lane.nextAt(now) ?? [])
    const ms = wait > 0 ? Math.min(wait, LOOK_MS) : Math.min(...times) - now
    if (times.length > 0) this.#wake = clock.after(ms, () => this.#pump())
  }

  #acknowledge(lane: Lane, now: number): void {
    for (let ack = lane.takeAck(now); ack !== undefined; ack = lane.takeAck(now)) this.#options.send(ack)
  }

  /** Sends what may go now. Returns how long the pace asks to wait, in milliseconds. */
  #sendAll(pace: Pace, now: number): number {
    for (let entry = this.#next(now); entry !== undefined; entry = this.#next(now)) {
      const wait = pace.take(entry.lane.peek(now) ?? 0, now)
      if (wait > 0) return wait
      const signal = entry.lane.take(now)
      if (signal !== undefined) this.#options.send(signal)
      entry.turn = ++this.#turn
    }
    return 0
  }

  /** Whose turn it is: the peers take turns, so that none of them keeps the others waiting. */
  #next(now: number): Entry | undefined {
    const ready = [...this.#lanes.values()].filter(({ lane }) => lane.peek(now) !== undefined)
    return ready.sort((one, other) => one.turn - other.turn)[0]
  }
}
