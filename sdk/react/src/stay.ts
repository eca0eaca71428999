/**
 * The stay that a component holds: joining, the room, and why there is none. A store outside React, because what such a store tells is
 * rendered at once, effects included: whoever listens to the room does so before the server's next message is read.
 */

import type { AldisError, Room } from 'aldis-client'

/** How a stay is. */
export interface StayState {
  /** Which one it is; nothing where there is none yet. */
  readonly key?: string
  /** The room, once it was joined. */
  readonly room?: Room
  /** Why it was not joined, or what the last change of its status said. */
  readonly error?: AldisError | undefined
}

/** Joins, until the signal is aborted; then it leaves. */
export type Join = (signal: AbortSignal) => Promise<Room>

const NOTHING: StayState = {}

/** One stay after the other, of one component. */
export class Stay {
  readonly #listeners = new Set<() => void>()
  #state = NOTHING

  /** How it is; the same object until that changes. */
  readonly get = (): StayState => this.#state

  /** How it is where there is no browser. */
  readonly getOnServer = (): StayState => NOTHING

  /** Calls `listener` after every change. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Joins under a name; the function that it returns gives up or leaves. Whatever is ended at once has never begun. */
  begin(key: string, join: Join): () => void {
    const end = new AbortController()
    // StrictMode mounts, unmounts and mounts again in one breath: by then only the last is left.
    queueMicrotask(() => {
      if (!end.signal.aborted) void this.#join(key, join, end.signal)
    })
    return () => {
      end.abort()
      if (this.#state !== NOTHING) this.#set(NOTHING)
    }
  }

  async #join(key: string, join: Join, signal: AbortSignal): Promise<void> {
    const tell = (state: StayState): void => {
      if (!signal.aborted) this.#set({ key, ...state })
    }
    try {
      const room = await join(signal)
      room.on('status', ({ error }) => tell({ room, error }))
      tell({ room })
    } catch (error) {
      // Joining rejects with nothing else, unless it is aborted.
      tell({ error: error as AldisError })
    }
  }

  #set(state: StayState): void {
    this.#state = state
    for (const listener of [...this.#listeners]) listener()
  }
}
