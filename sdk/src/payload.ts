/** The application's own data, if a server takes it: what it does not even read, it could not refuse by name. */

import { AldisError } from './errors.ts'
import type { ClientLimits } from './generated/wire.ts'
import { refuse } from './options.ts'

/** How much of it there may be. */
export interface PayloadLimits {
  readonly bytes: number
  readonly depth: number
}

/** The data as it is now: the application may change it before it is sent again. */
export function payloadOf(option: string, data: unknown, { bytes, depth }: PayloadLimits): unknown {
  const text = textOf(data)
  if (text === undefined) refuse(option, 'JSON: no function, no `BigInt`, and nothing that contains itself', data)
  // These are what is left of half a character, which no server passes on.
  if (/(?<!\\)(\\\\)*\\ud[89a-f]/.test(text)) refuse(option, 'whole characters', 'a string that ends within one')
  const { length } = new TextEncoder().encode(text)
  if (length > bytes) {
    throw new AldisError('message-too-large', `\`${option}\` has ${length} bytes, and the server takes ${bytes}.`)
  }
  const sent: unknown = JSON.parse(text)
  if (depthOf(sent) > depth) refuse(option, `nested in at most ${depth} levels`, 'deeper')
  return sent
}

/** The limits of a message of so many bytes beside the data. The message itself is the first level. */
export function limitsOf(limits: ClientLimits | undefined, beside: number): PayloadLimits {
  const { messageBytes = Number.POSITIVE_INFINITY, jsonDepth = Number.POSITIVE_INFINITY } = limits ?? {}
  return { bytes: messageBytes - beside, depth: jsonDepth - 1 }
}

function textOf(data: unknown): string | undefined {
  try {
    // It would leave functions out without a word; a `BigInt` is what it refuses.
    return JSON.stringify(data, (_, value: unknown) => (typeof value === 'function' ? 0n : value))
  } catch {
    return undefined
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
