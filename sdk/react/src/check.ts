/** What a component hands to a hook: what is wrong with it is said as the client does. */

import { AldisError } from 'aldis-client'

/** The events of a channel. */
const EVENTS = ['message', 'open', 'close']

/** Refuses what has no such method; nothing is nothing. */
export function check(option: string, wanted: string, found: unknown, method: string): void {
  const isThere = found !== undefined && found !== null
  if (isThere && typeof (found as Readonly<Record<string, unknown>>)[method] !== 'function') refuse(option, wanted, found)
}

/** Refuses handlers of events that there are not, and what is no function. */
export function checkHandlers(handlers: unknown): void {
  if (typeof handlers !== 'object' || handlers === null) refuse('handlers', 'an object', handlers)
  for (const [event, handler] of Object.entries(handlers)) {
    if (!EVENTS.includes(event)) refuse('handlers', `made of ${EVENTS.join(', ')}`, event)
    if (handler !== undefined && typeof handler !== 'function') refuse(`handlers.${event}`, 'a function', handler)
  }
}

/** Refuses what a hook was given. */
export function refuse(option: string, wanted: string, found: unknown): never {
  const what =
    typeof found === 'object' && found ? 'an object' : typeof found === 'string' ? JSON.stringify(found) : String(found)
  throw new AldisError('invalid-option', `\`${option}\` must be ${wanted}, not ${what}.`)
}
