/**
 * Why whoever sends to a Firefox looks whether it hears.
 *
 * Firefox 153 can lose a receiver for good: where a section stops receiving and begins again while offers cross, it may take the packets of
 * another section for its own, and from then on drops those that are meant for it. Both descriptions say that it receives, nothing tells the
 * page, and neither a fresh start of ICE nor another direction of the section helps. Another connection does.
 *
 * The side that sends can see it: packets leave, and the receiver's reports (RFC 3550, section 6.4.2) say nothing of them any more. A Chromium
 * whose video has no echo at all stops to send it, while frames go on to come from the camera: those count as well.
 */

import type { Clock } from './clock.ts'
import type { Scope } from './scope.ts'

/** How often it looks, in milliseconds. A Firefox reports on audio every 5 s and on video every second. */
const LOOK_MS = 6_000

/** For how many looks in a row something may be sent that no report speaks of. */
const LOOKS = 3

/** How many packets and frames there have to be between two looks: nobody has to report on a track that hardly sends. */
const LEAST = 10

/** What is looked at of an entry of the statistics (webrtc-stats, sections 8.3 to 8.6). */
interface Entry {
  readonly type: string
  readonly ssrc: number
  readonly timestamp: number
  readonly packetsSent: number
  readonly mid?: string
  readonly rid?: string
  readonly active?: boolean
  readonly mediaSourceId?: string
  readonly remoteId?: string
  readonly frames?: number
}

/** What was seen of a flow that leaves: how much there is of it, when it was reported on last, and for how many looks it was not. */
interface Flow {
  readonly amount: number
  readonly reportedAt: number | undefined
  readonly missed: number
}

/**
 * Looks from time to time whether everything that leaves is reported on, until `scope` ends. Calls `unheard`, once, where something is not:
 * while the connection stands and the other side `listens`.
 */
export function watchReports(
  pc: RTCPeerConnection,
  clock: Clock,
  scope: Scope,
  listens: () => boolean,
  unheard: () => void,
): void {
  let flows = new Map<number, Flow>()
  let cancel = clock.after(LOOK_MS, () => void look())
  scope.defer(() => cancel())

  const look = async (): Promise<void> => {
    const report: ReadonlyMap<string, Entry> = await pc.getStats().catch(() => new Map())
    if (!scope.live) return
    flows = pc.connectionState === 'connected' && listens() ? next(report) : new Map()
    if ([...flows.values()].some(({ missed }) => missed >= LOOKS)) return unheard()
    cancel = clock.after(LOOK_MS, () => void look())
  }

  const next = (report: ReadonlyMap<string, Entry>): Map<number, Flow> => {
    const sends = (of?: string): boolean =>
      pc.getTransceivers().some(({ mid, currentDirection }) => mid === of && currentDirection?.startsWith('send'))
    // Of several layers of one track a receiver may want one alone.
    const leaving = [...report.values()].filter(
      ({ type, mid, rid, active }) => type === 'outbound-rtp' && sends(mid) && !rid && active !== false,
    )
    return new Map(
      leaving.map(({ ssrc, packetsSent, mediaSourceId = '', remoteId = '' }) => {
        const was = flows.get(ssrc)
        const amount = packetsSent + (report.get(mediaSourceId)?.frames ?? 0)
        const reportedAt = report.get(remoteId)?.timestamp
        const isMissed = was !== undefined && amount - was.amount >= LEAST && reportedAt === was.reportedAt
        return [ssrc, { amount, reportedAt, missed: isMissed ? was.missed + 1 : 0 }]
      }),
    )
  }
}
