/** Session descriptions of connections that are none: RFC 8866, with what JSEP needs of it and nothing about codecs. */

/** A section of a description. */
export interface DescribedSection {
  readonly kind: string
  readonly mid: number
  readonly direction: string
}

/** A description of these sections. `origin` tells descriptions apart, `fragment` the starts of ICE. */
export function describe(
  origin: string,
  type: 'answer' | 'offer',
  fragment: string,
  sections: readonly DescribedSection[],
): string {
  const fingerprint = Array.from({ length: 32 }, (_, at) =>
    (fragment.charCodeAt(at % fragment.length) & 0xff).toString(16).toUpperCase(),
  )
  const lines = [
    'v=0',
    `o=${origin} IN IP4 0.0.0.0`,
    's=-',
    't=0 0',
    `a=ice-ufrag:${fragment}`,
    `a=ice-pwd:${fragment.padEnd(24, '0')}`,
    `a=fingerprint:sha-256 ${fingerprint.join(':')}`,
    `a=setup:${type === 'offer' ? 'actpass' : 'active'}`,
    ...sections.flatMap(({ kind, mid, direction }) => [
      kind === 'application' ? 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel' : `m=${kind} 9 UDP/TLS/RTP/SAVPF 111`,
      `a=mid:${mid}`,
      `a=${direction}`,
    ]),
  ]
  return `${lines.join('\r\n')}\r\n`
}

/** A description of somebody else, with the sections that the library lays out. */
export function sdpOf(fragment: string): string {
  return describe('other 1', 'offer', fragment, [
    { kind: 'application', mid: 0, direction: 'sendrecv' },
    { kind: 'audio', mid: 1, direction: 'recvonly' },
    { kind: 'video', mid: 2, direction: 'recvonly' },
  ])
}

/** The sections of a description; one that says no direction goes both ways. */
export function sectionsOf(description: RTCSessionDescriptionInit | null): DescribedSection[] {
  const [, ...sections] = (description?.sdp ?? '').split(/^m=/m)
  return sections.map((section) => {
    const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.exec(section)?.[1] ?? 'sendrecv'
    return { kind: /^\w+/.exec(section)?.[0] ?? '', mid: Number(/^a=mid:(\S+)/m.exec(section)?.[1]), direction }
  })
}
