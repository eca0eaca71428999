/** Stories that every implementation of the streams reads (`streams/*.json`): what is called when, and what it gives. */

import type { Position, StreamHeader } from '../../src/outgoing.ts'
import { Stream } from '../../src/stream.ts'

/** A story of two ends. */
export interface Trace {
  readonly story: string
  /** The first epochs of the ends `a` and `b`. */
  readonly epochs: readonly [number, number]
  readonly steps: readonly Step[]
}

/** One call, at a moment of virtual time, and what it gives: `null` for nothing. */
export type Step = { readonly at: number; readonly end: 'a' | 'b'; readonly gives: unknown } & Call

/** A call of {@link Stream} with its arguments. */
export type Call =
  | { readonly call: 'size' | 'peek' | 'take' | 'takeAck' | 'open' | 'shut' | 'hurry' | 'expire' | 'end' | 'nextAt' }
  | { readonly call: 'send'; readonly item: string; readonly bytes: number }
  | { readonly call: 'receive'; readonly x: StreamHeader; readonly item?: string; readonly bytes?: number }
  | { readonly call: 'postpone'; readonly position: Position; readonly retryAfterMs: number }
  | { readonly call: 'refuse'; readonly position: Position }

/** Plays a story. Returns what each step gave. */
export function play({ epochs, steps }: Trace): unknown[] {
  const ends = { a: new Stream<string>(epochs[0]), b: new Stream<string>(epochs[1]) }
  return steps.map((step) => perform(ends[step.end], step) ?? null)
}

function perform(stream: Stream<string>, step: Step): unknown {
  const { at: now } = step
  switch (step.call) {
    case 'size':
      return stream.size
    case 'send':
      return stream.send(step.item, step.bytes, now)
    case 'peek':
      return stream.peek(now)
    case 'take':
      return stream.take(now)
    case 'takeAck':
      return stream.takeAck(now)
    case 'receive':
      return stream.receive(step.x, step.item ?? '', step.bytes ?? 0, now)
    case 'postpone':
      return stream.postpone(step.position, step.retryAfterMs, now)
    case 'refuse':
      return stream.refuse(step.position)
    case 'open':
      return stream.open(now)
    case 'shut':
      return stream.shut()
    case 'hurry':
      return stream.hurry(now)
    case 'expire':
      return stream.expire(now)
    case 'end':
      return stream.end()
    case 'nextAt':
      return stream.nextAt(now)
    default:
      throw new Error(`A stream has no call ${JSON.stringify(step satisfies never)}.`)
  }
}
