/** Which codecs calls prefer. */

import type { Environment } from './environment.ts'
import { checkObject, refuse } from './options.ts'

/**
 * MIME types of codecs by kind, the best first, as `{ video: ['video/VP9', 'video/VP8'] }`; the others follow as the browser orders them.
 *
 * @example
 * const codecs: CodecPreferences = { video: ['video/VP9', 'video/VP8'] }
 * await joinRoom('https://rtc.example.org', { room: 'standup', token, codecs })
 */
export interface CodecPreferences {
  /** As `['audio/opus']`. */
  readonly audio?: readonly string[]
  /** As `['video/VP9', 'video/H264']`. */
  readonly video?: readonly string[]
}

const KINDS = ['audio', 'video'] as const

/** Checks preferences, and says to the developer which of them this browser does not know. */
export function checkCodecs(codecs: CodecPreferences, { getCapabilities, warn }: Environment): void {
  checkObject('codecs', codecs)
  for (const [kind, types] of Object.entries(codecs)) {
    if (kind !== 'audio' && kind !== 'video') refuse('codecs', 'lists named `audio` and `video`', kind)
    const good = Array.isArray(types) && types.every((type) => typeof type === 'string' && type.startsWith(`${kind}/`))
    if (!good) refuse(`codecs.${kind}`, `a list of types as '${kind}/…'`, Array.isArray(types) ? types.join(', ') : types)
    const known = getCapabilities(kind)
    const unknown = (types as string[]).filter((type) => !known.some((codec) => isOf(codec, type)))
    if (unknown.length > 0) warn(`aldis: this browser has no codec ${unknown.join(', ')}: \`codecs.${kind}\` goes on without.`)
  }
}

/** The sections that have been told. */
const told = new WeakSet<RTCRtpTransceiver>()

/** Tells the sections of a connection that have not been told yet. */
export function preferCodecs(pc: RTCPeerConnection, codecs: CodecPreferences, { getCapabilities }: Environment): void {
  for (const kind of KINDS) {
    const types = codecs[kind] ?? []
    const known = getCapabilities(kind)
    const rank = (codec: RTCRtpCodec): number => {
      const at = types.findIndex((type) => isOf(codec, type))
      return at < 0 ? types.length : at
    }
    // Sorting is stable: what is not named keeps its order, and with it what repairs losses.
    const wanted = [...known].sort((one, other) => rank(one) - rank(other))
    if (!known.some((codec) => rank(codec) < types.length)) continue
    for (const transceiver of pc.getTransceivers()) {
      if (transceiver.receiver.track.kind !== kind || told.has(transceiver)) continue
      told.add(transceiver)
      transceiver.setCodecPreferences?.(wanted)
    }
  }
}

function isOf({ mimeType }: RTCRtpCodec, type: string): boolean {
  return mimeType.toLowerCase() === type.toLowerCase()
}
