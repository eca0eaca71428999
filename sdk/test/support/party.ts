/** A room that was joined, and what happens in it. */

import type { AldisError } from '../../src/errors.ts'
import type { OfferSignal, Relayed, Signal, WelcomeMessage, WirePeer } from '../../src/generated/wire.ts'
import { type JoinOptions, joinRoom } from '../../src/join.ts'
import type { Peer } from '../../src/peer.ts'
import type { Room, RoomEvents } from '../../src/room.ts'
import { settle } from './clock.ts'
import { type FakePeerConnection, sdpOf } from './connection.ts'
import { last } from './lists.ts'
import { newWorld, type World } from './world.ts'

/** A page that has joined a room. */
export interface Party extends World {
  readonly room: Room
  /** Every event but `negotiation`, oldest first. */
  readonly events: { [Name in keyof RoomEvents]?: RoomEvents[Name][] }
  /** The same in one line each, in the order in which they came: its name, whom it is about, and what it says. */
  readonly log: string[]
  /** The steps of all negotiations. */
  readonly steps: string[]
  /** Somebody in the room. */
  peer(id: string): Peer
  /** The newest connection. */
  connection(): FakePeerConnection
  /** What was sent to a peer on the newest socket, as its types. */
  sentTo(id: string): Signal['type'][]
  /** The offers that were sent on the newest socket. */
  offers(): OfferSignal[]
}

export interface PartyOptions extends Partial<Omit<JoinOptions, 'room'>> {
  /** Who is there already. */
  readonly peers?: readonly WirePeer[]
  readonly welcome?: Partial<WelcomeMessage>
}

const NAMES = [
  'status',
  'peer-joined',
  'peer-left',
  'peer-updated',
  'peer-state',
  'track',
  'track-removed',
  'message',
  'error',
] as const

/** Joins. What happens before `joinRoom` has resolved is not among the events. */
export async function join({ peers = [], welcome, environment, ...options }: PartyOptions = {}): Promise<Party> {
  const world = newWorld(environment)
  const joining = joinRoom('https://rtc.example.org', {
    room: 'standup',
    token: 'fixed',
    ...options,
    environment: world.environment,
  })
  await world.server.welcome({ peers, ...welcome })
  const room = await joining
  // Only tried out.
  if (options.rtc) world.connections.shift()
  const events: Party['events'] = {}
  const log: string[] = []
  const steps: string[] = []
  for (const name of NAMES) {
    room.on(name, (event) => {
      Object.assign(events, { [name]: [...(events[name] ?? []), event] })
      log.push(lineOf(name, event))
    })
  }
  room.on('negotiation', ({ step }) => steps.push(step))
  const signals = (): Signal[] => world.server.socket.sent.filter((message): message is Signal => 'to' in message)
  return {
    ...world,
    room,
    events,
    log,
    steps,
    peer: (id) => {
      const peer = room.peers.get(id)
      if (peer === undefined) throw new Error(`${id} is not in the room.`)
      return peer
    },
    connection: () => last(world.connections),
    sentTo: (id) => signals().flatMap(({ to, type }) => (to === id ? [type] : [])),
    offers: () => signals().filter((signal): signal is OfferSignal => signal.type === 'offer'),
  }
}

function lineOf(name: string, event: RoomEvents[(typeof NAMES)[number]]): string {
  const { peer, status, state, reason, error, data } = event as {
    [Field in 'data' | 'error' | 'peer' | 'reason' | 'state' | 'status']?: unknown
  }
  const who = peer && (peer as Peer).id
  const code = error && (error as AldisError).code
  // The reason of a state is a sentence for people.
  return [name, who, status ?? state ?? reason ?? code ?? data].filter((part) => part !== undefined).join(' ')
}

/** Time goes by, and the server is heard of all the while. */
export async function pass(party: Party, ms: number): Promise<void> {
  const end = party.clock.now() + ms
  while (party.clock.now() < end) {
    party.server.socket.say({ type: 'pong' })
    await party.clock.advance(Math.min(5_000, end - party.clock.now()))
  }
}

/** Says something in a peer's name. */
export async function relay(party: Party, message: Relayed): Promise<void> {
  party.server.socket.say(message)
  await settle()
}

/** A peer with this library makes its offer of a generation, and the connection stands. */
export async function callFrom(party: Party, id: string, g = 1): Promise<FakePeerConnection> {
  await relay(party, { type: 'offer', from: id, sdp: sdpOf(`${id}${g}`), x: { g, d: 1 } })
  party.connection().become('connected')
  await settle()
  return party.connection()
}

/** A peer with this library answers the latest offer to it, and the connection stands. */
export async function answerFrom(party: Party, id: string): Promise<void> {
  await settle()
  const offer = last(party.offers().filter(({ to }) => to === id))
  const { g, d } = (offer.x ?? {}) as { g?: number; d?: number }
  const numbers = g === undefined || d === undefined ? {} : { x: { g, re: d, d: 1 } }
  await relay(party, { type: 'answer', from: id, sdp: sdpOf(`${id}a`), ...numbers })
}

/** The connection to the server breaks, and is there again with the same session, or whatever `changes` say. */
export async function comeBack(party: Party, changes: Partial<WelcomeMessage> = {}): Promise<void> {
  party.server.socket.drop(1006)
  await party.clock.advance(last(party.events.status ?? []).retryInMs ?? 0)
  await party.server.welcome({ resumed: true, ...changes })
}
