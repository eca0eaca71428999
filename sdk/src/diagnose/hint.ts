/** What to do, in the words that the client's errors have. */

import { AldisError, type ClientErrorCode } from '../errors.ts'
import type { Finding } from './report.ts'

/** The hint of a code. */
export function hintOf(code: ClientErrorCode): string {
  return new AldisError(code, '').hint
}

/** A failure as a finding. */
export function findingOf({ code, message, hint }: AldisError): Finding {
  return { status: 'failed', code, found: message, todo: hint }
}
