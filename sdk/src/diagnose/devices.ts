/** Is there a camera, a microphone, and may this page use it? Nobody is asked unless the application wants it. */

import { CALL_HINTS } from '../call-errors.ts'
import type { DiagnosisEnvironment } from './environment.ts'
import type { Limit } from './limit.ts'
import { type Finding, seeOther } from './report.ts'

/** A device. */
export type Device = 'camera' | 'microphone'

const KINDS = {
  camera: { input: 'videoinput', constraints: { video: true } },
  microphone: { input: 'audioinput', constraints: { audio: true } },
} as const

/** How browsers name what can go wrong: Media Capture and Streams, section 10.2. */
const ERRORS: Readonly<Record<string, 'media-denied' | 'media-missing'>> = {
  NotAllowedError: 'media-denied',
  NotFoundError: 'media-missing',
}

/** Looks for a device; with `ask` it is opened for a moment, which may ask the user. */
export async function checkDevice(
  environment: DiagnosisEnvironment,
  device: Device,
  how: 'look' | 'ask',
  limit: Limit,
): Promise<Finding> {
  const { page, enumerateDevices, getUserMedia, queryPermission } = environment
  if (page === undefined) return { status: 'skipped', found: 'This is no page.' }
  if (enumerateDevices === undefined || getUserMedia === undefined) {
    return page.secure ? { status: 'skipped', found: 'This browser has no devices.' } : seeOther('page')
  }
  const { input, constraints } = KINDS[device]
  const devices = (await limit.race(enumerateDevices())) ?? []
  const count = devices.filter(({ kind }) => kind === input).length
  const permission = (await limit.race(queryPermission(device).catch(() => undefined))) ?? 'unknown'
  const details = { count, permission }
  if (permission === 'denied') return { ...bad(device, 'media-denied'), details }
  if (count === 0) return { ...bad(device, 'media-missing'), details }
  if (how === 'look') return { status: 'ok', found: `It is there. ${MAY[permission]}`, details }
  const code = await limit.race(open(getUserMedia, constraints))
  if (code === undefined)
    return {
      status: 'warning',
      code: 'timed-out',
      found: 'Nobody answered the browser’s question.',
      todo: CALL_HINTS['media-denied'],
      details,
    }
  return code === 'open' ? { status: 'ok', found: 'It is there, and opens.', details } : { ...bad(device, code), details }
}

const MAY: Readonly<Record<string, string>> = {
  granted: 'This page may use it.',
  prompt: 'The browser will ask its user.',
  unknown: 'Whether this page may use it, the browser does not say before it is asked.',
}

function bad(device: Device, code: 'media-denied' | 'media-missing' | 'media-busy'): Finding {
  const found = {
    'media-denied': `This page may not use the ${device}.`,
    'media-missing': `There is no ${device}.`,
    'media-busy': `The ${device} does not start.`,
  }[code]
  // Who has none can still see and hear the others.
  return { status: code === 'media-missing' ? 'warning' : 'failed', code, found, todo: CALL_HINTS[code] }
}

async function open(
  getUserMedia: (constraints: MediaStreamConstraints) => Promise<MediaStream>,
  constraints: MediaStreamConstraints,
): Promise<'open' | 'media-denied' | 'media-missing' | 'media-busy'> {
  try {
    for (const track of (await getUserMedia(constraints)).getTracks()) track.stop()
    return 'open'
  } catch (error) {
    return ERRORS[error instanceof Error ? error.name : ''] ?? 'media-busy'
  }
}
