/**
 * The server's second way, for networks without WebSockets: messages come as an event stream and go by POST. A server that does not
 * offer it says 405 or 406, which is no fault.
 */

import { AldisError, asAldisError } from '../errors.ts'
import { refusalOf } from '../problem.ts'
import type { DiagnosisEnvironment } from './environment.ts'
import type { Limit } from './limit.ts'
import { type Finding, findingOf } from './report.ts'
import { HELLO, type Tried } from './websocket.ts'

/** The first message: what this check needs of it. */
interface Welcome {
  readonly type?: unknown
  /** Where messages of this connection go. */
  readonly post?: unknown
  readonly iceServers?: readonly RTCIceServer[]
}

const NOT_OFFERED = [405, 406]

/** Joins by it, and leaves. */
export async function tryEventStream(
  environment: DiagnosisEnvironment,
  url: string,
  token: string,
  limit: Limit,
): Promise<Tried> {
  const began = environment.clock.now()
  const failed = (message: string): Tried => ({ finding: findingOf(new AldisError('timed-out', message)), iceServers: undefined })
  try {
    const answer = await limit.race(post(environment, url, token, HELLO, limit.signal))
    if (answer === undefined) return failed(`No answer within ${limit.elapsed}.`)
    if (NOT_OFFERED.includes(answer.status)) {
      return { finding: { status: 'skipped', found: 'Not offered by this server.' }, iceServers: undefined }
    }
    if (!answer.ok) return { finding: findingOf(await refusalOf(answer)), iceServers: undefined }
    const welcome = await limit.race(firstMessage(answer))
    if (welcome?.type !== 'welcome') return failed('The stream begins, but nothing arrives on it: a proxy may hold it back.')
    const roundTripMs = Math.round(environment.clock.now() - began)
    await limit.race(leave(environment, url, token, welcome))
    return { finding: good(roundTripMs), iceServers: welcome.iceServers }
  } catch (error) {
    return { finding: findingOf(asAldisError(error, 'server-unreachable', 'The request failed')), iceServers: undefined }
  }
}

const good = (roundTripMs: number): Finding => ({
  status: 'ok',
  found: `It begins, and the server answers on it after ${roundTripMs} ms.`,
  details: { roundTripMs },
})

function post(
  { fetch }: DiagnosisEnvironment,
  url: string,
  token: string,
  body: object,
  signal: AbortSignal | null,
): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream', 'content-type': 'application/json' }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal, cache: 'no-store' })
}

/** Says goodbye, so that nobody sees this stay for longer than the check. */
async function leave(environment: DiagnosisEnvironment, url: string, token: string, { post: path }: Welcome): Promise<void> {
  if (typeof path !== 'string') return
  const to = new URL(url)
  to.pathname = `${to.pathname}/${path.split('/').pop()}`
  // Not with the check's own signal: it may be over, and this is what it leaves behind.
  await post(environment, String(to), token, { seq: 1, messages: [{ type: 'leave' }] }, null).catch(() => undefined)
}

/** The data of the first event, which is one line of JSON. */
async function firstMessage(answer: Response): Promise<Welcome | undefined> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
    text += value ?? ''
    const data = /^data: ?(.*)\r?\n/m.exec(text)?.[1]
    if (data !== undefined) return JSON.parse(data) as Welcome
    if (done) return undefined
  }
}
