/** Two pages without a server, each with a network and a clock of the test's. */

import type { Call, CallEvents, ManualOptions } from '../../src/manual/call.ts'
import type { PageEvent } from '../../src/page.ts'
import { TestNetwork } from '../../src/testing/network.ts'
import { FakeClock } from './clock.ts'
import { newWorld, type World } from './world.ts'

/** Where two pages are. */
export interface Place {
  readonly clock: FakeClock
  readonly network: TestNetwork
  /** The options of a page, and what it goes through. */
  page(): { readonly options: ManualOptions; readonly world: World; tell(event: PageEvent): void }
}

export function newPlace(): Place {
  const clock = new FakeClock()
  const network = new TestNetwork()
  return {
    clock,
    network,
    page: () => {
      const world = newWorld({ clock, createConnection: network.createConnection })
      return { world, options: { environment: world.environment }, tell: (event) => world.page(event) }
    },
  }
}

/** Everything that a call tells, one line each. */
export function logOf(call: Call): string[] {
  const log: string[] = []
  const note = (name: keyof CallEvents, ...words: unknown[]): void => void log.push([name, ...words].join(' '))
  call.on('state', ({ state, reason }) => note('state', state, ...(reason === undefined ? [] : [reason])))
  call.on('track', ({ track }) => note('track', track.kind))
  call.on('track-removed', ({ track }) => note('track-removed', track.kind))
  call.on('error', ({ error }) => note('error', error.code))
  return log
}
