/** Which tracks a connection carries to the other side. */

/** What is published: each track, and the stream it belongs to. */
export type Published = ReadonlyMap<MediaStreamTrack, MediaStream>

/**
 * Prepares the sections of a first offer: audio and video, ready to receive. That both are there from the start keeps browsers from
 * failing later, when both sides add a first track of a kind at once.
 */
export function layOut(pc: RTCPeerConnection): void {
  pc.addTransceiver('audio', { direction: 'recvonly' })
  pc.addTransceiver('video', { direction: 'recvonly' })
}

/** Makes a connection send exactly what is published. The browser then asks to negotiate, if there is anything new. */
export async function syncSenders(pc: RTCPeerConnection, published: Published): Promise<void> {
  const changes: Promise<void>[] = []
  const carried = new Set<MediaStreamTrack>()
  for (const transceiver of pc.getTransceivers()) {
    const { track } = transceiver.sender
    if (track === null) continue
    if (published.has(track)) {
      carried.add(track)
    } else {
      transceiver.direction = 'recvonly'
      changes.push(transceiver.sender.replaceTrack(null))
    }
  }
  for (const [track, stream] of published) {
    if (!carried.has(track)) changes.push(send(pc, track, stream))
  }
  await Promise.all(changes)
}

/** Sends a track in a section that sends nothing, or in a new one. */
async function send(pc: RTCPeerConnection, track: MediaStreamTrack, stream: MediaStream): Promise<void> {
  const free = pc.getTransceivers().find((transceiver) => isFree(transceiver, track.kind))
  if (free === undefined) {
    pc.addTransceiver(track, { direction: 'sendrecv', streams: [stream] })
    return
  }
  free.direction = 'sendrecv'
  free.sender.setStreams(stream)
  await free.sender.replaceTrack(track)
}

function isFree({ currentDirection, direction, receiver, sender }: RTCRtpTransceiver, kind: string): boolean {
  const stopped = direction === 'stopped' || currentDirection === 'stopped'
  // A direction that sends without a track is one that was taken a moment ago.
  return !stopped && receiver.track.kind === kind && sender.track === null && !direction.startsWith('send')
}
