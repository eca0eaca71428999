// @ts-check
/** Sharing the screen: a second stream, beside the camera's. */

import { AldisError } from '/sdk.js'
import { button, press } from './dom.js'
import { complain, settle } from './notice.js'

/**
 * @import { Room } from '/sdk.js'
 * @import { Marks } from './marks.js'
 * @import { Stage } from './stage.js'
 */

/**
 * @param {Room} room
 * @param {Marks} marks
 * @param {Stage} stage
 */
export function watchScreen(room, marks, stage) {
  /** @type {MediaStream | 'choosing' | undefined} */
  let shared

  /** @param {MediaStream | undefined} stream */
  const change = (stream) => {
    shared = stream
    press(button('screen'), stream !== undefined)
    marks.set({ screen: stream?.id ?? null })
    stage.drawMyScreen(stream?.getTracks() ?? [])
  }

  const start = async () => {
    shared = 'choosing'
    const stream = await openScreen()
    // The others shall know what it is before it comes.
    change(stream)
    for (const track of stream.getVideoTracks()) track.onended = stop // by the browser's own button
    await room.publish(stream)
  }

  const stop = () => {
    if (shared instanceof MediaStream) {
      room.unpublish(shared)
      for (const track of shared.getTracks()) track.stop()
    }
    change(undefined)
  }

  button('screen').onclick = () => {
    if (shared === 'choosing') return
    settle('screen')
    if (shared !== undefined) return stop()
    start().catch((error) => {
      stop()
      if (room.status !== 'left') complain('screen', error)
    })
  }
  room.on('status', ({ status }) => {
    if (status === 'left') stop()
  })
  change(undefined)
}

async function openScreen() {
  if (navigator.mediaDevices === undefined) throw new AldisError('insecure-context', 'The browser shares no screen with this page.')
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true })
  } catch (cause) {
    const hint = 'Press “Share screen” again and choose a window; where no choice appears, this browser or system does not allow it.'
    throw new AldisError('media-denied', 'No screen was shared.', { cause, hint })
  }
}
