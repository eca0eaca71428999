/** What a page goes through, as far as its connections are concerned. */

import type { Cancel } from './clock.ts'

/**
 * - `left`: it goes away for good;
 * - `stowed`: it goes into the back/forward cache, where a browser may keep no page that has an open socket;
 * - `frozen`: its browser lets it run no more for now;
 * - `thawed`: it runs again;
 * - `hidden`, `visible`: its tab;
 * - `online`, `offline`, `network-changed`: its device.
 *
 * Events overlap: a page that is stowed is hidden and frozen too, and thaws twice.
 *
 * @example
 * // A page in an application, which alone knows when it runs again.
 * const watchPage = (listener: (event: PageEvent) => void) => {
 *   const thaw = () => listener('thawed')
 *   addEventListener('app-resumed', thaw)
 *   return () => removeEventListener('app-resumed', thaw)
 * }
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, environment: { watchPage } })
 */
export type PageEvent = 'left' | 'stowed' | 'frozen' | 'thawed' | 'hidden' | 'visible' | 'online' | 'offline' | 'network-changed'

/** The browser's page. Where there is none, as under Node, nothing ever happens to it. */
export function watchPage(listener: (event: PageEvent) => void): Cancel {
  const { document } = globalThis
  const end = new AbortController()
  const on = (target: EventTarget | undefined, type: string, name: (event: Event) => PageEvent | undefined): void => {
    const hear = (event: Event): void => {
      const told = name(event)
      if (told) listener(told)
    }
    target?.addEventListener?.(type, hear, { signal: end.signal })
  }
  const persisted = (event: Event): boolean => (event as PageTransitionEvent).persisted
  on(globalThis, 'pagehide', (event) => (persisted(event) ? 'stowed' : 'left'))
  on(globalThis, 'pageshow', (event) => (persisted(event) ? 'thawed' : undefined))
  on(document, 'freeze', () => 'frozen')
  on(document, 'resume', () => 'thawed')
  on(document, 'visibilitychange', () => (isHidden() ? 'hidden' : 'visible'))
  on(globalThis, 'online', () => 'online')
  on(globalThis, 'offline', () => 'offline')
  // Only Chromium has it, and tells of each new estimate too: what counts is from one network to another.
  const connection = (globalThis.navigator as { connection?: EventTarget & { readonly type?: string } } | undefined)?.connection
  let network = connection?.type
  on(connection, 'change', () => {
    const before = network
    network = connection?.type
    return network === before ? undefined : 'network-changed'
  })
  return () => end.abort()
}

/** Whether nobody sees the page, and its browser holds its timers back. */
export function isHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden'
}
