/** Where tokens come from. */

import type { Endpoint } from './endpoint.ts'
import type { SignalingEnvironment } from './environment.ts'
import { AldisError, asAldisError } from './errors.ts'
import { refuse } from './options.ts'
import { refusalOf, unreachable } from './problem.ts'

/**
 * A token, or a function that gets one: it is called for each connection and before the token expires, so it should return a fresh one.
 * A token that is given as text cannot be renewed: when it has expired the status is `failed`.
 *
 * @example
 * const token: TokenOption = () => fetch('/token').then((answer) => answer.text())
 * await joinRoom('https://rtc.example.org', { room: 'standup', token })
 */
export type TokenOption = string | (() => string | Promise<string>)

/** Only `aldis dev` gives out tokens by itself. */
const HINT = 'Pass `token`: one that your backend made, or a function that gets one.'

/** Gets tokens. */
export interface TokenSource {
  /** Whether asking again may bring another one. */
  readonly renewable: boolean
  /** Gets one; rejects with an {@link AldisError}. */
  get(): Promise<string>
}

/** Refuses what is neither a token nor a function. */
export function checkToken(option: string, found: unknown): void {
  if (typeof found !== 'string' && typeof found !== 'function') refuse(option, 'a string or a function', found)
}

/** The source for an option. Without one, a development server is asked. */
export function tokenSource(option: TokenOption | undefined, endpoint: Endpoint, environment: SignalingEnvironment): TokenSource {
  if (option === undefined) return developmentTokens(endpoint, environment)
  if (typeof option === 'string') return { renewable: false, get: async () => checked(option) }
  return {
    renewable: true,
    get: async () => {
      let token: string
      try {
        token = await option()
      } catch (error) {
        const failed = asAldisError(error, 'token-failed', 'The `token` function failed')
        throw new AldisError(failed.code, failed.message, { cause: error, retryable: true })
      }
      return checked(token)
    },
  }
}

function checked(token: unknown): string {
  // These are the characters of a JSON Web Token; anything else cannot be a WebSocket subprotocol either.
  if (typeof token === 'string' && /^[\w.=-]+$/.test(token)) return token
  throw new AldisError('token-failed', `The \`token\` of type ${typeof token} is not a JSON Web Token.`, { hint: HINT })
}

function developmentTokens(endpoint: Endpoint, environment: SignalingEnvironment): TokenSource {
  // One identity for the whole stay: a session resumes only as who it was.
  const identity = `guest-${Math.floor(environment.random() * 36 ** 4)
    .toString(36)
    .padStart(4, '0')}`
  return { renewable: true, get: () => ask(endpoint.devToken(identity), environment) }
}

async function ask(url: string, environment: SignalingEnvironment): Promise<string> {
  let answer: Response
  try {
    answer = await environment.fetch(url, { signal: AbortSignal.timeout(10_000) })
  } catch (cause) {
    throw unreachable(url, cause)
  }
  if (answer.status === 404) {
    throw new AldisError('token-missing', `No \`token\` was given, and ${url} gives out none.`, { hint: HINT })
  }
  const body = answer.ok ? ((await answer.json().catch(() => undefined)) as { token?: unknown } | undefined) : undefined
  if (!body) throw await refusalOf(answer)
  return checked(body.token)
}
