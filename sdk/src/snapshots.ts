/**
 * What is visible now, as values for frameworks: the same object until something in it is another one. That is what React's
 * `useSyncExternalStore` and its likes ask for.
 */

import { rethrow } from './errors.ts'
import type { Unsubscribe } from './events.ts'
import { checkFunction } from './options.ts'

/** A value that is made when somebody asks, and kept for as long as nothing in it changes. */
export class Snapshots<Value> {
  readonly #make: () => Value
  readonly #listeners = new Set<() => void>()
  #value: Value | undefined
  /** Whether something may have changed since the value was made. */
  #stale = true
  /** What the listeners were told of last. */
  #told: Value | undefined

  /** @param make the value as it is now */
  constructor(make: () => Value) {
    this.#make = make
  }

  /** The value; the same object as before where nothing has changed. */
  get(): Value {
    if (this.#stale) this.#value = freeze(this.#value, this.#make())
    this.#stale = false
    return this.#value as Value
  }

  /** Calls `listener` after each change. Changes of one moment are one. */
  subscribe(listener: () => void): Unsubscribe {
    checkFunction('listener', listener)
    if (this.#listeners.size === 0) this.#told = this.get()
    // A function of its own, so that the same listener may be there twice.
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  /** Something may have changed. */
  touch(): void {
    this.#stale = true
    // Whoever came with the same message comes in the same change.
    if (this.#listeners.size > 0) queueMicrotask(() => this.#tell())
  }

  #tell(): void {
    const before = this.#told
    this.#told = this.get()
    if (this.#told === before) return
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        rethrow(error)
      }
    }
  }
}

/** The value that comes after `before`: whatever in it is as it was is the same object, down to the last. What is made here is frozen. */
function freeze<T>(before: unknown, after: T): T {
  if (!isPlain(after) || before === after) return after
  const known: Record<string, unknown> = isPlain(before) ? before : {}
  const made: Record<string, unknown> = Array.isArray(after) ? ([] as never) : {}
  const keys = Object.keys(after)
  for (const key of keys) made[key] = freeze(known[key], after[key])
  const same = Array.isArray(before) === Array.isArray(after) && keys.length === Object.keys(known).length
  if (same && keys.every((key) => key in known && known[key] === made[key])) return before as T
  return Object.freeze(made) as T
}

/** Objects and arrays of data; not the browser's, or ours. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === Array.prototype
}
