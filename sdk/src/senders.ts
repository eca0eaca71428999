/** Which tracks a connection carries to the other side. */

/** What is published: each track, and the stream it belongs to. */
export type Published = ReadonlyMap<MediaStreamTrack, MediaStream>

/** How many tracks of a kind one connection carries: 15 video sections make an offer of 81 KB, past the limit of a message. */
export const TRACKS_MAX = 8

/** The senders that this library has used, each with the id of the stream that it carried first, and the stream of its track. */
const used = new WeakMap<RTCRtpSender, { readonly first: string; readonly current: MediaStream }>()

/**
 * What a connection is laid out for; `layout` of {@link JoinOptions}.
 *
 * @example
 * // A game: its first offer is half a kilobyte instead of six.
 * await joinRoom('https://rtc.example.org', { room: 'game', token, layout: 'data' })
 */
export type Layout = 'data' | 'media'

/**
 * Prepares the sections of a first offer: audio and video, ready to receive. That both are there from the start keeps browsers from
 * failing later, when both sides add a first track of a kind at once. Pairs that never carry any do without.
 */
export function layOut(pc: RTCPeerConnection, layout: Layout): void {
  if (layout === 'data') return
  pc.addTransceiver('audio', { direction: 'recvonly' })
  pc.addTransceiver('video', { direction: 'recvonly' })
}

/** Makes a connection send exactly what is published. The browser then asks to negotiate, if there is anything new. */
export async function syncSenders(pc: RTCPeerConnection, published: Published): Promise<void> {
  const changes: Promise<void>[] = []
  const coming = new Map(published)
  const going: RTCRtpTransceiver[] = []
  for (const transceiver of pc.getTransceivers()) {
    const { track } = transceiver.sender
    // What the application sends by itself is its own affair.
    if (track === null || !used.has(transceiver.sender)) continue
    if (!coming.delete(track)) going.push(transceiver)
  }
  for (const transceiver of going) {
    const { sender } = transceiver
    const next = [...coming].find(([{ kind }, stream]) => kind === sender.track?.kind && stream === used.get(sender)?.current)
    // One of the same stream takes its place, which nobody has to negotiate.
    if (next === undefined) transceiver.direction = 'recvonly'
    else coming.delete(next[0])
    changes.push(sender.replaceTrack(next?.[0] ?? null))
  }
  for (const [track, stream] of coming) changes.push(send(pc, track, stream))
  await Promise.all(changes)
}

/** Sends a track in a section that sends nothing, or in a new one. */
async function send(pc: RTCPeerConnection, track: MediaStreamTrack, stream: MediaStream): Promise<void> {
  const free = findFree(pc, track.kind, stream)
  if (free === undefined) {
    const { sender } = pc.addTransceiver(track, { direction: 'sendrecv', streams: [stream] })
    used.set(sender, { first: stream.id, current: stream })
    return
  }
  used.set(free.sender, { first: used.get(free.sender)?.first ?? stream.id, current: stream })
  free.direction = 'sendrecv'
  free.sender.setStreams(stream)
  await free.sender.replaceTrack(track)
}

/**
 * A section that sends nothing. Chromium goes back to the first stream of a section that is used for a second one, so another stream
 * gets another section as long as there may be one more.
 */
function findFree(pc: RTCPeerConnection, kind: string, stream: MediaStream): RTCRtpTransceiver | undefined {
  const sections = pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === kind)
  const free = sections.filter(isFree)
  const fitting = free.find(({ sender }) => (used.get(sender)?.first ?? stream.id) === stream.id)
  return fitting ?? (sections.length < TRACKS_MAX ? undefined : free[0])
}

function isFree({ currentDirection, direction, sender }: RTCRtpTransceiver): boolean {
  const stopped = direction === 'stopped' || currentDirection === 'stopped'
  // A direction that sends without a track is one that was taken a moment ago.
  return !stopped && sender.track === null && !direction.startsWith('send')
}
