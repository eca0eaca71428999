/** Two pages in one room, with all that they say to each other carried over: what streams add, too. */

import type { ClientMessage, Relayed } from '../../src/generated/wire.ts'
import { settle } from './clock.ts'
import { last } from './lists.ts'
import { join, type Party, type PartyOptions } from './party.ts'
import type { FakeSocket } from './server.ts'
import { wirePeer } from './server.ts'

/** Both pages: the older one, which makes the first offer, and the newer. To each the other has the name that it has here. */
export interface Couple {
  readonly older: Party
  readonly newer: Party
  /** Carries over what they say until they have no more to say. */
  converse(): Promise<void>
  /** The newest connection of each stands, on both ends, and what it takes the place of is over. */
  connected(): Promise<void>
  /** Time goes by for both. */
  pass(ms: number): Promise<void>
  /** Who each of them is to the other; a new stay is another one. */
  readonly names: { older: string; newer: string }
  /** What is said to one side is lost while it is `cut`. */
  readonly ways: { older: 'cut' | 'up'; newer: 'cut' | 'up' }
}

/** Two pages that have joined, and talk to each other in a mesh unless `options` say otherwise. */
export async function couple(options: PartyOptions = {}): Promise<Couple> {
  const older = await join({ ...options, peers: [wirePeer('newer', { polite: false })] })
  const { clock } = older
  const environment = { clock, ...options.environment }
  const newer = await join({ ...options, environment, peers: [wirePeer('older')] })
  const ways: Couple['ways'] = { older: 'up', newer: 'up' }
  const read = new Map<FakeSocket, number>()
  const names = { older: 'older', newer: 'newer' }
  const carry = ({ server }: Party, to: Party, from: 'newer' | 'older', way: 'cut' | 'up'): number => {
    const { socket } = server
    socket.acknowledges = false
    const target = names[from === 'older' ? 'newer' : 'older']
    const said = socket.wire.slice(read.get(socket) ?? 0).filter((message) => 'to' in message && message.to === target)
    read.set(socket, socket.wire.length)
    if (way === 'up') for (const message of said) to.server.socket.say(relayedOf(message, names[from]))
    return said.length
  }
  const converse = async (): Promise<void> => {
    await settle()
    while (carry(older, newer, 'older', ways.newer) + carry(newer, older, 'newer', ways.older) > 0) await settle()
  }
  await converse()
  const pass = async (ms: number): Promise<void> => {
    const end = clock.now() + ms
    while (clock.now() < end) {
      for (const { server } of [older, newer]) server.socket.say({ type: 'pong' })
      await clock.advance(Math.min(100, end - clock.now()))
      await converse()
    }
  }
  return {
    older,
    newer,
    names,
    ways,
    converse,
    pass,
    connected: async () => {
      await converse()
      for (const party of [older, newer]) party.connection().become('connected')
      await pass(1_000)
    },
  }
}

/** The names of a page's connections that have not ended. */
export function alive({ connections }: Party): string[] {
  return connections.filter(({ connectionState }) => connectionState !== 'closed').map(({ name }) => name)
}

/** Makes the newest connection of a page fail for good, as Firefox does it: its channels are closed. */
export async function fail(party: Party): Promise<void> {
  const connection = last(party.connections)
  for (const channel of connection.channels) channel.end()
  connection.become('failed')
  await settle()
}

function relayedOf(message: ClientMessage, from: string): Relayed {
  const { to, msg, receipt, ...rest } = message as ClientMessage & { to?: string; msg?: string; receipt?: boolean }
  return { ...rest, from } as unknown as Relayed
}
