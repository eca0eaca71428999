/** What the test server says when something is refused. */

import { CLOSE_CODES, type ErrorCode, type WireError } from '../generated/wire.ts'

/** The codes by the status of their refusals; `docs/protocol.md` has them too. */
const CODES = {
  400: ['bad-json', 'bad-envelope', 'unknown-type', 'too-deep', 'bad-request', 'protocol-unsupported'],
  401: ['token-missing', 'token-invalid', 'token-expired'],
  403: ['forbidden', 'token-revoked', 'origin-forbidden'],
  404: ['unknown-peer', 'not-found'],
  405: ['method-not-allowed'],
  406: ['not-acceptable'],
  408: ['hello-timeout', 'heartbeat-timeout'],
  409: ['room-full', 'identity-taken', 'superseded', 'replaced'],
  410: ['peer-gone', 'removed', 'gone'],
  413: ['too-large'],
  425: ['out-of-order'],
  426: ['upgrade-invalid'],
  429: ['rate-limited', 'connection-limit', 'address-limit'],
  500: ['internal'],
  503: ['queue-full', 'unavailable', 'slow-reader', 'draining', 'overloaded'],
} as const satisfies Readonly<Record<number, readonly ErrorCode[]>>

/** The status of each. The type says that none is missing. */
export const STATUS: ReadonlyMap<string, number> = new Map(
  Object.entries(CODES).flatMap(([status, codes]) =>
    codes.map((code: ErrorCode extends (typeof CODES)[keyof typeof CODES][number] ? string : never) => [code, Number(status)]),
  ),
)

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
  return new Response(JSON.stringify(error), { status: STATUS.get(error.code) ?? 400, headers })
}
