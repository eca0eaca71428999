/** What this side publishes, and where it comes from. */

import { CALL_HINTS, type CallErrorCode, callError } from './call-errors.ts'
import type { Environment } from './environment.ts'
import { AldisError, reason } from './errors.ts'
import { refuse } from './options.ts'
import { TRACKS_MAX } from './senders.ts'

/**
 * What can be published: a stream, one track, or what to ask the browser for, as `{ audio: true, video: true }`. What the library asked
 * the browser for it also switches off; a stream or track of your own is yours to stop.
 *
 * @example
 * await room.publish({ audio: true, video: { width: 1280 } })
 * await room.publish(canvas.captureStream(30))
 */
export type MediaSource = MediaStream | MediaStreamTrack | MediaStreamConstraints

/** What the browser was asked for. */
export type Capture = 'device' | 'screen'

/** What failed, the end of a sentence, and what to do if not the usual. */
type CaptureError = readonly [CallErrorCode, string, string?]

/** How browsers name what can go wrong, or the constraint: Media Capture and Streams, section 10.2, and Screen Capture, section 5.1. */
const CAPTURE_ERRORS: ReadonlyMap<string, CaptureError> = new Map([
  ['deviceId', ['media-unsatisfied', 'of this id is not there.', 'Choose another one.']],
  ['NotAllowedError', ['media-denied', 'was denied.']],
  ['NotFoundError', ['media-missing', 'is not there.']],
  ['OverconstrainedError', ['media-unsatisfied', 'does not fulfil the constraints.']],
])

const BUSY: CaptureError = ['media-busy', 'does not start.']

/** The published tracks of a room, each with its stream. */
export class Media {
  readonly #environment: Environment
  readonly #changed: () => void
  #tracks = new Map<MediaStreamTrack, MediaStream>()
  /** Tracks that this library asked the browser for, and so has to stop. */
  readonly #captured = new Map<MediaStreamTrack, Capture>()

  constructor(environment: Environment, changed: () => void) {
    this.#environment = environment
    this.#changed = changed
  }

  /** Each track, and the stream it belongs to. */
  get tracks(): ReadonlyMap<MediaStreamTrack, MediaStream> {
    return this.#tracks
  }

  /** The published tracks that this library asked the browser for. */
  captured(what: Capture): MediaStreamTrack[] {
    return [...this.#tracks.keys()].filter((track) => this.#captured.get(track) === what)
  }

  /** Adds tracks; what is there already is not added twice. */
  async add(source: MediaSource, signal?: AbortSignal): Promise<MediaStream> {
    if (typeof source !== 'object' || source === null) {
      refuse('source', 'a `MediaStream`, a `MediaStreamTrack` or constraints', source)
    }
    if (isTrack(source)) return this.put([source], this.#tracks.get(source) ?? new MediaStream([source]))
    const stream = isStream(source) ? source : await this.capture('device', source, signal)
    return this.put(stream.getTracks(), stream)
  }

  /** Adds tracks to what is published, as tracks of a stream. */
  put(wanted: readonly MediaStreamTrack[], stream: MediaStream): MediaStream {
    try {
      this.#check(wanted)
    } catch (error) {
      for (const track of wanted) this.#stop(track)
      throw error
    }
    for (const track of wanted) {
      this.#tracks.set(track, stream)
      this.#watch(track)
    }
    this.#changed()
    return stream
  }

  /** Puts a track into the place of one that is published: in its stream, and in its section of each connection. */
  replace(old: MediaStreamTrack, next: MediaStreamTrack): void {
    const stream = this.#tracks.get(old)
    if (stream === undefined) refuse('old', 'a track that is published', old)
    if (!isTrack(next) || next.kind !== old.kind) refuse('next', `a track of ${old.kind}`, next)
    if (this.#tracks.has(next)) refuse('next', 'a track that is not published yet', next)
    checkLive(next)
    this.#tracks = new Map([...this.#tracks].map(([track, of]) => [track === old ? next : track, of]))
    stream.removeTrack(old)
    stream.addTrack(next)
    this.#watch(next)
    this.#stop(old)
    this.#changed()
  }

  /** Takes tracks away, and stops those that this library opened. */
  remove(source: MediaStream | MediaStreamTrack): void {
    if (!isTrack(source) && !isStream(source)) refuse('source', 'a `MediaStream` or a `MediaStreamTrack`', source)
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

  /** Asks the browser for tracks, which are this library's to stop. */
  async capture(what: Capture, constraints: MediaStreamConstraints, signal?: AbortSignal): Promise<MediaStream> {
    const { getUserMedia, getDisplayMedia } = this.#environment
    const [ask, name] = what === 'device' ? [getUserMedia, nameOf(constraints)] : [getDisplayMedia, 'The screen']
    if (ask === undefined) throw callError('insecure-context', `${name} is not for this page: its browser has no such API.`)
    let stream: MediaStream
    try {
      stream = await ask(constraints)
    } catch (cause) {
      throw captureError(name, cause)
    }
    for (const track of stream.getTracks()) this.#captured.set(track, what)
    if (signal?.aborted) for (const track of stream.getTracks()) this.#stop(track)
    signal?.throwIfAborted()
    return stream
  }

  /** A camera that was unplugged, or a screen that its user no longer shares, is unpublished. */
  #watch(track: MediaStreamTrack): void {
    track.addEventListener('ended', () => this.remove(track), { once: true })
  }

  /** Switches off what this library switched on, unless it is still published. */
  #stop(track: MediaStreamTrack): void {
    if (!this.#tracks.has(track) && this.#captured.delete(track)) track.stop()
  }

  #check(added: readonly MediaStreamTrack[]): void {
    added.forEach(checkLive)
    const all = new Set([...this.#tracks.keys(), ...added])
    for (const kind of ['audio', 'video']) {
      const count = [...all].filter((track) => track.kind === kind).length
      if (count <= TRACKS_MAX) continue
      throw callError('too-many-tracks', `${count} ${kind} tracks are more than the ${TRACKS_MAX} that a connection carries.`)
    }
  }
}

function captureError(what: string, cause: unknown): AldisError {
  const { name, constraint } = Object(cause)
  // By the name, and not by the class: in Firefox not all of them are a `DOMException`.
  const named = CAPTURE_ERRORS.get(constraint) ?? CAPTURE_ERRORS.get(name)
  const known = named ?? (cause instanceof DOMException ? BUSY : undefined)
  if (known === undefined) return new AldisError('invalid-option', `${what} was refused: ${reason(cause)}`, { cause })
  const [code, message, hint = CALL_HINTS[code]] = known
  return new AldisError(code, `${what} ${message}`, { cause, hint })
}

function nameOf({ audio, video }: MediaStreamConstraints): string {
  return `The ${audio ? (video ? 'camera or microphone' : 'microphone') : 'camera'}`
}

function checkLive({ readyState }: MediaStreamTrack): void {
  if (readyState === 'ended') throw new AldisError('invalid-option', 'The track has ended already.')
}

// By what they have, and not by their class: a page may get them from another window.
function isStream(source: MediaSource): source is MediaStream {
  return (source as Partial<MediaStream> | undefined)?.getTracks !== undefined
}

function isTrack(source: MediaSource): source is MediaStreamTrack {
  return (source as Partial<MediaStreamTrack> | undefined)?.kind !== undefined
}
