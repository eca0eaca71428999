/**
 * A relay with every fault that a server and its networks have. In a storm it drops, doubles, delays, reorders and refuses; when it is
 * silent nothing comes through, or only afterwards; when it crashes, everything in it is gone. What it knows of a stay: attached, away
 * for {@link WINDOW_MS} at most, or buried.
 */

import type { Position, StreamHeader } from '../../../src/outgoing.ts'
import type { Agenda } from './agenda.ts'
import type { Chance } from './chance.ts'
import type { Letter, Stay } from './checker.ts'

/** How long a stay that is away may come back, in milliseconds. */
export const WINDOW_MS = 30_000

/** How many messages wait for one that is away. */
const PARKED_MAX = 64

/** A message on its way: a letter with its header, or a bare acknowledgement. */
export interface Frame {
  readonly from: Stay
  readonly to: Stay
  readonly x: StreamHeader
  readonly letter?: Letter
}

/** What the relay says of the others in the room. */
export type News = { readonly type: 'joined' | 'back' | 'away' | 'left'; readonly stay: Stay }

/** How a connection begins: who one is, and who else is there. */
export interface Welcome {
  readonly stay: Stay
  readonly resumed: boolean
  readonly here: readonly Stay[]
  readonly away: readonly Stay[]
  readonly left: readonly Stay[]
}

/** Why a message was not handed on: later perhaps; never; never, because its peer is gone. */
export interface Refusal {
  readonly to: Stay
  readonly position: Position
  readonly kind: 'postponed' | 'refused' | 'gone'
  readonly retryAfterMs: number
}

/** What a connection brings. */
export type Delivery =
  | { readonly type: 'frame'; readonly frame: Frame }
  | { readonly type: 'news'; readonly news: News }
  | { readonly type: 'refusal'; readonly refusal: Refusal }
  | { readonly type: 'welcome'; readonly welcome: Welcome }

/** One connection. Nothing passes one that is cut, whoever knows of it. */
export interface Line {
  state: 'open' | 'cut'
  readonly deliver: (delivery: Delivery) => void
  upAt: number
  downAt: number
}

interface Session {
  readonly stay: Stay
  state: 'attached' | 'away'
  line: Line
  parked: Frame[]
}

/** What the weather is like. */
export type Weather = 'calm' | 'storm' | 'silent' | 'dammed'

/** What the relay may be made to do wrong. */
export interface RelayOptions {
  readonly agenda: Agenda
  readonly chance: Chance
  readonly log: (line: string) => void
  /** The name of the stay that follows one whose resume came too late. */
  readonly nextStay: (previous: Stay) => Stay
}

/** The relay of one run. */
export class Relay {
  weather: Weather = 'calm'
  readonly #options: RelayOptions
  #sessions = new Map<Stay, Session>()
  #buried = new Set<Stay>()
  #crashes = 0
  #dammed: (() => void)[] = []

  constructor(options: RelayOptions) {
    this.#options = options
  }

  /** Whether a stay is attached by a connection that works. */
  hears(stay: Stay): boolean {
    const session = this.#sessions.get(stay)
    return session?.state === 'attached' && session.line.state === 'open'
  }

  setWeather(weather: Weather): void {
    this.weather = weather
    if (weather === 'dammed') return
    for (const run of this.#dammed.splice(0)) run()
  }

  /** Everything in it is gone, and sometimes even who has left. */
  crash(): void {
    const { chance } = this.#options
    this.#crashes += 1
    for (const { line } of this.#sessions.values()) line.state = 'cut'
    this.#sessions = new Map()
    this.#dammed = []
    if (chance.happens(0.5)) this.#buried = new Set()
  }

  /** A connection begins, with the stay that it wants to go on with. */
  attach(wanted: Stay, line: Line): void {
    const late = this.#buried.has(wanted)
    const stay = late ? this.#options.nextStay(wanted) : wanted
    this.#buried.delete(stay)
    const former = this.#sessions.get(stay)
    if (former !== undefined) former.line.state = 'cut'
    const others = [...this.#sessions.values()].filter((other) => other.stay !== stay)
    const named = (state: Session['state']): Stay[] => others.filter((other) => other.state === state).map((other) => other.stay)
    this.#sessions.set(stay, { stay, state: 'attached', line, parked: [] })
    this.#down(line, {
      type: 'welcome',
      welcome: { stay, resumed: !late, here: named('attached'), away: named('away'), left: [...this.#buried] },
    })
    for (const frame of former?.parked ?? []) this.#handOver(frame, 'first')
    this.#tell(stay, former === undefined ? 'joined' : 'back')
  }

  /** The relay notices that a connection is gone. */
  lose(line: Line): void {
    line.state = 'cut'
    const session = [...this.#sessions.values()].find((other) => other.line === line)
    if (session?.state !== 'attached') return
    session.state = 'away'
    this.#tell(session.stay, 'away')
    this.#options.agenda.after(WINDOW_MS, () => {
      if (this.#sessions.get(session.stay) === session && session.line === line) this.bury(session.stay)
    })
  }

  /** A stay is over for good. */
  bury(stay: Stay): void {
    this.#options.log(`relay: ${stay} is gone`)
    this.#sessions.delete(stay)
    this.#buried.add(stay)
    this.#tell(stay, 'left')
  }

  /** A frame goes up. */
  transmit(line: Line, frame: Frame): void {
    const { agenda, chance } = this.#options
    line.upAt = Math.max(line.upAt, agenda.now + chance.between(2, 30))
    this.#later(line.upAt - agenda.now, () => {
      if (line.state === 'open') this.#route(frame)
    })
  }

  #route(frame: Frame): void {
    const { chance } = this.#options
    if (this.weather === 'silent') return
    if (this.weather === 'dammed') {
      this.#dammed.push(() => this.#handOver(frame, 'first'))
      return
    }
    if (this.weather === 'calm') return this.#handOver(frame, 'first')
    if (chance.happens(0.15)) return
    if (frame.letter !== undefined && chance.happens(0.06)) {
      return this.#refuse(frame, chance.happens(0.15) ? 'refused' : 'postponed')
    }
    if (chance.happens(0.15)) this.#later(this.#delay(), () => this.#handOver(frame, 'again'))
    if (chance.happens(0.2)) return this.#later(this.#delay(), () => this.#handOver(frame, 'first'))
    this.#handOver(frame, 'first')
  }

  #delay(): number {
    return this.#options.chance.ofRanges([1, 100], [1, 100], [100, 3_000], [100, 3_000], [3_000, 40_000])
  }

  /** Hands a frame to its receiver. About one that has been handed on before, nothing is said to its sender. */
  #handOver(frame: Frame, time: 'first' | 'again'): void {
    const session = this.#sessions.get(frame.to)
    if (session?.state === 'attached') return this.#down(session.line, { type: 'frame', frame })
    // An acknowledgement is neither parked nor refused, and a copy is not refused after its original was not.
    if (frame.letter === undefined || time === 'again') return
    if (session !== undefined && session.parked.length < PARKED_MAX) session.parked.push(frame)
    else this.#refuse(frame, this.#buried.has(frame.to) ? 'gone' : 'postponed')
  }

  #refuse({ from, to, x }: Frame, kind: Refusal['kind']): void {
    const { chance } = this.#options
    const session = this.#sessions.get(from)
    if (x.s === undefined || session?.state !== 'attached') return
    const refusal = { to, position: x.s, kind, retryAfterMs: chance.ofRanges([0, 0], [0, 3_000]) }
    this.#down(session.line, { type: 'refusal', refusal })
  }

  /** Says something of a stay to the others; in a storm late, or not at all. */
  #tell(stay: Stay, type: News['type']): void {
    const { chance } = this.#options
    for (const other of this.#sessions.values()) {
      if (other.stay === stay || (this.weather !== 'calm' && chance.happens(0.4))) continue
      const delay = this.weather === 'calm' ? 0 : chance.between(0, 5_000)
      this.#later(delay, () => this.#down(other.line, { type: 'news', news: { type, stay } }))
    }
  }

  /** Something goes down a connection, in order. */
  #down(line: Line, delivery: Delivery): void {
    const { agenda, chance } = this.#options
    line.downAt = Math.max(line.downAt, agenda.now + chance.between(2, 30))
    agenda.after(line.downAt - agenda.now, () => {
      if (line.state === 'open') line.deliver(delivery)
    })
  }

  /** Something happens in the relay later, unless it has crashed by then. */
  #later(ms: number, run: () => void): void {
    const crashes = this.#crashes
    this.#options.agenda.after(ms, () => {
      if (this.#crashes === crashes) run()
    })
  }
}
