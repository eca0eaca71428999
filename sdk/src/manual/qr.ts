/**
 * Invitations and replies as pictures. It needs the package `qr`, which is not installed with this one: `npm install qr`.
 *
 * @module manual/qr
 */

import { encodeQR } from 'qr'
import { decodeQR } from 'qr/decode.js'
import { AldisError } from '../errors.ts'
import { checkFunction, checkOptions, checkSignal, refuse } from '../options.ts'

/** How much the largest code holds of any text, in bytes: ISO 18004, table 7. */
const CAPACITY = 2_953

/** How long to wait between two looks at a camera, in milliseconds. */
const LOOK_MS = 150

/** The longer side of the pictures that are looked at: larger ones show no more of a code, and take longer. */
const LOOK_PX = 960

/**
 * Draws a text as a QR code: the text of an SVG, one unit for each module, with the quiet zone that readers need around it. The modules
 * are dark on light whatever the page looks like, because many readers take nothing else.
 *
 * @param text an invitation or a reply
 * @example
 * picture.src = `data:image/svg+xml,${encodeURIComponent(drawQr(invitation.text))}`
 */
export function drawQr(text: string): string {
  if (typeof text !== 'string') refuse('text', 'a string', text)
  const quiet = 4
  // It is read from a screen, which has no dirt: less correction means larger modules.
  const rows = rowsOf(text, quiet)
  const path = rows.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : []))).join('')
  const size = rows.length
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${path}"/></svg>`
}

/**
 * Reads a QR code in a picture; `undefined` where it finds none.
 *
 * @param picture what `getImageData` of a canvas returns
 * @example
 * const text = readQr(canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height))
 */
export function readQr(picture: ImageData): string | undefined {
  const { data, width, height } = picture ?? {}
  const good = ArrayBuffer.isView(data) && typeof width === 'number' && typeof height === 'number'
  if (!good) refuse('picture', 'an `ImageData`', picture)
  try {
    return decodeQR({ data, width, height })
  } catch {
    return undefined
  }
}

/**
 * Looks at a video until it shows a QR code that is wanted, and resolves with its text.
 *
 * @param video what plays a camera
 * @param options `wanted` says whether a text is the one that is looked for, by default any is; `signal` ends the search
 * @throws the signal's reason, when it is aborted
 * @example
 * video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
 * await invitation.accept(await scanQr(video))
 */
export async function scanQr(
  video: HTMLVideoElement,
  options: { wanted?: (text: string) => boolean; signal?: AbortSignal } = {},
): Promise<string> {
  if (typeof video?.videoWidth !== 'number') refuse('video', 'a `<video>`', video)
  checkOptions(options, { wanted: checkFunction, signal: checkSignal })
  const { wanted = () => true, signal } = options
  const canvas = document.createElement('canvas')
  for (;;) {
    signal?.throwIfAborted()
    const text = look(video, canvas)
    if (text !== undefined && wanted(text)) return text
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

function rowsOf(text: string, border: number): boolean[][] {
  try {
    return encodeQR(text, 'raw', { ecc: 'low', border })
  } catch (cause) {
    const message = `\`text\` must be short enough for a QR code, which holds up to ${CAPACITY} bytes, not ${text.length} characters.`
    throw new AldisError('invalid-option', message, { cause })
  }
}

function look(video: HTMLVideoElement, canvas: HTMLCanvasElement): string | undefined {
  const scale = Math.min(1, LOOK_PX / Math.max(video.videoWidth, video.videoHeight, 1))
  canvas.width = Math.round(video.videoWidth * scale)
  canvas.height = Math.round(video.videoHeight * scale)
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  // It does not play yet.
  if (pen === null || canvas.width === 0 || canvas.height === 0) return undefined
  pen.drawImage(video, 0, 0, canvas.width, canvas.height)
  return readQr(pen.getImageData(0, 0, canvas.width, canvas.height))
}
