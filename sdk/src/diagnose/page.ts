/** What browsers allow a page, by the way it came. */

import { CALL_HINTS } from '../call-errors.ts'
import type { DiagnosisEnvironment } from './environment.ts'
import type { Finding } from './report.ts'

/** Hosts that browsers trust without TLS, so that an `https:` page may ask them in plain. */
const OWN_MACHINE = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/

/** Judges the page, and the way from it to a server. */
export function checkPage({ page }: DiagnosisEnvironment, probe: string): Finding {
  if (page === undefined) return { status: 'skipped', found: 'This is no page.' }
  const { protocol, hostname } = new URL(probe)
  if (page.protocol === 'https:' && protocol === 'http:' && !OWN_MACHINE.test(hostname)) {
    return {
      status: 'failed',
      code: 'mixed-content',
      found: 'The page came by https, the server is to be reached by plain http and ws: browsers do not allow that.',
      todo: 'Name the server by https, and give it a certificate or a proxy that has one.',
    }
  }
  if (!page.secure) {
    const found = 'The page came by plain http, so browsers give it no camera, no microphone and no clipboard.'
    return { status: 'warning', code: 'insecure-context', found, todo: CALL_HINTS['insecure-context'] }
  }
  return { status: 'ok', found: `The page came by ${page.protocol.replace(':', '')}, and browsers trust it.` }
}
