/** Does a WebSocket open, and does the server speak on it? It is in the room for a moment, which is how it gets the ICE servers. */

import { AldisError } from '../errors.ts'
import { BEARER_PREFIX, type ClientMessage, type ServerMessage, SUBPROTOCOL } from '../generated/wire.ts'
import { fromServer } from '../problem.ts'
import type { Socket } from '../socket.ts'
import type { Admission } from './admission.ts'
import type { DiagnosisEnvironment } from './environment.ts'
import type { Limit } from './limit.ts'
import { type Finding, findingOf, seeOther } from './report.ts'

/** The first message of a stay that ends at once. It understands no streams, so that no other SDK waits for it. */
export const HELLO: ClientMessage = { type: 'hello', protocol: 1 }

/** A way to the server that was tried. */
export interface Tried {
  readonly finding: Finding
  /** What it brought; `undefined` where this side was not let in. */
  readonly iceServers: readonly RTCIceServer[] | undefined
}

type End =
  | { readonly was: 'answered'; readonly iceServers: readonly RTCIceServer[]; readonly roundTripMs: number }
  | { readonly was: 'refused'; readonly error: AldisError }
  | { readonly was: 'never opened' | 'silent' | 'closed' | 'unavailable' }

/** How long to wait for the server to close after `leave`, in milliseconds. */
const GOODBYE_MS = 1_000

/** Opens one, joins, asks for a sign of life, and leaves. */
export async function tryWebSocket(
  environment: DiagnosisEnvironment,
  url: string,
  token: string,
  admission: Promise<Admission | undefined>,
  limit: Limit,
): Promise<Tried> {
  const end = await visit(environment, url, token, limit)
  return { finding: await judge(end, admission, limit), iceServers: end.was === 'answered' ? end.iceServers : undefined }
}

function visit({ openSocket, clock }: DiagnosisEnvironment, url: string, token: string, limit: Limit): Promise<End> {
  return new Promise((resolve) => {
    let opened = false
    let welcomed: readonly RTCIceServer[] | undefined
    let asked = 0
    let answered: End | undefined
    const say = (message: ClientMessage): void => socket.send(JSON.stringify(message))
    const hear = (message: ServerMessage): void => {
      if (message.type === 'error') return resolve({ was: 'refused', error: fromServer(message) })
      if (message.type === 'welcome') {
        welcomed = message.iceServers as readonly RTCIceServer[]
        asked = clock.now()
        say({ type: 'ping' })
      } else if (message.type === 'pong' && welcomed !== undefined) {
        answered = { was: 'answered', iceServers: welcomed, roundTripMs: Math.round(clock.now() - asked) }
        // The next check joins by another way: the stay is over when the server closes.
        say({ type: 'leave' })
        limit.defer(clock.after(GOODBYE_MS, () => answered && resolve(answered)))
      }
    }
    limit.signal.addEventListener('abort', () => resolve(answered ?? { was: opened ? 'silent' : 'never opened' }))
    let socket: Socket
    try {
      socket = openSocket(url, [SUBPROTOCOL, `${BEARER_PREFIX}${token}`], {
        onOpen: () => {
          opened = true
          say(HELLO)
        },
        onMessage: (data) => hear(parse(data)),
        onClose: () => resolve(answered ?? { was: opened ? 'closed' : 'never opened' }),
      })
      limit.defer(() => socket.close(1000))
    } catch {
      // Node 20 has none. A browser throws where it is sure that it may not, as with mixed content.
      resolve({ was: 'unavailable' })
    }
  })
}

function parse(data: unknown): ServerMessage {
  try {
    return JSON.parse(String(data)) as ServerMessage
  } catch {
    return {
      type: 'error',
      code: 'server-incompatible' as 'internal',
      message: 'The server does not speak the protocol of Aldis.',
    }
  }
}

async function judge(end: End, admission: Promise<Admission | undefined>, limit: Limit): Promise<Finding> {
  switch (end.was) {
    case 'answered':
      return {
        status: 'ok',
        found: `It opens, and the server answers on it after ${end.roundTripMs} ms.`,
        details: { roundTripMs: end.roundTripMs },
      }
    case 'refused': {
      // It came this way, so the way is good.
      const known = (await admission)?.refusal?.code === end.error.code
      return known
        ? { status: 'ok', found: 'It opens, and the server refuses on it: see `token` or `server`.' }
        : findingOf(end.error)
    }
    case 'never opened':
      return await neverOpened(admission, limit)
    case 'silent':
      return findingOf(new AldisError('timed-out', `It opens, but the server says nothing on it within ${limit.elapsed}.`))
    case 'closed':
      return findingOf(new AldisError('websocket-blocked', 'It opens, and is closed at once.'))
    case 'unavailable':
      return { status: 'skipped', found: 'There is no WebSocket here.' }
  }
}

async function neverOpened(admission: Promise<Admission | undefined>, limit: Limit): Promise<Finding> {
  const answer = await admission
  if (answer === undefined || answer.refusal?.code === 'server-unreachable') return seeOther('server')
  const found = `The server answers, but no WebSocket to it opens${limit.signal.aborted ? ` within ${limit.elapsed}` : ''}.`
  return findingOf(new AldisError('websocket-blocked', found))
}
