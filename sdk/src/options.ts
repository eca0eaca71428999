/** What an application may hand in, and how it is told that something is wrong with it: which option, what it must be, what was found. */

import type { Clock } from './clock.ts'
import { AldisError } from './errors.ts'

/** Refuses the value of an option. */
export function refuse(option: string, wanted: string, found: unknown): never {
  throw new AldisError('invalid-option', `\`${option}\` must be ${wanted}, not ${words(found)}.`)
}

/** Refuses what an option must not be; `undefined` is as if it were not there. */
export type Check = (option: string, found: unknown) => void

/** The options that there are. */
export type Checks = Readonly<Record<string, Check>>

/** Refuses options of an object that there are not, so that none is misspelt in vain, and those that are not as they must be. */
export function checkOptions(options: unknown, checks: Checks): void {
  for (const [key, found] of Object.entries(checkObject('options', options) as object)) {
    const check = checks[key] ?? refuse('options', `made of ${Object.keys(checks).join(', ')}`, key)
    if (found !== undefined) check(key, found)
  }
}

/** Refuses what is none of these words. */
export function oneOf(wanted: string): Check {
  return (option, found) => {
    if (typeof found !== 'string' || !wanted.includes(`'${found}'`)) refuse(option, wanted, found)
  }
}

/** Refuses what is no amount of something. */
export function numberOf(what: string): Check {
  return (option, found) => {
    if (!(typeof found === 'number' && found >= 0)) refuse(option, `a number of ${what}`, found)
  }
}

/** Refuses what is neither `true` nor `false`. */
export function checkBoolean(option: string, found: unknown): void {
  if (typeof found !== 'boolean') refuse(option, '`true` or `false`', found)
}

/** Refuses nothing: where it is checked later. */
export function checkNothing(): void {}

/** Refuses what is no function. */
export function checkFunction(option: string, found: unknown): void {
  if (typeof found !== 'function') refuse(option, 'a function', found)
}

/** Refuses what is no class; functions that cannot be one have no prototype. */
export function checkClass(option: string, found: unknown): void {
  if (!(found as { readonly prototype?: unknown } | null)?.prototype) refuse(option, 'a class', found)
}

/** Refuses what is no object of options. */
export function checkObject<T>(option: string, found: T): T {
  if (typeof found !== 'object' || found === null || Array.isArray(found)) refuse(option, 'an object', found)
  return found
}

/** Refuses what is no `AbortSignal`. By what it has, and not by its class: a page may get it from another window. */
export function checkSignal(option: string, found: unknown): void {
  if (typeof (found as AbortSignal | null)?.throwIfAborted !== 'function') refuse(option, 'an `AbortSignal`', found)
}

/** The signal of options that have nothing else; throws its reason where it was aborted before. */
export function signalIn(options: { readonly signal?: AbortSignal | undefined }): AbortSignal | undefined {
  checkOptions(options, { signal: checkSignal })
  options.signal?.throwIfAborted()
  return options.signal
}

/** Refuses what does not tell the time. */
export function checkClock(option: string, found: unknown): void {
  checkFunction(`${option}.after`, (found as Clock | null)?.after)
}

/** Refuses what is no part of the world: its clock, and functions. */
export function checkWorld(option: string, found: unknown): void {
  for (const [name, part] of Object.entries(checkObject(option, found) as object)) {
    if (name === 'clock') checkClock(`${option}.clock`, part)
    else if (part !== undefined) checkFunction(`${option}.${name}`, part)
  }
}

/** The same, and what is no part of it at all: `own` has them all. */
export function checkParts(option: string, found: unknown, own: object): void {
  checkWorld(option, found)
  for (const key of Object.keys(found as object)) {
    if (!(key in own)) refuse(option, `made of ${Object.keys(own).join(', ')}`, key)
  }
}

/** A value, as a few words of a sentence. */
function words(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80))
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'Object'})`
}
