/** Typed events. */

import { rethrow } from './errors.ts'
import { checkFunction } from './options.ts'

/**
 * Ends a subscription; calling it again does nothing.
 *
 * @example
 * const off: Unsubscribe = room.on('status', ({ status }) => show(status))
 * off()
 */
export type Unsubscribe = () => void

/**
 * Something that has events. `Events` maps a name to what its listeners get.
 *
 * @example
 * // Rooms, clients without calls, channels and calls are emitters.
 * function log<Events>(target: Emitter<Events>, name: keyof Events) {
 *   return target.on(name, (event) => show(name, event))
 * }
 * log(room, 'status')
 * log(chat, 'message')
 */
export class Emitter<Events> {
  readonly #listeners: { [Name in keyof Events]?: Set<(event: Events[Name]) => void> } = {}

  /**
   * Calls `listener` at each event of this name, until the function that `on` returns is called. A listener that throws keeps nobody
   * else from hearing: its error reaches the console as uncaught.
   *
   * @example
   * const off = room.on('peer-joined', ({ peer }) => greet(peer))
   * off()
   */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Unsubscribe {
    checkFunction('listener', listener)
    const listeners = this.#listeners[name] ?? new Set()
    this.#listeners[name] = listeners
    // A function of its own, so that the same listener may be there twice.
    const entry = (event: Events[Name]): void => listener(event)
    listeners.add(entry)
    return () => {
      listeners.delete(entry)
    }
  }

  /**
   * Tells the listeners. One that throws does not keep the others from hearing it, nor whoever emits from going on.
   * @internal
   */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(event)
      } catch (error) {
        rethrow(error)
      }
    }
  }
}
