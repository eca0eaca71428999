/** The URLs of a server. */

import { AldisError } from './errors.ts'

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
export function endpointOf(base: string | URL, room: string): Endpoint {
  if (!ROOM_ID.test(room)) {
    throw new AldisError(
      'invalid-option',
      `\`room\` must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, not ${JSON.stringify(room)}.`,
    )
  }
  const url = parse(base)
  const secure = url.protocol === 'https:' || url.protocol === 'wss:'
  const path = `${url.host}${url.pathname.replace(/\/+$/, '')}`
  const query = new URLSearchParams({ room })
  const [http, ws] = secure ? ['https', 'wss'] : ['http', 'ws']
  return {
    socket: `${ws}://${path}/v1/signal?${query}`,
    probe: `${http}://${path}/v1/signal?${query}`,
    devToken: (identity) => `${http}://${path}/dev/token?${new URLSearchParams({ room, identity })}`,
  }
}

function parse(base: string | URL): URL {
  let cause: unknown
  try {
    // A page may name its own server by a path alone.
    const url = new URL(base, String(base)[0] === '/' ? globalThis.location?.href : undefined)
    if (/^(https?|wss?):$/.test(url.protocol)) return url
  } catch (error) {
    cause = error
  }
  throw new AldisError('invalid-option', `\`url\` must begin with http or ws, not ${JSON.stringify(String(base))}.`, { cause })
}
