/** A client without calls that has joined, and what happens to it. */

import { SignalingClient, type SignalingClientEvents } from '../../src/client.ts'
import type { SignalingClientOptions } from '../../src/enter.ts'
import type { WelcomeMessage, WirePeer } from '../../src/generated/wire.ts'
import { newWorld, type World } from './world.ts'

/** A client without calls. */
export interface Alone extends World {
  readonly client: SignalingClient
  /** The events, oldest first, in one line each: whom each is about, and what it says. */
  readonly log: string[]
}

export interface AloneOptions extends Partial<Omit<SignalingClientOptions, 'room'>> {
  readonly peers?: readonly WirePeer[]
  readonly welcome?: Partial<WelcomeMessage>
}

const NAMES = ['status', 'peer-joined', 'peer-left', 'peer-updated', 'message', 'signal', 'ice-servers', 'error'] as const

/** Joins. What happens before has no line. */
export async function joinAlone({ peers = [], welcome, environment, ...options }: AloneOptions = {}): Promise<Alone> {
  const world = newWorld(environment)
  const joining = SignalingClient.join('https://rtc.example.org', {
    room: 'standup',
    token: 'fixed',
    ...options,
    environment: world.environment,
  })
  await world.server.welcome({ peers, ...welcome })
  const client = await joining
  const log: string[] = []
  for (const name of NAMES) client.on(name, (event) => log.push(lineOf(name, event)))
  return { ...world, client, log }
}

function lineOf(name: string, event: SignalingClientEvents[(typeof NAMES)[number]]): string {
  const { peer, ...rest } = event as { peer?: WirePeer } & Record<string, unknown>
  const said = Object.values(rest).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
  return [name, peer?.id, ...said].filter((part) => part !== undefined).join(' ')
}
