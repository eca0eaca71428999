/**
 * One side of the model: it owns a stream for every stay of the other side that it knows, as the SDK does, and loses its connection.
 *
 * What it adds to the streams: it never begins a second one with the same stay; a peer that is heard of is there; where its own stay
 * could not be resumed, all its streams end.
 */

import type { Settled } from '../../../src/outgoing.ts'
import type { Stream } from '../../../src/stream.ts'
import type { Agenda } from './agenda.ts'
import type { Chance } from './chance.ts'
import type { Cause, Letter, Stay } from './checker.ts'
import { type Delivery, type Frame, type Line, type News, type Refusal, type Relay, type Welcome, WINDOW_MS } from './relay.ts'

/** What a side needs of a stream; a mutant puts something between. */
export type AnyStream = Omit<Stream<Letter>, 'acknowledge'>

/**
 * What becomes of the stream with a stay that has left: the stay is *dead*, and nothing of it is taken any more; or the stream is *kept*
 * and goes on should the stay come back after all. Where it is *forgotten*, a second one begins, which is a mutant.
 */
export type Departed = 'dead' | 'kept' | 'forgotten'

/** What a side works with. */
export interface EndpointOptions {
  readonly departed: Departed
  readonly first: Stay
  readonly agenda: Agenda
  readonly chance: Chance
  readonly relay: Relay
  readonly log: (line: string) => void
  readonly createStream: (epoch: number) => AnyStream
  readonly arrived: (letter: Letter) => void
  readonly settled: (settled: readonly Settled<Letter>[], cause: Cause) => void
  /** It has noticed that its connection is gone. */
  readonly lost: () => void
  /** Something has changed that decides whether the way between the sides is free. */
  readonly changed: () => void
}

interface Talk {
  readonly peer: Stay
  readonly stream: AnyStream
  state: 'here' | 'away'
  wakeAt: number | undefined
}

/** How many messages go at once where the pace is slow, and how long the pause after them is. */
const SLOW_MESSAGES = 8
const SLOW_MS = 100

/** How large a letter is: so that now and then the bytes fill the window. */
const bytesOf = ({ id }: Letter): number => (id % 7 === 0 ? 60_000 : 700)

/** One side; see the module. */
export class Endpoint {
  /** Whether timers are late, as in a hidden page, and whether the server's rate is reached. */
  timers: 'exact' | 'late' = 'exact'
  pace: 'fast' | 'slow' = 'fast'
  stay: Stay
  readonly #options: EndpointOptions
  #line: Line | undefined
  #connection: 'connecting' | 'joined' | 'away' = 'away'
  #talks = new Map<Stay, Talk>()
  /** The streams of those who have left. */
  #former = new Map<Stay, AnyStream>()

  constructor(options: EndpointOptions) {
    this.#options = options
    this.stay = options.first
  }

  /** The stay that an application writes to: the one that was heard of last. */
  get peer(): Stay | undefined {
    return [...this.#talks.keys()].at(-1)
  }

  /** Whether it would send to a stay now, over a connection that works. */
  reaches(stay: Stay): boolean {
    return this.#connection === 'joined' && this.#line?.state === 'open' && this.#talks.get(stay)?.state === 'here'
  }

  /** The application writes. */
  write(letter: Letter): boolean {
    const talk = this.#talks.get(letter.to)
    if (talk === undefined) throw new Error(`There is no stream to ${letter.to}.`)
    return talk.stream.send(letter, bytesOf(letter), this.#options.agenda.now)
  }

  /** Sends what may be sent, to everybody. */
  flush(): void {
    for (const talk of this.#talks.values()) this.#pump(talk)
  }

  /** Begins a connection. */
  connect(): void {
    const { relay } = this.#options
    const line: Line = { state: 'open', deliver: (delivery) => this.#deliver(line, delivery), upAt: 0, downAt: 0 }
    this.#line = line
    this.#connection = 'connecting'
    relay.attach(this.stay, line)
  }

  /** The connection that it has, if any. */
  get line(): Line | undefined {
    return this.#line
  }

  /** Notices that its connection is gone. */
  lose(line: Line): void {
    if (this.#line !== line) return
    this.#options.log(`${this.stay}: notices that its connection is gone`)
    line.state = 'cut'
    this.#line = undefined
    this.#connection = 'away'
    for (const { stream } of this.#talks.values()) stream.shut()
    this.#options.lost()
    this.#options.changed()
  }

  /** Leaves, and comes back as somebody new. */
  leave(): void {
    if (this.#connection !== 'joined') return
    this.#options.relay.bury(this.stay)
    if (this.#line !== undefined) this.lose(this.#line)
  }

  #deliver(line: Line, delivery: Delivery): void {
    if (this.#line !== line) return
    if (delivery.type === 'welcome') this.#join(delivery.welcome)
    else if (delivery.type === 'news') this.#hear(delivery.news)
    else if (delivery.type === 'refusal') this.#refused(delivery.refusal)
    else this.#receive(delivery.frame)
    this.#options.changed()
  }

  #join({ stay, resumed, here, away, left }: Welcome): void {
    const { log } = this.#options
    log(`${this.stay}: joined${resumed ? ' again' : ` anew as ${stay}`}`)
    if (!resumed) this.#forget()
    this.stay = stay
    this.#connection = 'joined'
    for (const peer of left) this.#bury(peer)
    for (const peer of here) this.#open(this.#talkTo(peer))
    for (const peer of away) this.#away(this.#talkTo(peer))
    // Absence is not departure: who is not named is away for as long as he may come back.
    for (const talk of this.#talks.values()) if (!here.includes(talk.peer) && !away.includes(talk.peer)) this.#away(talk)
  }

  #hear({ type, stay }: News): void {
    this.#options.log(`${this.stay}: is told that ${stay} is ${type}`)
    if (type === 'left') this.#bury(stay)
    else if (type === 'away') this.#away(this.#talks.get(stay))
    else this.#open(this.#talkTo(stay))
  }

  #refused({ to, position, kind, retryAfterMs }: Refusal): void {
    const { agenda, log, settled } = this.#options
    log(`${this.stay}: ${position.e}/${position.n} to ${to} is ${kind}`)
    const talk = this.#talks.get(to)
    if (kind === 'postponed') talk?.stream.postpone(position, retryAfterMs, agenda.now)
    else settled(talk?.stream.refuse(position) ?? [], 'refuse')
    if (kind === 'gone') this.#bury(to)
    else if (talk !== undefined) this.#pump(talk)
  }

  #receive({ from, x, letter }: Frame): void {
    const { agenda, arrived, log, settled } = this.#options
    const talk = this.#talkTo(from)
    if (talk === undefined) return
    if (talk.state === 'away') this.#open(talk)
    log(`${this.stay}: gets ${JSON.stringify(x)}${letter ? ` #${letter.id}` : ''} of ${from}`)
    const result = talk.stream.receive(x, letter as Letter, letter ? bytesOf(letter) : 0, agenda.now)
    for (const item of result.delivered) arrived(item)
    settled(result.settled, 'receive')
    if (this.timers === 'late') talk.stream.hurry(agenda.now)
    this.#pump(talk)
  }

  /** The stream to a stay, begun where there is none; none to one that is dead. */
  #talkTo(peer: Stay): Talk | undefined {
    const { chance, createStream, departed } = this.#options
    const known = this.#talks.get(peer)
    if (known !== undefined) return known
    const former = this.#former.get(peer)
    if (former !== undefined && departed === 'dead') return undefined
    const stream = former !== undefined && departed === 'kept' ? former : createStream(chance.epoch())
    const talk: Talk = { peer, stream, state: 'away', wakeAt: undefined }
    this.#talks.set(peer, talk)
    return talk
  }

  #open(talk: Talk | undefined): void {
    if (talk === undefined) return
    talk.state = 'here'
    if (this.#connection !== 'joined') return
    talk.stream.open(this.#options.agenda.now)
    this.#pump(talk)
  }

  #away(talk: Talk | undefined): void {
    if (talk === undefined) return
    talk.state = 'away'
    talk.stream.shut()
    this.#options.agenda.after(2 * WINDOW_MS, () => {
      if (this.#talks.get(talk.peer) === talk && talk.state === 'away' && this.#connection === 'joined') this.#bury(talk.peer)
    })
  }

  #bury(peer: Stay): void {
    const stream = this.#talks.get(peer)?.stream
    // Who has left before anything was known of him is dead all the same.
    if (stream === undefined && !this.#former.has(peer)) this.#former.set(peer, this.#options.createStream(0))
    if (stream === undefined) return
    this.#former.set(peer, stream)
    this.#talks.delete(peer)
    stream.shut()
    this.#options.settled(stream.end(), 'end')
  }

  #forget(): void {
    for (const peer of [...this.#talks.keys()]) this.#bury(peer)
    this.#former = new Map()
  }

  #pump(talk: Talk): void {
    const { agenda, log, relay, settled } = this.#options
    const { stream, peer } = talk
    settled(stream.expire(agenda.now), 'expire')
    let room = this.pace === 'slow' ? SLOW_MESSAGES : Number.POSITIVE_INFINITY
    while (this.#connection === 'joined' && this.#line !== undefined && room > 0) {
      const bytes = stream.peek(agenda.now)
      const next = bytes === undefined ? undefined : stream.take(agenda.now)
      if (next === undefined) break
      if (bytes !== bytesOf(next.item)) throw new Error('What was taken is not what was seen.')
      log(`${this.stay}: sends ${JSON.stringify(next.x)} #${next.item.id} to ${peer}`)
      relay.transmit(this.#line, { from: this.stay, to: peer, x: next.x, letter: next.item })
      room -= 1
    }
    for (let a = stream.takeAck(agenda.now); a !== undefined; a = stream.takeAck(agenda.now)) {
      if (this.#line !== undefined) relay.transmit(this.#line, { from: this.stay, to: peer, x: { a } })
    }
    this.#plan(talk, room === 0 ? SLOW_MS : 0)
  }

  #plan(talk: Talk, pause: number): void {
    const { agenda } = this.#options
    const next = talk.stream.nextAt(agenda.now)
    if (next === undefined) return
    const moment = Math.max(next, agenda.now + pause)
    const at = this.timers === 'late' ? 1_000 * Math.ceil(moment / 1_000) : moment
    if (talk.wakeAt !== undefined && talk.wakeAt > agenda.now && talk.wakeAt <= at) return
    talk.wakeAt = at
    agenda.after(Math.max(0, at - agenda.now), () => {
      if (talk.wakeAt !== at) return
      talk.wakeAt = undefined
      if (this.#talks.get(talk.peer) === talk) this.#pump(talk)
    })
  }
}
