/** What an application may hand in, and how it is told that something is wrong with it: which option, what it must be, what was found. */

import { AldisError } from './errors.ts'

/** Refuses the value of an option. */
export function refuse(option: string, wanted: string, found: unknown): never {
  throw new AldisError('invalid-option', `\`${option}\` must be ${wanted}, not ${words(found)}.`)
}

/** Refuses what is no function. */
export function checkFunction(option: string, found: unknown): void {
  if (typeof found !== 'function') refuse(option, 'a function', found)
}

/** Refuses what is no object of options. */
export function checkObject<T>(option: string, found: T): T {
  if (typeof found !== 'object' || found === null || Array.isArray(found)) refuse(option, 'an object', found)
  return found
}

/** Refuses what is there and no `AbortSignal`. By what it has, and not by its class: a page may get it from another window. */
export function checkSignal(found: AbortSignal | undefined): void {
  if (found !== undefined && typeof found?.throwIfAborted !== 'function') refuse('signal', 'an `AbortSignal`', found)
}

/** A value, as a few words of a sentence. */
function words(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) {
    const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
    return text.length > 80 ? `${text.slice(0, 80)}…` : text
  }
  return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'Object'})`
}
