/** The URLs of a server. */

import { refuse } from './options.ts'

/** The characters of a room id, as the protocol has them. */
const ROOM_ID = /^[A-Za-z0-9._:@-]{1,128}$/

/** The URLs that one room of one server has. */
export interface Endpoint {
  /** The WebSocket. */
  readonly socket: string
  /** The same, asked without a WebSocket: would it be let in? */
  readonly probe: string
  /** Where a development server gives out tokens. */
  devToken(identity: string): string
}

/**
 * Finds the URLs from the server's base, as `https://rtc.example.org` or `https://example.org/aldis`.
 *
 * @throws AldisError `invalid-option`
 */
export function endpointOf(server: string | URL, room: string): Endpoint {
  checkRoom('room', room)
  const url = parse(server)
  const scheme = /^(?:http|ws)(s?):$/.exec(url?.protocol ?? '')
  if (!url || !scheme) refuse('url', 'a URL of http or ws', String(server))
  const base = `${scheme[1]}://${url.host}${url.pathname.replace(/\/+$/, '')}`
  const signal = `${base}/v1/signal?${new URLSearchParams({ room })}`
  return {
    socket: `ws${signal}`,
    probe: `http${signal}`,
    devToken: (identity) => `http${base}/dev/token?${new URLSearchParams({ room, identity })}`,
  }
}

/** Refuses what is no name of a room. */
export function checkRoom(option: string, found: unknown): void {
  const good = typeof found === 'string' && ROOM_ID.test(found)
  if (!good) refuse(option, 'a string of 1 to 128 characters of A-Z a-z 0-9 . _ : @ -', found)
}

function parse(base: string | URL): URL | undefined {
  try {
    // A page may name its own server by a path alone.
    return new URL(base, String(base)[0] === '/' ? globalThis.location?.href : undefined)
  } catch {
    return undefined
  }
}
