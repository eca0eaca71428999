/** Does a TURN server open a relay? Each URL is tried alone, so that the answer is about it. */

import { CALL_HINTS } from '../call-errors.ts'
import type { Gathered } from './gather.ts'
import type { Transport } from './ice-servers.ts'
import type { Finding } from './report.ts'

/** What became of one URL. */
export interface TurnTry {
  readonly url: string
  readonly gathered: Gathered
}

/** What the others found, for the one that heard nothing. */
export interface Others {
  /** Whether TURN opens a relay by TCP or TLS. */
  readonly relayByTcp: boolean
  /** Whether a STUN server answers, which is by UDP. */
  readonly stunAnswers: boolean
}

/** RFC 8489, section 14.8: the credential was not accepted. */
const UNAUTHORIZED = 401

/** From here on the numbers are no answers of a server: WebRTC 1.0, section 4.8.3. */
const NO_ANSWER = 700

const NAMES: Readonly<Record<Transport, string>> = { udp: 'UDP', tcp: 'TCP', tls: 'TLS' }

/** Whether a relay was opened. */
export function opensRelay({ gathered }: TurnTry): boolean {
  return gathered.candidates.some(({ type }) => type === 'relay')
}

/** Judges the tries of one transport. */
export function judgeTurn(transport: Transport, tries: readonly TurnTry[], others: Others): Finding {
  const failed = tries.filter((one) => !opensRelay(one))
  const ms = Math.max(...tries.map(({ gathered }) => gathered.ms))
  const details = {
    ms,
    urls: tries.map(({ url }) => url),
    errors: [...new Set(failed.flatMap(({ gathered }) => gathered.errors))],
  }
  const [first] = failed
  if (first === undefined) {
    const urls = tries.map(({ url }) => url).join(', ')
    return { status: 'ok', found: `${urls} opens a relay by ${NAMES[transport]}, after ${ms} ms.`, details }
  }
  const finding = judgeFailure(transport, first, others)
  // Where another one does it, calls go all the same.
  const status = failed.length < tries.length ? 'warning' : (finding.status ?? 'failed')
  return { ...finding, status, details }
}

/** RFC 7065, section 3.2: where the URL does not say. */
function portOf(url: string): string {
  return /:(\d+)(?:\?|$)/.exec(url)?.[1] ?? (/^turns/i.test(url) ? '5349' : '3478')
}

/** A browser says no more of a name that there is not. */
function nameOf(url: string): string {
  const name = /^turns?:([^:?[]*[a-z][^:?[]*)/i.exec(url)?.[1]
  return name === undefined ? '' : `the name ${name} is right and has an address, that `
}

function judgeFailure(transport: Transport, { url, gathered }: TurnTry, others: Others): Finding {
  const answer = gathered.errors.find((code) => code < NO_ANSWER)
  if (answer !== undefined) {
    const found =
      answer === UNAUTHORIZED ? `${url} refuses the credential (401).` : `${url} answers, but opens no relay (${answer}).`
    const todo =
      answer === UNAUTHORIZED ? CALL_HINTS['turn-refused'] : 'Look at the log of the TURN server: a quota, or its configuration.'
    return { status: 'failed', code: 'turn-refused', found, todo }
  }
  if (transport === 'udp' && others.relayByTcp && !others.stunAnswers) {
    return {
      status: 'warning',
      code: 'udp-blocked',
      found: `${url} does not answer by UDP, while TURN does by TCP: this network lets no UDP through, or the TURN server does not listen for it.`,
      todo: `Calls go by TCP, with more delay. Check that the TURN server listens at UDP ${portOf(url)}; if the network is yours, let UDP to that port through.`,
    }
  }
  const name = NAMES[transport]
  return {
    status: others.relayByTcp ? 'warning' : 'failed',
    code: 'turn-unreachable',
    found: gathered.tellsErrors
      ? `Nothing answers at ${url} by ${name}${gathered.complete ? '' : ` within ${Math.round(gathered.ms / 1_000)} s`}.`
      : `${url} opens no relay by ${name}: it does not answer, or refuses the credential. This browser does not say which.`,
    todo: `Check that ${nameOf(url)}the TURN server runs and listens there, and that firewalls let ${name} to its port through.${
      gathered.tellsErrors ? '' : ` ${CALL_HINTS['turn-refused']}`
    }`,
  }
}
