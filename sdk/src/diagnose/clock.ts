/**
 * Clocks that differ. The server judges tokens by its own clock and allows 30 s, so the one that matters is that of the backend which
 * signs them: it shows in the token's `iat`. This device's clock is compared too, because an application may go by it.
 */

import type { Admission } from './admission.ts'
import { claimsOf } from './claims.ts'
import type { Finding } from './report.ts'

/** How far the clocks of a server and a backend may differ, in milliseconds (docs/protocol.md, section "JWT claims"). */
const LEEWAY_MS = 30_000

/** `Date` has whole seconds. */
const HALF_SECOND_MS = 500

/** Compares the clocks of this device, of the server and of whoever signed the token. */
export function judgeClock(admission: Admission | undefined, token: string | undefined): Finding {
  if (admission?.serverTime === undefined) {
    return { status: 'skipped', found: 'The server’s time is not to be seen from here.' }
  }
  const { localTime, roundTripMs } = admission
  const serverTime = admission.serverTime + HALF_SECOND_MS
  const skewMs = Math.round(localTime - serverTime)
  const details = { skewMs, exactToMs: Math.round(HALF_SECOND_MS + roundTripMs / 2) }
  const issued = issuedAt(token)
  const ahead = issued === undefined ? 0 : issued - serverTime
  // A token may have been issued long ago, but nobody can have issued one in the future.
  if (ahead > LEEWAY_MS) {
    return {
      status: 'failed',
      code: 'clock-skewed',
      found: `The token was issued ${span(ahead)} in the future, by the server’s clock.`,
      todo: `Set the clocks of the backend that signs tokens and of the server: they differ by ${span(ahead)} or more.`,
      details: { ...details, tokenAheadMs: Math.round(ahead) },
    }
  }
  if (Math.abs(skewMs) > LEEWAY_MS) {
    return {
      status: 'warning',
      code: 'clock-skewed',
      found: `This device’s clock is ${span(skewMs)} ${skewMs > 0 ? 'ahead of' : 'behind'} the server’s.`,
      todo: 'Set the clock of this device, or the server’s if that is the wrong one: then its tokens and TURN credentials fail elsewhere, too.',
      details,
    }
  }
  return { status: 'ok', found: `This device and the server agree, within ${span(Math.max(1_000, Math.abs(skewMs)))}.`, details }
}

/** When a token says that it was made, in Unix milliseconds. */
function issuedAt(token: string | undefined): number | undefined {
  const { iat } = claimsOf(token)
  return typeof iat === 'number' ? iat * 1_000 : undefined
}

/** A length of time for people. */
function span(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}
