/** What the test server says when something is refused. */

import { CLOSE_CODES, type ErrorCode, type WireError } from '../generated/wire.ts'

/** The statuses of refusals that are no 400; `docs/protocol.md` has all of them. */
const STATUS: { readonly [code in ErrorCode]?: number } = {
  'token-missing': 401,
  'token-invalid': 401,
  'token-expired': 401,
  forbidden: 403,
  'origin-forbidden': 403,
  'room-full': 409,
  'identity-taken': 409,
  'connection-limit': 429,
  'address-limit': 429,
  'rate-limited': 429,
  draining: 503,
  overloaded: 503,
  unavailable: 503,
  internal: 500,
}

/** An error as the wire has it. Its words are the test server's own: go by the code. */
export function wireError(code: ErrorCode, message: string = `The test server says ${code}.`): WireError {
  return { code, message }
}

/** The code that a connection is closed with after an error. */
export function closeCodeOf(code: ErrorCode): number {
  const row = Object.entries(CLOSE_CODES).find(([, { errors }]) => errors?.includes(code))
  return code === 'forbidden' ? 4403 : Number(row?.[0] ?? 1011)
}

/** The same error as the answer to a request that is no WebSocket. */
export function problemOf(error: WireError): Response {
  const headers = { 'content-type': 'application/problem+json' }
  return new Response(JSON.stringify(error), { status: STATUS[error.code] ?? 400, headers })
}
