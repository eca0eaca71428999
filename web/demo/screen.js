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
  // One stream for every time, so that the others know it by its id.
  const screen = new MediaStream()
  /** @type {'idle' | 'choosing' | 'sharing'} */
  let state = 'idle'

  const draw = () => {
    press(button('screen'), state === 'sharing')
    stage.drawMyScreen(screen.getTracks())
  }

  const start = async () => {
    state = 'choosing'
    const shared = await openScreen()
    state = 'sharing'
    for (const track of shared.getTracks()) {
      screen.addTrack(track)
      track.onended = stop // by the browser's own button
    }
    draw()
    await room.publish(screen)
  }

  const stop = () => {
    state = 'idle'
    room.unpublish(screen)
    for (const track of screen.getTracks()) {
      track.stop()
      screen.removeTrack(track)
    }
    draw()
  }

  button('screen').onclick = () => {
    if (state === 'choosing') return
    settle('screen')
    if (state === 'sharing') return stop()
    start().catch((error) => {
      stop()
      if (room.status !== 'left') complain('screen', error)
    })
  }
  room.on('status', ({ status }) => {
    if (status === 'left') stop()
  })
  marks.set({ screen: screen.id })
  draw()
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
