// @ts-check
/** Reading a code with the camera. */

import { AldisError } from '/manual.js'
import { scanQr } from '/qr.js'
import { button, element } from './dom.js'
import { complain, settle } from './notice.js'

const dialog = element('scanner', HTMLDialogElement)
const video = element('viewfinder', HTMLVideoElement)

/**
 * Looks for a text of a kind until there is one, or until its user has had enough.
 *
 * @param {'i' | 'r'} kind an invitation, or a reply
 * @param {(text: string) => void} take
 */
export async function scan(kind, take) {
  settle('scan')
  const end = new AbortController()
  /** @type {MediaStream | undefined} */
  let camera
  try {
    camera = await openCamera()
    dialog.onclose = () => end.abort()
    button('stop-scan').onclick = () => dialog.close()
    dialog.showModal()
    video.srcObject = camera
    await video.play()
    const wanted = (/** @type {string} */ text) => new RegExp(`aldis\\d+${kind}[.]`, 'i').test(text)
    const text = await scanQr(video, { wanted, signal: end.signal })
    dialog.close()
    take(text)
  } catch (error) {
    if (!end.signal.aborted) complain('scan', error)
  } finally {
    dialog.close()
    video.srcObject = null
    for (const track of camera?.getTracks() ?? []) track.stop()
  }
}

async function openCamera() {
  if (navigator.mediaDevices === undefined) throw new AldisError('insecure-context', 'The browser gives this page no camera.')
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
  } catch (cause) {
    throw new AldisError('media-denied', 'There is no camera to scan with.', { cause, hint: 'Paste the text instead.' })
  }
}
