/** What goes over a connection, out of what browsers report of it, in a shape that is the same in all of them. */

/**
 * What goes in one direction.
 *
 * @example
 * const { bitsPerSecond, lossRate }: FlowStats = (await peer.stats()).received
 * show(`${bitsPerSecond} bits a second, ${Math.round((lossRate ?? 0) * 100)} % lost`)
 */
export interface FlowStats {
  /** How many bytes went since the connection was made, audio, video and channels together. */
  readonly bytes: number
  /** How many bits a second since the last call; `undefined` in the first. */
  readonly bitsPerSecond: number | undefined
  /** How many packets of audio and video. */
  readonly packets: number
  /** How many of them did not arrive, as far as their receiver has said. */
  readonly packetsLost: number
  /** Which share of them, from 0 to 1, did not arrive since the last call; `undefined` in the first, and where there were none. */
  readonly lossRate: number | undefined
}

/**
 * The way that a connection has found.
 *
 * @example
 * const { path } = await peer.stats()
 * if (path?.relayed) show(`through a TURN server, by ${path.protocol}`)
 */
export interface PathStats {
  /** What this side's end is: `host`, `srflx`, `prflx` or `relay`. */
  readonly local: string
  /** What the peer's end is. */
  readonly remote: string
  /** Whether one of the two is a TURN server's. */
  readonly relayed: boolean
  /** `udp` or `tcp`. */
  readonly protocol: string
}

/**
 * What there is to know of one connection.
 *
 * @example
 * const isPoor = ({ roundTripMs, received }: ConnectionStats) => (roundTripMs ?? 0) > 300 || (received.lossRate ?? 0) > 0.05
 * if (isPoor(await peer.stats())) await room.setCamera(false)
 */
export interface ConnectionStats {
  /** How long there and back takes, in milliseconds; `undefined` where it was not measured yet. */
  readonly roundTripMs: number | undefined
  /** The way; `undefined` where there is none yet. */
  readonly path: PathStats | undefined
  /** What goes to the peer. */
  readonly sent: FlowStats
  /** What comes from the peer. */
  readonly received: FlowStats
}

/** One entry of a report: browsers differ in what they have of it. */
type Entry = Readonly<Partial<Record<Field, unknown>>>

type Field =
  | 'bytesReceived'
  | 'bytesSent'
  | 'candidateType'
  | 'currentRoundTripTime'
  | 'id'
  | 'localCandidateId'
  | 'nominated'
  | 'packetsLost'
  | 'packetsReceived'
  | 'packetsSent'
  | 'protocol'
  | 'remoteCandidateId'
  | 'roundTripTime'
  | 'selected'
  | 'selectedCandidatePairId'
  | 'state'
  | 'timestamp'
  | 'type'

interface Sample {
  readonly at: number
  readonly sent: FlowStats
  readonly received: FlowStats
}

/** What was seen of each connection last. */
const samples = new WeakMap<RTCPeerConnection, Sample>()

const NOTHING: FlowStats = { bytes: 0, bitsPerSecond: undefined, packets: 0, packetsLost: 0, lossRate: undefined }

/** Asks a browser about a connection; where there is none, all is zero. */
export async function connectionStats(pc: RTCPeerConnection | null): Promise<ConnectionStats> {
  if (pc === null) return { roundTripMs: undefined, path: undefined, sent: NOTHING, received: NOTHING }
  const entries = [...((await pc.getStats()) as unknown as Map<string, Entry>).values()]
  const pair = selectedPair(entries)
  const before = samples.get(pc)
  const at = number(pair?.timestamp)
  const elapsedMs = before && at - before.at
  const all = (wanted: string): Entry[] => entries.filter(({ type }) => type === wanted)
  const [out, heard, inbound] = [all('outbound-rtp'), all('remote-inbound-rtp'), all('inbound-rtp')]
  // By all ways together: what comes may go another way than what goes. Chromium counts that at the transport, Firefox has the ways alone.
  const transports = all('transport')
  const ways = transports.some(({ bytesSent }) => bytesSent !== undefined) ? transports : all('candidate-pair')
  const sent = flow(before?.sent, elapsedMs, sum(ways, 'bytesSent'), sum(out, 'packetsSent'), sum(heard, 'packetsLost'))
  const arrived = sum(inbound, 'packetsReceived')
  const lost = sum(inbound, 'packetsLost')
  const received = flow(before?.received, elapsedMs, sum(ways, 'bytesReceived'), arrived + lost, lost)
  // Two calls in one moment have nothing between them.
  if (pair !== undefined && elapsedMs !== 0) samples.set(pc, { at, sent, received })
  const seconds = pair?.currentRoundTripTime ?? heard.find((entry) => entry.roundTripTime !== undefined)?.roundTripTime
  return { roundTripMs: typeof seconds === 'number' ? 1000 * seconds : undefined, path: pathOf(pair, entries), sent, received }
}

/** Several flows as one. */
export function sumFlows(flows: readonly FlowStats[]): FlowStats {
  const add = (key: keyof FlowStats): number => flows.reduce((total, flow) => total + (flow[key] ?? 0), 0)
  const packets = add('packets')
  const known = flows.some(({ bitsPerSecond }) => bitsPerSecond !== undefined)
  const weighed = flows.reduce((total, { lossRate, packets }) => total + (lossRate ?? 0) * packets, 0)
  const lossy = packets > 0 && flows.some(({ lossRate }) => lossRate !== undefined)
  return {
    bytes: add('bytes'),
    bitsPerSecond: known ? add('bitsPerSecond') : undefined,
    packets,
    packetsLost: add('packetsLost'),
    lossRate: lossy ? weighed / packets : undefined,
  }
}

function flow(
  before: FlowStats | undefined,
  ms: number | undefined,
  bytes: number,
  packets: number,
  packetsLost: number,
): FlowStats {
  if (before === undefined || ms === undefined)
    return { bytes, bitsPerSecond: undefined, packets, packetsLost, lossRate: undefined }
  if (ms === 0) return before
  const sentSince = packets - before.packets
  // What was thought lost may have come after all.
  const lostSince = Math.max(0, packetsLost - before.packetsLost)
  const lossRate = sentSince > 0 ? Math.min(1, lostSince / sentSince) : undefined
  // Firefox forgets ways that are over.
  const bitsPerSecond = (8000 * Math.max(0, bytes - before.bytes)) / ms
  return { bytes, bitsPerSecond, packets, packetsLost, lossRate }
}

/** The pair of candidates in use: Chromium says so at the transport, Firefox at the pair. */
function selectedPair(entries: readonly Entry[]): Entry | undefined {
  const chosen = entries.find(
    ({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId !== undefined,
  )
  const pairs = entries.filter(({ type }) => type === 'candidate-pair')
  const named = pairs.find(({ id }) => id === chosen?.selectedCandidatePairId)
  return (
    named ?? pairs.find(({ selected }) => selected === true) ?? pairs.find((pair) => pair.nominated && pair.state === 'succeeded')
  )
}

function pathOf(pair: Entry | undefined, entries: readonly Entry[]): PathStats | undefined {
  const end = (key: Field): Entry | undefined => pair && entries.find(({ id }) => id === pair[key])
  const [local, remote] = [end('localCandidateId'), end('remoteCandidateId')]
  if (local === undefined || remote === undefined) return undefined
  const types = [String(local.candidateType), String(remote.candidateType)] as const
  return { local: types[0], remote: types[1], relayed: types.includes('relay'), protocol: String(local.protocol) }
}

function sum(entries: readonly Entry[], key: Field): number {
  return entries.reduce((total, entry) => total + number(entry[key]), 0)
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
