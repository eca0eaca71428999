/** Two sides, a relay, and what befalls them: one run of the model, which depends on its seed alone. */

import { Stream } from '../../../src/stream.ts'
import { Agenda } from './agenda.ts'
import { Chance } from './chance.ts'
import { Checker, type Letter, type Stay } from './checker.ts'
import { type AnyStream, type Departed, Endpoint } from './endpoint.ts'
import { Relay, type Weather } from './relay.ts'

/** What a mutant changes. */
export interface Rules {
  readonly createStream: (epoch: number) => AnyStream
  readonly nextStay: (previous: Stay) => Stay
  readonly departed: Departed
}

/** The rules as they are: a stay that comes too late goes on under a new id, and one that has left is dead. */
export const RULES: Rules = {
  createStream: (epoch) => new Stream<Letter>(epoch),
  nextStay: (previous) => `${previous[0]}${Number(previous.slice(1)) + 1}`,
  departed: 'dead',
}

/** How long things happen, and how long everything has time to settle afterwards. */
const LIVELY_MS = 150_000
const QUIET_MS = 90_000

/** How many messages are written at once, and how long a side has no connection: mostly few, and mostly short. */
const BURSTS: readonly Range[] = [
  [1, 1],
  [1, 1],
  [1, 2],
  [1, 4],
  [1, 4],
  [1, 4],
  [2, 8],
  [2, 8],
  [4, 20],
  [60, 90],
]
const OUTAGES: readonly Range[] = [
  [0, 500],
  [0, 1_000],
  [500, 5_000],
  [500, 5_000],
  [500, 5_000],
  [2_000, 25_000],
  [2_000, 25_000],
  [25_000, 80_000],
]

type Range = readonly [low: number, high: number]

/** The run of a seed. */
export class World {
  readonly checker: Checker = new Checker()
  readonly agenda: Agenda = new Agenda()
  /** How long a side that has lost its connection has none. */
  outage: () => number = () => this.#chance.ofRanges(...OUTAGES)
  readonly sides: readonly [Endpoint, Endpoint]
  readonly #chance: Chance
  readonly #log: (line: string) => void
  readonly #relay: Relay
  #letters = 0
  #freeSince: number | undefined
  /** When the way was free before. */
  readonly #stretches: { readonly from: number; readonly to: number }[] = []

  constructor(seed: number, rules: Rules = RULES, log: (line: string) => void = () => {}) {
    this.#chance = new Chance(seed)
    this.#log = (line) => log(`${String(this.agenda.now).padStart(6)} ${line}`)
    const { agenda } = this
    const common = { agenda, chance: this.#chance, log: this.#log }
    this.#relay = new Relay({ ...common, nextStay: rules.nextStay })
    const side = (first: Stay): Endpoint =>
      new Endpoint({
        ...common,
        first,
        relay: this.#relay,
        createStream: rules.createStream,
        departed: rules.departed,
        arrived: (letter) => {
          this.#log(`${letter.to}: #${letter.id} arrives`)
          this.checker.arrived(letter, agenda.now)
        },
        settled: (settled, cause) => {
          for (const { item, outcome } of settled) {
            this.#log(`${item.from}: #${item.id} is ${outcome} (${cause})`)
            this.checker.settled(item, outcome, cause, this.#freeFor(item), agenda.now)
          }
        },
        lost: () => this.#reconnect(first),
        changed: () => this.#observe(),
      })
    this.sides = [side('a1'), side('b1')]
  }

  /** Lets everything happen. */
  run(): Checker {
    for (const side of this.sides) {
      side.connect()
      this.#again([200, 3_000], () => this.write(side, this.#chance.ofRanges(...BURSTS)))
      this.#again([15_000, 90_000], () => this.cut(side, this.#notice(), this.#notice()))
      this.#again([60_000, 300_000], () => side.leave())
      this.#again([5_000, 40_000], () => this.#temper(side))
    }
    this.#again([20_000, 150_000], () => this.#crash())
    this.#turn('calm')
    this.agenda.runUntil(LIVELY_MS)
    return this.finish()
  }

  /** Gives everything the time that it may take. */
  finish(): Checker {
    this.#setWeather('calm')
    this.agenda.runUntil(this.agenda.now + QUIET_MS)
    this.checker.finish(this.agenda.now)
    return this.checker
  }

  /** Does something again and again, while things happen. */
  #again([low, high]: Range, act: () => void): void {
    this.agenda.after(this.#chance.between(low, high), () => {
      if (this.agenda.now >= LIVELY_MS) return
      act()
      this.#observe()
      this.#again([low, high], act)
    })
  }

  /** A side writes so many messages to the peer that it knows. */
  write(side: Endpoint, count: number): void {
    const to = side.peer
    if (to === undefined) return
    for (let n = 0; n < count; n += 1) {
      const letter = { id: ++this.#letters, from: side.stay, to, sentAt: this.agenda.now }
      if (side.write(letter)) this.checker.sent(letter)
    }
    side.flush()
  }

  /** Cuts a connection. The relay and the side notice so much later. */
  cut(side: Endpoint, relayAfterMs: number, sideAfterMs: number): void {
    const { line } = side
    if (line === undefined) return
    this.#log(`world: the connection of ${side.stay} is cut`)
    line.state = 'cut'
    this.agenda.after(relayAfterMs, () => this.#relay.lose(line))
    this.agenda.after(sideAfterMs, () => side.lose(line))
  }

  /** How late an end notices that its connection is gone: at once, or after the silence that a heartbeat allows. */
  #notice(): number {
    return this.#chance.ofRanges([0, 0], [0, 5_000], [0, 25_000])
  }

  #crash(): void {
    this.#log('world: the relay crashes')
    this.#relay.crash()
    for (const side of this.sides) {
      const { line } = side
      if (line === undefined) continue
      this.agenda.after(this.#chance.ofRanges([0, 100], [0, 100], [0, 25_000]), () => side.lose(line))
    }
  }

  /** A connection begins again, mostly soon, and sometimes too late for the stay. */
  #reconnect(first: Stay): void {
    const side = this.sides[first === 'a1' ? 0 : 1]
    this.agenda.after(this.outage(), () => {
      if (side.line === undefined) side.connect()
      this.#observe()
    })
  }

  #temper(side: Endpoint): void {
    side.timers = this.#chance.happens(0.2) ? 'late' : 'exact'
    side.pace = this.#chance.happens(0.2) ? 'slow' : 'fast'
    side.flush()
  }

  #turn(weather: Weather): void {
    this.#setWeather(weather)
    const [low, high] = weather === 'calm' ? [2_000, 40_000] : weather === 'storm' ? [2_000, 25_000] : [500, 35_000]
    const next = weather !== 'calm' ? 'calm' : this.#chance.oneOf(['storm', 'storm', 'storm', 'silent', 'dammed'] as const)
    this.agenda.after(this.#chance.between(low, high), () => {
      if (this.agenda.now < LIVELY_MS) this.#turn(next)
    })
  }

  #setWeather(weather: Weather): void {
    this.#log(`world: ${weather}`)
    this.#relay.setWeather(weather)
    this.#observe()
  }

  /** Notes whether the way between the two is free: both are attached, reach each other, and nothing gets lost. */
  #observe(): void {
    const [a, b] = this.sides
    const { now } = this.agenda
    const free =
      this.#relay.weather === 'calm' &&
      this.#relay.hears(a.stay) &&
      this.#relay.hears(b.stay) &&
      a.reaches(b.stay) &&
      b.reaches(a.stay)
    if (free) this.#freeSince ??= now
    if (free || this.#freeSince === undefined) return
    this.#stretches.push({ from: this.#freeSince, to: now })
    this.#freeSince = undefined
  }

  /** How long the way has been free at a stretch since a message was sent between two that are still there. */
  #freeFor({ from, to, sentAt }: Letter): number {
    const stays = this.sides.map(({ stay }) => stay)
    if (!stays.includes(from) || !stays.includes(to)) return 0
    const { now } = this.agenda
    // Of more than twenty stretches within the life of a message none is long enough to matter.
    const stretches = [...this.#stretches.slice(-20), { from: this.#freeSince ?? now, to: now }]
    return Math.max(...stretches.map((stretch) => stretch.to - Math.max(stretch.from, sentAt)))
  }
}
