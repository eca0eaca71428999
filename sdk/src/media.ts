/** What this side publishes, and where it comes from. */

import type { Environment } from './environment.ts'
import { AldisError, type ClientErrorCode, reason } from './errors.ts'
import { TRACKS_MAX } from './senders.ts'

/**
 * What can be published: a stream, one track, or what to ask the browser for, as `{ audio: true, video: true }`. What the library asked
 * the browser for it also switches off; a stream or track of your own is yours to stop.
 */
export type MediaSource = MediaStream | MediaStreamTrack | MediaStreamConstraints

/** How browsers name what can go wrong: Media Capture and Streams, section 10.2. */
const DEVICE_ERRORS: ReadonlyMap<string, readonly [ClientErrorCode, string]> = new Map([
  ['NotAllowedError', ['media-denied', 'The camera or microphone was denied.']],
  ['NotFoundError', ['media-missing', 'There is no such camera or microphone.']],
  ['OverconstrainedError', ['media-unsatisfied', 'No camera or microphone fulfils the constraints.']],
])

const BUSY: readonly [ClientErrorCode, string] = ['media-busy', 'The camera or microphone does not start.']

/** The published tracks of a room, each with its stream. */
export class Media {
  readonly #environment: Environment
  readonly #changed: () => void
  readonly #tracks = new Map<MediaStreamTrack, MediaStream>()
  /** Tracks that this library asked the browser for, and so has to stop. */
  readonly #opened = new Set<MediaStreamTrack>()

  constructor(environment: Environment, changed: () => void) {
    this.#environment = environment
    this.#changed = changed
  }

  /** Each track, and the stream it belongs to. */
  get tracks(): ReadonlyMap<MediaStreamTrack, MediaStream> {
    return this.#tracks
  }

  /** Adds tracks; what is there already is not added twice. */
  async add(source: MediaSource): Promise<MediaStream> {
    const stream = await this.#streamOf(source)
    const wanted = isTrack(source) ? [source] : stream.getTracks()
    try {
      this.#check(wanted)
    } catch (error) {
      for (const track of wanted) this.#stop(track)
      throw error
    }
    for (const track of wanted) {
      this.#tracks.set(track, stream)
      // A camera that was unplugged, or a screen that its user no longer shares.
      track.addEventListener('ended', () => this.remove(track), { once: true })
    }
    this.#changed()
    return stream
  }

  /** Takes tracks away, and stops those that this library opened. */
  remove(source: MediaStream | MediaStreamTrack): void {
    // A track that another stream has taken over stays.
    const tracks = isTrack(source) ? [source] : source.getTracks().filter((track) => this.#tracks.get(track) === source)
    const removed = tracks.filter((track) => this.#tracks.delete(track))
    for (const track of removed) this.#stop(track)
    if (removed.length > 0) this.#changed()
  }

  /** Takes everything away. */
  clear(): void {
    for (const track of [...this.#tracks.keys()]) this.remove(track)
  }

  /** Switches off what this library switched on, unless it is still published. */
  #stop(track: MediaStreamTrack): void {
    if (!this.#tracks.has(track) && this.#opened.delete(track)) track.stop()
  }

  async #streamOf(source: MediaSource): Promise<MediaStream> {
    if (isStream(source)) return source
    if (isTrack(source)) return this.#tracks.get(source) ?? new MediaStream([source])
    const stream = await this.#open(source)
    for (const track of stream.getTracks()) this.#opened.add(track)
    return stream
  }

  async #open(constraints: MediaStreamConstraints): Promise<MediaStream> {
    const { getUserMedia } = this.#environment
    if (getUserMedia === undefined)
      throw new AldisError('insecure-context', 'The browser gives this page no camera or microphone.')
    try {
      return await getUserMedia(constraints)
    } catch (cause) {
      const known = cause instanceof DOMException ? (DEVICE_ERRORS.get(cause.name) ?? BUSY) : undefined
      const [code, message] = known ?? ['invalid-option', `\`publish\` was refused: ${reason(cause)}`]
      throw new AldisError(code, message, { cause })
    }
  }

  #check(added: readonly MediaStreamTrack[]): void {
    if (added.some(({ readyState }) => readyState === 'ended'))
      throw new AldisError('invalid-option', 'The track has ended already.')
    const all = new Set([...this.#tracks.keys(), ...added])
    for (const kind of ['audio', 'video']) {
      const count = [...all].filter((track) => track.kind === kind).length
      if (count <= TRACKS_MAX) continue
      throw new AldisError(
        'too-many-tracks',
        `${count} ${kind} tracks are more than the ${TRACKS_MAX} that a connection carries.`,
      )
    }
  }
}

// By what they have, and not by their class: a page may get them from another window.
function isStream(source: MediaSource): source is MediaStream {
  return (source as Partial<MediaStream> | undefined)?.getTracks !== undefined
}

function isTrack(source: MediaSource): source is MediaStreamTrack {
  return (source as Partial<MediaStreamTrack> | undefined)?.kind !== undefined
}
