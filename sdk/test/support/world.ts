/** Everything that the library takes from the world around it, in the test's hands. */

import type { Environment } from '../../src/environment.ts'
import type { PageEvent } from '../../src/page.ts'
import { FakeClock } from './clock.ts'
import { FakePeerConnection } from './connection.ts'
import { FakeServer } from './server.ts'

/** A browser page. */
export interface World {
  readonly clock: FakeClock
  readonly server: FakeServer
  /** Every connection that was made, oldest first. */
  readonly connections: FakePeerConnection[]
  /** Refuses the next connection. */
  refuseConnection(error: unknown): void
  /** The lines for the developer. */
  readonly warnings: string[]
  readonly environment: Environment
  /** Whether somebody wants to know what the page goes through. */
  watched(): boolean
  /** The page goes through something. */
  page(event: PageEvent): void
}

/** A page on which nothing has happened yet. Chance always says the same. */
export function newWorld(changes: Partial<Environment> = {}): World {
  const clock = new FakeClock()
  const server = new FakeServer()
  const connections: FakePeerConnection[] = []
  const warnings: string[] = []
  const refusals: unknown[] = []
  const watchers = new Set<(event: PageEvent) => void>()
  let hidden = false
  const environment: Environment = {
    clock,
    random: () => 0.5,
    openSocket: server.openSocket,
    fetch: server.fetch,
    createConnection: (configuration) => {
      if (refusals.length > 0) throw refusals.shift()
      const connection = new FakePeerConnection(configuration)
      connections.push(connection)
      return connection.asBrowsers()
    },
    getUserMedia: undefined,
    getDisplayMedia: undefined,
    getCapabilities: () => [],
    watchPage: (listener) => {
      watchers.add(listener)
      return () => {
        watchers.delete(listener)
      }
    },
    isHidden: () => hidden,
    warn: (line) => warnings.push(line),
    ...changes,
  }
  return {
    clock,
    server,
    connections,
    refuseConnection: (error) => refusals.push(error),
    warnings,
    environment,
    watched: () => watchers.size > 0,
    page: (event) => {
      if (event === 'hidden' || event === 'visible') hidden = event === 'hidden'
      for (const watcher of [...watchers]) watcher(event)
    },
  }
}
