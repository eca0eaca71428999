/** What a server says when it lets nobody in: `application/problem+json`, RFC 9457. */

import { AldisError } from './errors.ts'
import { RETRYABLE_CODES, type WireError } from './generated/wire.ts'

/** An error of the server, as an {@link AldisError}. */
export function fromServer(error: WireError): AldisError {
  return new AldisError(error.code, error.message, { ...error, retryable: RETRYABLE_CODES.includes(error.code) })
}

/** Whether a request was refused, or something else answers every one with a page of its own. */
export function isRefusal({ ok, headers }: Response): boolean {
  return !ok || !!headers.get('content-type')?.includes('html')
}

/** The refusal in an answer that is not a success. */
export async function refusalOf(answer: Response): Promise<AldisError> {
  const body: { readonly code?: unknown; readonly message?: unknown } = Object(await answer.json().catch(() => undefined))
  // A code that this version does not know is passed on: people can read its message.
  if (typeof body.code === 'string' && typeof body.message === 'string') return fromServer(body as WireError)
  // A proxy, or another server altogether.
  const message = `The server answered ${answer.status}, and not as Aldis does.`
  return new AldisError('server-unreachable', message, { retryable: answer.status >= 500 })
}

/** Where there is no answer at all. */
export function unreachable(url: string, cause: unknown): AldisError {
  return new AldisError('server-unreachable', `${url} does not answer.`, { cause })
}
