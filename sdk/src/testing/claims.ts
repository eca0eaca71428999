/** Tokens of the test server: what a real one says, and no signature. */

/**
 * What a token says; see `docs/protocol.md`, section "JWT claims".
 *
 * @example
 * const claims: TestClaims = { sub: 'alice', room: 'standup', name: 'Alice', can: ['signal', 'message', 'moderate'] }
 * const token = server.token(claims)
 */
export interface TestClaims {
  /** Who it is for. */
  readonly sub: string
  /** The room. */
  readonly room: string
  /** When it expires, in seconds of the test server's clock; by default in an hour. */
  readonly exp?: number
  /** A name to show. */
  readonly name?: string
  /** What the backend says about it. */
  readonly metadata?: unknown
  /** What it allows; by default `signal`, `message` and `turn`. */
  readonly can?: readonly ('broadcast' | 'message' | 'moderate' | 'signal' | 'turn')[]
  /** Joins only a room that then has at most so many peers. */
  readonly maxPeers?: number
  /** What happens where the identity is in the room already. */
  readonly duplicates?: 'allow' | 'reject' | 'replace'
}

/** What a token without `can` allows. */
export const DEFAULT_CAN: readonly string[] = ['signal', 'message', 'turn']

const HEADER = encode({ alg: 'none', typ: 'JWT' })

/** Writes a token. */
export function tokenOf(claims: TestClaims & { readonly exp: number }): string {
  return `${HEADER}.${encode(claims)}.unsigned`
}

/** Reads a token that {@link tokenOf} wrote. */
export function claimsOf(token: string): (TestClaims & { readonly exp: number }) | undefined {
  try {
    const [header, body = ''] = token.split('.')
    const letters = atob(body.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0))
    const claims = header === HEADER ? JSON.parse(new TextDecoder().decode(bytes)) : undefined
    return typeof claims?.sub === 'string' ? claims : undefined
  } catch {
    return undefined
  }
}

function encode(value: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(value))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}
