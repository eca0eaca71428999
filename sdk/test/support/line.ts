/** The way to a server, and everything that it tells. */

import { expect } from 'vitest'
import { endpointOf } from '../../src/endpoint.ts'
import type { Environment } from '../../src/environment.ts'
import type { ServerMessage, WelcomeMessage } from '../../src/generated/wire.ts'
import { Signaling, type SignalingOptions, type StatusEvent } from '../../src/signaling.ts'
import { type TokenOption, tokenSource } from '../../src/token.ts'
import { settle } from './clock.ts'
import { last } from './lists.ts'
import { newWorld, type World } from './world.ts'

/** A connection, and everything that it tells. */
export interface Line extends World {
  readonly signaling: Signaling
  readonly statuses: StatusEvent[]
  readonly welcomes: WelcomeMessage[]
  readonly messages: ServerMessage[]
  /** How often it was lost. */
  lost(): number
  /** The latest status. */
  status(): StatusEvent
}

export interface LineOptions extends Partial<Pick<SignalingOptions, 'features' | 'joinTimeoutMs' | 'transport'>> {
  readonly token?: TokenOption
  readonly random?: () => number
  readonly fetch?: Environment['fetch']
}

export function newLine({
  token,
  random = () => 0.5,
  features = [],
  joinTimeoutMs = 10_000,
  transport = 'websocket',
  fetch,
}: LineOptions = {}): Line {
  const world = newWorld({ random, ...(fetch && { fetch }) })
  const endpoint = endpointOf('https://rtc.example.org', 'standup')
  let count = 0
  const source = tokenSource(token ?? (() => `token${++count}`), endpoint, world.environment)
  const signaling = new Signaling({ endpoint, token: source, features, environment: world.environment, joinTimeoutMs, transport })
  const statuses: StatusEvent[] = []
  const welcomes: WelcomeMessage[] = []
  const messages: ServerMessage[] = []
  let lost = 0
  signaling.on('status', (event) => statuses.push(event))
  signaling.on('welcome', (event) => welcomes.push(event))
  signaling.on('message', (event) => messages.push(event))
  signaling.on('lost', () => {
    lost += 1
  })
  return { ...world, signaling, statuses, welcomes, messages, lost: () => lost, status: () => last(statuses) }
}

export async function started(options?: LineOptions): Promise<Line> {
  const line = newLine(options)
  line.signaling.start()
  await settle()
  return line
}

export async function joined(options?: LineOptions): Promise<Line> {
  const line = await started(options)
  await line.server.welcome()
  return line
}

/** What each socket was opened with. */
export function tokens({ server }: Line): string[] {
  return server.sockets.map(({ token }) => token)
}

/** Loses the connection that a line has, and waits until it is there again. */
export async function comeBack(line: Line, changes?: Partial<WelcomeMessage>): Promise<void> {
  line.server.socket.drop(1006)
  await line.clock.advance(line.status().retryInMs ?? 0)
  await line.server.welcome(changes)
}

/** That nothing goes on: no timer is planned, no socket is open, and nothing happens any more. */
export async function expectSilence(line: Line): Promise<void> {
  const { length } = line.statuses
  const sockets = line.server.sockets.length
  expect(line.clock.planned).toBe(0)
  await line.clock.advance(3_600_000)
  expect(line.statuses).toHaveLength(length)
  expect(line.server.sockets).toHaveLength(sockets)
}
