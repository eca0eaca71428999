/** Two connections of this page with each other, by nothing but the relay: what a call between two closed networks needs. */

import type { DiagnosisEnvironment } from './environment.ts'
import type { Limit } from './limit.ts'
import type { Finding } from './report.ts'

/** How often the echo is asked: the first answer is slower than the way. */
const ROUNDS = 5

/** Sends something through the relay and back. */
export async function tryRelay(
  { createConnection, clock }: DiagnosisEnvironment,
  iceServers: RTCIceServer[],
  limit: Limit,
): Promise<Finding> {
  const configuration: RTCConfiguration = { iceServers, iceTransportPolicy: 'relay' }
  const [near, far] = [createConnection(configuration), createConnection(configuration)]
  for (const pc of [near, far]) limit.defer(() => pc.close())
  const relays = { near: 0, far: 0 }
  const none = Promise.race([trickle(near, far, () => (relays.near += 1)), trickle(far, near, () => (relays.far += 1))])
  far.addEventListener('datachannel', ({ channel }) => {
    channel.onmessage = ({ data }) => channel.send(data)
  })
  const channel = near.createDataChannel('check')
  const echoed = echoes(channel, () => clock.now())
  await limit.race(introduce(near, far))
  const roundTripMs = await limit.race(Promise.race([echoed, none]))
  const openMs = limit.elapsedMs
  if (roundTripMs === undefined) return failed(relays)
  const by = await limit.race(relayProtocol(near))
  return {
    status: 'ok',
    found: `What this page sends through the relay comes back after ${roundTripMs} ms${by ? `, by ${by.toUpperCase()}` : ''}.`,
    details: { roundTripMs, openMs, ...(by && { protocol: by }) },
  }
}

function failed({ near, far }: { readonly near: number; readonly far: number }): Finding {
  const details = { relays: near + far }
  if (near === 0 || far === 0) {
    return { status: 'skipped', found: 'No TURN server opens relays: see `turn-udp`, `turn-tcp` and `turn-tls`.', details }
  }
  return {
    status: 'failed',
    code: 'relay-closed',
    found: 'The TURN server opens relays, but nothing comes through them.',
    todo: 'Open its relay ports to the outside (UDP 49152 to 65535 of coturn, `min-port`, `max-port`), and check `external-ip` and `denied-peer-ip`.',
    details,
  }
}

/**
 * Candidates go over as they are found; one that comes too late is of no use any more. Resolves when the search has ended with none,
 * and never where there are some.
 */
function trickle(from: RTCPeerConnection, to: RTCPeerConnection, found: () => number): Promise<undefined> {
  const waiting: RTCIceCandidate[] = []
  const add = (candidate: RTCIceCandidate): void => void to.addIceCandidate(candidate).catch(() => undefined)
  to.addEventListener('signalingstatechange', () => {
    if (to.remoteDescription !== null) for (const candidate of waiting.splice(0)) add(candidate)
  })
  return new Promise((resolve) => {
    let some = false
    from.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate === null && !some) resolve(undefined)
      if (!candidate?.candidate) return
      some = true
      found()
      if (to.remoteDescription === null) waiting.push(candidate)
      else add(candidate)
    })
  })
}

async function introduce(near: RTCPeerConnection, far: RTCPeerConnection): Promise<void> {
  await near.setLocalDescription()
  if (near.localDescription) await far.setRemoteDescription(near.localDescription)
  await far.setLocalDescription()
  if (far.localDescription) await near.setRemoteDescription(far.localDescription)
}

/** Says something again and again, and resolves with the shortest time to an answer. */
function echoes(channel: RTCDataChannel, now: () => number): Promise<number> {
  return new Promise((resolve) => {
    const times: number[] = []
    let asked = 0
    const ask = (): void => {
      asked = now()
      channel.send(String(times.length))
    }
    channel.onopen = ask
    channel.onmessage = () => {
      times.push(now() - asked)
      if (times.length < ROUNDS) ask()
      else resolve(Math.round(10 * Math.min(...times)) / 10)
    }
  })
}

/** By which protocol this side reaches its relay; `undefined` where the browser does not say. */
async function relayProtocol(pc: RTCPeerConnection): Promise<string | undefined> {
  const reports = new Map<string, { type: string; nominated?: boolean; localCandidateId?: string; relayProtocol?: string }>()
  for (const [id, report] of (await pc.getStats()) as Iterable<[string, { type: string }]>) reports.set(id, report)
  const pair = [...reports.values()].find(({ type, nominated }) => type === 'candidate-pair' && nominated)
  return reports.get(pair?.localCandidateId ?? '')?.relayProtocol
}
