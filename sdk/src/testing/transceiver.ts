/** Transceivers of {@link FakePeerConnection}. */

import { FakeTrack } from './media.ts'

/** Changes a sender's track when the connection is ready to. */
export type Replace = (run: () => void) => Promise<void>

/** A transceiver: a section of audio or video. */
export class FakeTransceiver {
  readonly receiver: { readonly track: FakeTrack }
  readonly sender: FakeSender
  /** The codecs that were asked for. */
  preferences: string[] | undefined
  readonly currentDirection: RTCRtpTransceiverDirection | null = null
  readonly #changed: () => void
  #direction: RTCRtpTransceiverDirection

  constructor(kind: 'audio' | 'video', direction: RTCRtpTransceiverDirection, changed: () => void, replace: Replace) {
    this.receiver = { track: new FakeTrack(kind) }
    this.sender = new FakeSender(replace)
    this.#direction = direction
    this.#changed = changed
  }

  setCodecPreferences(codecs: readonly RTCRtpCodec[]): void {
    this.preferences = codecs.map(({ mimeType }) => mimeType)
  }

  get direction(): RTCRtpTransceiverDirection {
    return this.#direction
  }

  set direction(direction: RTCRtpTransceiverDirection) {
    this.#direction = direction
    this.#changed()
  }
}

/** What a transceiver sends. */
export class FakeSender {
  track: FakeTrack | null = null
  streams: readonly object[] = []
  readonly #replace: Replace

  constructor(replace: Replace) {
    this.#replace = replace
  }

  replaceTrack(track: FakeTrack | null): Promise<void> {
    return this.#replace(() => {
      this.track = track
    })
  }

  setStreams(...streams: object[]): void {
    this.streams = streams
  }
}
