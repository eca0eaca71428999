/** Would the server let this token in? It is asked by the probe: the same request as the WebSocket's, without one. */

import { AldisError } from '../errors.ts'
import { isRefusal, refusalOf } from '../problem.ts'
import type { DiagnosisEnvironment } from './environment.ts'
import type { Limit } from './limit.ts'
import { type Finding, findingOf, seeOther } from './report.ts'

/** What the server said, and when. */
export interface Admission {
  /** Why it lets nobody in; `undefined` where it would. */
  readonly refusal: AldisError | undefined
  /** Its time by the header `Date`, in Unix milliseconds; `undefined` where there is none that a page may read. */
  readonly serverTime: number | undefined
  /** The time here in the middle between question and answer. */
  readonly localTime: number
  /** How long the answer took, in milliseconds. */
  readonly roundTripMs: number
}

/** Refusals about the token itself. */
const OF_TOKENS = /^(token-.+|forbidden)$/

/** Refusals that only somebody gets whose token was found good. */
const AFTER_TOKENS = /^(room-full|identity-taken|connection-limit)$/

/** Asks the server; `undefined` where it does not answer. */
export async function askAdmission(
  environment: DiagnosisEnvironment,
  url: string,
  token: string | undefined,
  limit: Limit,
): Promise<Admission | undefined> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const [began, wall] = [environment.clock.now(), environment.wallClock()]
  // It may be out of a cache otherwise, and so may its `Date`.
  const asked = environment.fetch(url, { headers, signal: limit.signal, cache: 'no-store' }).catch(() => undefined)
  const answer = await limit.race(asked)
  if (answer === undefined) return undefined
  const roundTripMs = Math.round(environment.clock.now() - began)
  const date = Date.parse(answer.headers.get('date') ?? '')
  return {
    refusal: isRefusal(answer) ? await limit.race(refusalOf(answer)) : undefined,
    serverTime: Number.isNaN(date) ? undefined : date,
    localTime: wall + roundTripMs / 2,
    roundTripMs,
  }
}

/** Whether there is an Aldis at all, and one that takes somebody in. */
export function judgeServer(admission: Admission | undefined, host: string, limit: Limit): Finding {
  if (admission === undefined) {
    const found = `${host} does not answer${limit.signal.aborted ? ` within ${limit.elapsed}` : ''}, or not to this page.`
    return findingOf(new AldisError('server-unreachable', found))
  }
  const { refusal, roundTripMs } = admission
  const details = { roundTripMs }
  if (refusal === undefined || OF_TOKENS.test(refusal.code)) {
    return { status: 'ok', found: `It answers, after ${roundTripMs} ms.`, details }
  }
  return {
    ...findingOf(refusal),
    status: refusal.code === 'server-unreachable' || !refusal.retryable ? 'failed' : 'warning',
    details,
  }
}

/** Whether the token is good for the room. */
export function judgeToken(token: string | AldisError, admission: Admission | undefined): Finding {
  if (admission === undefined) {
    // A development server that does not answer gives out no tokens either.
    return typeof token === 'string' || token.code === 'server-unreachable' ? seeOther('server') : findingOf(token)
  }
  const { refusal } = admission
  // Whatever answers there gives out no tokens, because it is no Aldis.
  if (typeof token !== 'string') return token.code === refusal?.code ? seeOther('server') : findingOf(token)
  if (refusal !== undefined && OF_TOKENS.test(refusal.code)) return findingOf(refusal)
  if (refusal !== undefined && !AFTER_TOKENS.test(refusal.code)) return seeOther('server')
  return { status: 'ok', found: 'The server accepts it for this room.' }
}
