/** The camera and the microphone as switches: on, off, or another one. */

import { callError } from './call-errors.ts'
import { AldisError } from './errors.ts'
import type { Media } from './media.ts'
import { refuse } from './options.ts'

/**
 * What a camera or microphone is to be: off (`false`), on (`true`, the one that the browser or its user chooses), the one with an id of
 * `navigator.mediaDevices.enumerateDevices()`, or whichever fulfils constraints.
 *
 * @example
 * const devices = await navigator.mediaDevices.enumerateDevices()
 * const cameras = devices.filter(({ kind }) => kind === 'videoinput')
 * await room.setCamera(cameras[1]?.deviceId ?? true)
 * await room.setMicrophone(false)
 */
export type DeviceChoice = boolean | string | MediaTrackConstraints

/**
 * Switches a device. The next one takes the place of the one before, in its stream and in its section of each connection. Camera and
 * microphone are of one stream, so that the others show them as one.
 */
export async function setDevice(
  media: Media,
  kind: 'audio' | 'video',
  choice: DeviceChoice,
  signal?: AbortSignal,
): Promise<MediaStream | undefined> {
  const devices = media.captured('device')
  const current = devices.find((track) => track.kind === kind)
  const stream = devices.map((track) => media.tracks.get(track)).at(0)
  if (choice === false) return current && switchOff(media, current)
  if (choice === true && current) return media.tracks.get(current)
  const constraints = constraintsOf(choice)
  let captured: MediaStream
  try {
    captured = await media.capture('device', { [kind]: constraints }, signal)
  } catch (error) {
    // Some devices open only when the other one is closed.
    signal?.throwIfAborted()
    if (!(error instanceof AldisError && error.code === 'media-busy' && current)) throw error
    switchOff(media, current)
    captured = await media.capture('device', { [kind]: constraints }, signal)
  }
  const [track] = captured.getTracks()
  if (track === undefined) throw callError('media-missing', 'The browser gave nothing.')
  if (current && media.tracks.has(current)) {
    media.replace(current, track)
    return media.tracks.get(track)
  }
  stream?.addTrack(track)
  return media.put([track], stream ?? captured)
}

function switchOff(media: Media, track: MediaStreamTrack): undefined {
  media.tracks.get(track)?.removeTrack(track)
  media.remove(track)
}

function constraintsOf(choice: unknown): boolean | MediaTrackConstraints {
  if (choice === true) return true
  if (typeof choice === 'string' && choice !== '') return { deviceId: { exact: choice } }
  if (typeof choice === 'object' && choice !== null && !Array.isArray(choice)) return choice
  return refuse('choice', '`true`, `false`, the id of a device, or constraints', choice)
}
