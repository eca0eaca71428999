/** Letters, and what became of them. */

import type { Relayed, Signal } from '../../src/generated/wire.ts'
import type { Lane, Letter } from '../../src/lane.ts'

/** What became of letters, by their text, in the order in which it was known. */
export type Fates = [text: string, fate: string][]

/** A letter whose fate is noted: `delivered`, or the code and the outcome of its error. */
export function letter(fates: Fates, text: string, bytes = 100): Letter {
  return {
    parcel: { type: 'message', data: text },
    bytes,
    settle: (failure) => fates.push([text, failure ? `${failure.code} ${failure.outcome}` : 'delivered']),
  }
}

/** Takes everything that may go now. */
export function takeAll(lane: Lane, now: number): Signal[] {
  const signals: Signal[] = []
  while (lane.peek(now) !== undefined) {
    const signal = lane.take(now)
    if (signal === undefined) throw new Error('What may go is not there.')
    signals.push(signal)
  }
  return signals
}

/** The texts of messages. */
export function texts(messages: readonly (Relayed | Signal)[]): unknown[] {
  return messages.map((message) => (message.type === 'message' ? message.data : message.type))
}
