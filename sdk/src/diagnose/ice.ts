/** STUN, TURN by each of its ways, and a loop through the relay, side by side. */

import type { DiagnosisEnvironment } from './environment.ts'
import { gather } from './gather.ts'
import { stunServers, type Transport, turnServers } from './ice-servers.ts'
import type { Limit } from './limit.ts'
import { tryRelay } from './relay.ts'
import { type CheckId, type Finding, seeOther } from './report.ts'
import type { Run } from './run.ts'
import { judgeStun } from './stun.ts'
import { judgeTurn, opensRelay, type TurnTry } from './turn.ts'

const TRANSPORTS = ['udp', 'tcp', 'tls'] as const

const LACKS: Readonly<Record<Transport, string>> = {
  udp: '',
  tcp: 'For networks without UDP name one with `?transport=tcp`.',
  tls: 'For networks that let nothing but https through name one with `turns:`, best at port 443.',
}

const SKIPPED: readonly CheckId[] = ['stun', 'turn-udp', 'turn-tcp', 'turn-tls', 'relay']

/** Says that ICE was not tried. */
export function skipIce(run: Run, because: CheckId): void {
  for (const id of SKIPPED) run.settle(id, seeOther(because))
}

/** Whether there is WebRTC at all. */
export function checkWebRtc({ createConnection, page }: DiagnosisEnvironment): Finding {
  try {
    createConnection({}).close()
    return { status: 'ok', found: 'The browser makes connections.' }
  } catch {
    if (page === undefined) return { status: 'skipped', found: 'There is no WebRTC here.' }
    const found = 'The browser makes no connections: WebRTC is switched off, by a setting, an extension or a policy.'
    return { status: 'failed', code: 'webrtc-missing', found, todo: 'Allow WebRTC, or take another browser.' }
  }
}

/** Checks all servers. */
export async function checkIce(run: Run, environment: DiagnosisEnvironment, servers: readonly RTCIceServer[]): Promise<void> {
  for (const { username, credential } of servers) {
    run.redaction.add(username)
    run.redaction.add(credential)
  }
  // One limit for all tries, because each is judged by what the others found.
  const limit = run.limit()
  const stun = tryStun(environment, stunServers(servers), limit)
  const [udp, tcp, tls] = TRANSPORTS.map((transport) => tryTurn(environment, turnServers(servers, transport), limit))
  const tries = { udp, tcp, tls } as Record<Transport, Promise<TurnTry[]>>
  const others = async (): Promise<{ relayByTcp: boolean; stunAnswers: boolean }> => ({
    relayByTcp: [...(await tries.tcp), ...(await tries.tls)].some(opensRelay),
    stunAnswers: (await stun).status === 'ok',
  })
  await Promise.all([
    run.check('stun', async () => ({ finding: await stun })),
    ...TRANSPORTS.map((transport) =>
      run.check(`turn-${transport}`, async () => ({ finding: await judge(transport, await tries[transport], others) })),
    ),
    run.check('relay', async (own) => ({ finding: await loop(environment, servers, own) })),
  ])
  limit.end()
}

async function tryStun({ createConnection }: DiagnosisEnvironment, iceServers: RTCIceServer[], limit: Limit): Promise<Finding> {
  if (iceServers.length === 0) return { status: 'skipped', found: 'The server names no STUN server.' }
  return judgeStun(await gather(createConnection({ iceServers }), ({ type }) => type === 'srflx', limit))
}

function tryTurn({ createConnection }: DiagnosisEnvironment, servers: RTCIceServer[], limit: Limit): Promise<TurnTry[]> {
  return Promise.all(
    servers.map(async (server) => {
      const pc = createConnection({ iceServers: [server], iceTransportPolicy: 'relay' })
      return { url: String(server.urls), gathered: await gather(pc, ({ type }) => type === 'relay', limit) }
    }),
  )
}

async function judge(
  transport: Transport,
  tries: TurnTry[],
  others: () => Promise<{ relayByTcp: boolean; stunAnswers: boolean }>,
): Promise<Finding> {
  if (tries.length === 0) {
    return { status: 'skipped', found: `The server names no TURN server by ${transport.toUpperCase()}.`, todo: LACKS[transport] }
  }
  // What the others found matters only to the one that failed.
  const context = tries.every(opensRelay) ? { relayByTcp: false, stunAnswers: false } : await others()
  return judgeTurn(transport, tries, context)
}

async function loop(environment: DiagnosisEnvironment, servers: readonly RTCIceServer[], limit: Limit): Promise<Finding> {
  const relays = TRANSPORTS.flatMap((transport) => turnServers(servers, transport))
  if (relays.length > 0) return tryRelay(environment, relays, limit)
  return {
    status: 'warning',
    code: 'turn-missing',
    found: 'The server names no TURN server, or the token does not allow one: between some networks no call comes about.',
    todo: 'Run a TURN server, name it by `turn.urls`, and have `turn` in the token’s `can`.',
  }
}
