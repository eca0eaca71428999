/** What an `AbortSignal` does to what somebody waits for. */

import type { Unsubscribe } from './events.ts'

/** Calls `run` when the signal is aborted, until the returned function is called. */
export function whenAborted(signal: AbortSignal | undefined, run: (reason: unknown) => void): Unsubscribe {
  const abort = (): void => run(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  return () => signal?.removeEventListener('abort', abort)
}

/** Waits, unless the signal is aborted first: then the promise rejects with its reason, after `undo`. */
export async function unlessAborted<T>(waiting: Promise<T>, signal: AbortSignal | undefined, undo?: () => void): Promise<T> {
  let forget: Unsubscribe = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    forget = whenAborted(signal, (reason) => {
      reject(reason)
      undo?.()
    })
  })
  return Promise.race([waiting, aborted]).finally(() => forget())
}
