/**
 * A session description for data channels alone, as the few facts in it that the other side cannot know: who proves it, where it is, and
 * the password of ICE. Around them every browser says the same.
 *
 * Media need no place here: their sections are added over the first data channel, as soon as that stands.
 */

import type { ByteReader, ByteWriter } from './bytes.ts'
import { isIceChars, Unreadable } from './bytes.ts'
import { candidateLines, readWays, type Way, waysOf, writeWays } from './ways.ts'

/** What one side says about itself. */
export interface Facts {
  readonly ufrag: string
  readonly password: string
  /** Of its certificate, by SHA-256. */
  readonly fingerprint: readonly number[]
  /** The largest message that it takes is two to this power, or a little more. */
  readonly maxMessage: number
  readonly ways: readonly Way[]
}

/** SHA-256 has so many bytes. */
const FINGERPRINT_BYTES = 32

/** RFC 8841, section 6.1: what a side that says nothing takes. */
const DEFAULT_MAX_MESSAGE = 16

/** Finds the facts in a browser's description; `undefined` where it says something that a text cannot. */
export function factsOf(sdp: string): Facts | undefined {
  const find = (pattern: RegExp): string => pattern.exec(sdp)?.[1] ?? ''
  const fingerprint = find(/^a=fingerprint:sha-256 ([\dA-F:]+)/im).split(':')
  const [ufrag, password] = [find(/^a=ice-ufrag:(\S+)/m), find(/^a=ice-pwd:(\S+)/m)]
  const sections = sdp.match(/^m=/gm)?.length
  const isPlain = sections === 1 && /^m=application /m.test(sdp) && find(/^a=mid:(\S+)/m) === '0'
  if (!isPlain || fingerprint.length !== FINGERPRINT_BYTES || !isIceChars(ufrag) || !isIceChars(password)) return undefined
  const most = Number(find(/^a=max-message-size:(\d+)/m))
  return {
    ufrag,
    password,
    fingerprint: fingerprint.map((byte) => Number.parseInt(byte, 16)),
    maxMessage: most > 0 ? Math.floor(Math.log2(most)) : DEFAULT_MAX_MESSAGE,
    ways: waysOf(sdp),
  }
}

/** Writes facts. */
export function writeFacts(to: ByteWriter, { ufrag, password, fingerprint, maxMessage, ways }: Facts): void {
  to.iceChars(ufrag).iceChars(password).bytes(fingerprint).number(maxMessage, 1)
  writeWays(to, ways)
}

/** Reads facts. */
export function readFacts(from: ByteReader): Facts {
  const facts = {
    ufrag: from.iceChars(),
    password: from.iceChars(),
    fingerprint: from.bytes(FINGERPRINT_BYTES),
    maxMessage: from.number(1),
    ways: readWays(from),
  }
  // RFC 8839, section 5.4.
  if (facts.ufrag.length < 4 || facts.password.length < 22 || facts.maxMessage > 53) throw new Unreadable()
  return facts
}

/**
 * A description with these facts. Whoever invites is the client of DTLS: it speaks first, and it is the one who knows that both are
 * there. An invited side that spoke first would have waited longer and longer between two attempts when the reply arrives.
 */
export function describe(type: 'answer' | 'offer', { ufrag, password, fingerprint, maxMessage, ways }: Facts): string {
  const hex = fingerprint.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${password}`,
    // A side that is told that no more candidates come gives up earlier; and some may come, over the data channel.
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${hex.join(':')}`,
    `a=setup:${type === 'offer' ? 'active' : 'passive'}`,
    'a=mid:0',
    'a=sctp-port:5000',
    `a=max-message-size:${2 ** maxMessage}`,
    ...candidateLines(ways),
  ]
  return `${lines.join('\r\n')}\r\n`
}
