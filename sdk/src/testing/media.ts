/** Tracks and streams, for a Node that has none. */

let made = 0

/** A track. */
export class FakeTrack extends EventTarget {
  readonly kind: 'audio' | 'video'
  readonly id: string = `track-${++made}`
  enabled = true
  stopped = false
  readyState: MediaStreamTrackState = 'live'

  constructor(kind: 'audio' | 'video') {
    super()
    this.kind = kind
  }

  stop(): void {
    this.stopped = true
    this.readyState = 'ended'
  }

  /** What happens when a camera is unplugged. */
  end(): void {
    this.readyState = 'ended'
    this.dispatchEvent(new Event('ended'))
  }

  asBrowsers(): MediaStreamTrack {
    return this as unknown as MediaStreamTrack
  }
}

/** A stream. */
export class FakeStream extends EventTarget {
  readonly id: string
  #tracks: FakeTrack[]

  constructor(tracks: FakeTrack[] = [], id: string = `stream-${++made}`) {
    super()
    this.id = id
    this.#tracks = [...tracks]
  }

  addTrack(track: FakeTrack): void {
    if (!this.#tracks.includes(track)) this.#tracks.push(track)
  }

  removeTrack(track: FakeTrack): void {
    this.#tracks = this.#tracks.filter((other) => other !== track)
  }

  getAudioTracks(): FakeTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'audio')
  }

  getVideoTracks(): FakeTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'video')
  }

  getTracks(): FakeTrack[] {
    return [...this.#tracks]
  }

  /** The other side takes a track away. */
  lose(track: FakeTrack): void {
    this.#tracks = this.#tracks.filter((other) => other !== track)
    this.dispatchEvent(Object.assign(new Event('removetrack'), { track }))
  }

  asBrowsers(): MediaStream {
    return this as unknown as MediaStream
  }
}

/** Tracks of a kind. */
export function tracks(kind: 'audio' | 'video', count: number): FakeTrack[] {
  return Array.from({ length: count }, () => new FakeTrack(kind))
}
