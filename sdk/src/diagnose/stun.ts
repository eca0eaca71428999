/** Does a STUN server tell how this device is seen from outside? */

import type { Gathered } from './gather.ts'
import { networkOf } from './redact.ts'
import type { Finding } from './report.ts'

/** Judges what was found with STUN servers alone. */
export function judgeStun(gathered: Gathered): Finding {
  const { candidates, errors, tellsErrors, complete, ms } = gathered
  const seen = candidates.find(({ type }) => type === 'srflx')
  const own = [...new Set(candidates.filter(({ type }) => type === 'host').map(({ address }) => networkOf(address ?? '')))]
  const details = { ms, own, errors: [...new Set(errors)] }
  if (seen !== undefined) {
    const network = networkOf(seen.address ?? '')
    return { status: 'ok', found: `Seen from outside by a ${network} address, after ${ms} ms.`, details: { ...details, network } }
  }
  // A server that tells nothing new is not heard of. That is so where there is no NAT on the way.
  if (complete && errors.length === 0 && tellsErrors) {
    return { status: 'ok', found: 'It answers; no NAT is on the way to it.', details }
  }
  return {
    status: 'warning',
    code: 'stun-unreachable',
    found: tellsErrors
      ? `No STUN server answers${complete ? '' : ` within ${Math.round(ms / 1_000)} s`}.`
      : 'No STUN server tells anything: none answers, or no NAT is on the way. This browser does not say which.',
    todo: 'Check `stun.urls` of the server and its firewall (UDP 3478); a network that lets no UDP through needs TURN over TCP or TLS.',
    details,
  }
}
