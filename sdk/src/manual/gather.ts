/** Waiting for the addresses of this side: a text is carried once, so they have to be in it. */

import type { Clock } from '../clock.ts'
import { Scope } from '../scope.ts'

/** Resolves when the browser has found all of them, and after `ms` milliseconds at the latest: a server that does not answer is slow. */
export function gathered(connection: RTCPeerConnection, clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const scope = new Scope(clock)
    const end = (): void => {
      scope.end()
      resolve()
    }
    const look = (): void => (connection.iceGatheringState === 'complete' ? end() : undefined)
    connection.addEventListener('icegatheringstatechange', look)
    scope.defer(() => connection.removeEventListener('icegatheringstatechange', look))
    scope.after(ms, end)
    look()
  })
}
