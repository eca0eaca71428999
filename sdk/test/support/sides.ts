/** Two ends of a negotiation, and the way between them. */

import type { AldisError } from '../../src/errors.ts'
import {
  type Negotiation,
  type NegotiationLink,
  type NegotiationMessage,
  type NegotiationStep,
  negotiate,
} from '../../src/negotiate.ts'
import { type FakeClock, settle } from './clock.ts'
import { FakePeerConnection } from './connection.ts'

/** One end. What it sends waits in `sent` until the test carries it over. */
export interface Side {
  readonly pc: FakePeerConnection
  readonly negotiation: Negotiation
  readonly sent: NegotiationMessage[]
  readonly steps: NegotiationStep[]
  readonly errors: AldisError[]
  /** What broke the connection. */
  readonly broken: AldisError[]
}

/** One end on its own. */
export function newSide(polite: boolean, clock: FakeClock, link: Partial<NegotiationLink> = {}): Side {
  const pc = new FakePeerConnection()
  const sent: NegotiationMessage[] = []
  const steps: NegotiationStep[] = []
  const errors: AldisError[] = []
  const broken: AldisError[] = []
  const negotiation = negotiate(pc.asBrowsers(), {
    polite,
    clock,
    send: (message) => sent.push(message),
    onStep: (step) => steps.push(step),
    onError: (error) => errors.push(error),
    onBroken: (error) => broken.push(error),
    ...link,
  })
  return { pc, negotiation, sent, steps, errors, broken }
}

/** Both ends: the impolite one, which makes the first offer, and the polite one. */
export function twoSides(clock: FakeClock, link: Partial<NegotiationLink> = {}): { impolite: Side; polite: Side } {
  return { impolite: newSide(false, clock, link), polite: newSide(true, clock, link) }
}

/** Carries everything that one end has said so far to the other. */
export async function carry(from: Side, to: Side): Promise<void> {
  await settle()
  for (const message of from.sent.splice(0)) void to.negotiation.receive(message)
  await settle()
}

/** Carries messages in both directions until there are none. */
export async function converse(one: Side, other: Side): Promise<void> {
  await settle()
  while (one.sent.length + other.sent.length > 0) {
    await carry(one, other)
    await carry(other, one)
  }
}

/** What keeps two ends from being done with each other; empty where nothing does. */
export function disagreements({ impolite, polite }: { impolite: Side; polite: Side }): string[] {
  const sdp = (description: RTCSessionDescriptionInit | null): string => description?.sdp ?? 'none'
  const facts: [boolean, string][] = [
    [impolite.pc.unfinished, 'the impolite side is not done'],
    [polite.pc.unfinished, 'the polite side is not done'],
    [sdp(impolite.pc.currentLocalDescription) !== sdp(polite.pc.currentRemoteDescription), 'the impolite description differs'],
    [sdp(polite.pc.currentLocalDescription) !== sdp(impolite.pc.currentRemoteDescription), 'the polite description differs'],
    ...[impolite, polite]
      .flatMap(({ errors, broken }) => [...errors, ...broken])
      .map((error): [boolean, string] => [true, String(error)]),
  ]
  return facts.filter(([is]) => is).map(([, fact]) => fact)
}
