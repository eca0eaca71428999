/** What is checked after what: each as early as what it needs is known. */

import { endpointOf } from '../endpoint.ts'
import { AldisError, asAldisError } from '../errors.ts'
import { type TokenOption, tokenSource } from '../token.ts'
import { type Admission, askAdmission, judgeServer, judgeToken } from './admission.ts'
import { claimsOf } from './claims.ts'
import { judgeClock } from './clock.ts'
import { checkDevice } from './devices.ts'
import type { DiagnosisEnvironment } from './environment.ts'
import { tryEventStream } from './event-stream.ts'
import { checkIce, checkWebRtc, skipIce } from './ice.ts'
import { checkPage } from './page.ts'
import { type CheckId, seeOther } from './report.ts'
import type { Run } from './run.ts'
import { tryWebSocket } from './websocket.ts'

/** What is to be checked. */
export interface Subject {
  readonly url: string | URL
  /** The room; by default that of the token. */
  readonly room: string | undefined
  /** The one where there is no other: nobody is disturbed there. */
  readonly ownRoom: string
  readonly token: TokenOption | undefined
  readonly iceServers: readonly RTCIceServer[] | undefined
  readonly devices: 'look' | 'ask'
}

/** Checks everything. */
export async function checkAll(run: Run, environment: DiagnosisEnvironment, subject: Subject): Promise<void> {
  const { probe } = endpointOf(subject.url, subject.ownRoom)
  const page = await run.check('page', () => ({ finding: checkPage(environment, probe) }))
  const webrtc = await run.check('webrtc', () => ({ finding: checkWebRtc(environment) }))
  const ice = async (servers: readonly RTCIceServer[] | undefined, because: CheckId): Promise<void> => {
    if (webrtc?.finding.status !== 'ok') skipIce(run, 'webrtc')
    else if (servers === undefined) skipIce(run, because)
    else await checkIce(run, environment, servers)
  }
  const { iceServers } = subject
  // Those that were given need no server to be asked for them.
  const given = iceServers && ice(iceServers, 'page')
  const named: typeof ice = async (servers, because) => given ?? ice(servers, because)
  const server = page?.finding.code === 'mixed-content' ? skipServer(run, named) : checkServer(run, environment, subject, named)
  const devices = (['camera', 'microphone'] as const).map((device) =>
    run.check(device, async (limit) => ({ finding: await checkDevice(environment, device, subject.devices, limit) })),
  )
  await Promise.all([server, given, ...devices])
}

/** Checks ICE with the servers that were named, or says because of which check it cannot. */
type Ice = (servers: readonly RTCIceServer[] | undefined, because: CheckId) => Promise<void>

async function skipServer(run: Run, ice: Ice): Promise<void> {
  for (const id of ['server', 'token', 'clock', 'websocket', 'event-stream'] as const) run.settle(id, seeOther('page'))
  await ice(undefined, 'page')
}

async function checkServer(run: Run, environment: DiagnosisEnvironment, subject: Subject, ice: Ice): Promise<void> {
  const token = await getToken(run, environment, subject)
  const jwt = typeof token === 'string' ? token : undefined
  run.redaction.add(jwt)
  const { probe, socket } = endpointOf(subject.url, subject.room ?? roomOf(jwt) ?? subject.ownRoom)
  const asked = run.check('server', async (limit) => {
    const admission = await askAdmission(environment, probe, jwt, limit)
    return { finding: judgeServer(admission, new URL(probe).host, limit), admission }
  })
  const admission = asked.then((outcome) => outcome?.admission)
  const judged = admission.then((answer) => {
    run.settle('token', judgeToken(token, answer))
    run.settle('clock', judgeClock(answer, jwt))
  })
  if (jwt === undefined) {
    for (const id of ['websocket', 'event-stream'] as const) run.settle(id, seeOther('token'))
    await Promise.all([judged, ice(undefined, 'token')])
  } else {
    await Promise.all([judged, tryWays(run, environment, { probe, socket, token: jwt }, admission, ice)])
  }
}

interface Door {
  readonly probe: string
  readonly socket: string
  readonly token: string
}

/** One way after the other: at once they would be two stays of one identity, which a token may forbid. */
async function tryWays(
  run: Run,
  environment: DiagnosisEnvironment,
  { probe, socket, token }: Door,
  admission: Promise<Admission | undefined>,
  ice: Ice,
): Promise<void> {
  const ws = await run.check('websocket', (limit) => tryWebSocket(environment, socket, token, admission, limit))
  const closed = await closedBy(admission)
  if (closed !== undefined) {
    run.settle('event-stream', seeOther(closed))
    return ice(ws?.iceServers, closed)
  }
  const stream = run.check('event-stream', (limit) => tryEventStream(environment, probe, token, limit))
  await Promise.all([stream, ice(ws?.iceServers ?? (await stream)?.iceServers, 'websocket')])
}

/** The check that says why nobody is let in, if so. */
async function closedBy(admission: Promise<Admission | undefined>): Promise<CheckId | undefined> {
  const answer = await admission
  if (answer === undefined) return 'server'
  if (answer.refusal === undefined) return undefined
  return judgeToken('', answer).status === 'failed' ? 'token' : 'server'
}

async function getToken(run: Run, environment: DiagnosisEnvironment, subject: Subject): Promise<string | AldisError> {
  const limit = run.limit()
  try {
    const endpoint = endpointOf(subject.url, subject.room ?? subject.ownRoom)
    const token = await limit.race(tokenSource(subject.token, endpoint, environment).get())
    return token ?? new AldisError('token-failed', `There is no token after ${limit.elapsed}.`)
  } catch (error) {
    return asAldisError(error, 'token-failed', 'There is no token')
  } finally {
    limit.end()
  }
}

/** The room that a token is for. Where it is for many, any of them will do. */
function roomOf(token: string | undefined): string | undefined {
  const { room } = claimsOf(token)
  return typeof room === 'string' ? room.replace(/\*$/, 'check') : undefined
}
