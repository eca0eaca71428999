// @ts-check
/** The page: joins a room, and lets every part of the page watch it. */

import { joinRoom } from '/sdk.js'
import { watchChat } from './chat.js'
import { button } from './dom.js'
import { onJoin, show, tokenOfPage } from './lobby.js'
import { watchMarks } from './marks.js'
import { Media } from './media.js'
import { Network } from './network.js'
import { complain, say, settle, settleAll } from './notice.js'
import { watchScreen } from './screen.js'
import { watchStage } from './stage.js'
import { watchStatus } from './status.js'
import { watchTimeline } from './timeline.js'

onJoin(join)

/** @param {string} name */
async function join(name) {
  settleAll()
  show('joining')
  say(`Joining the room “${name}” …`, 'busy')
  const network = new Network()
  const token = tokenOfPage()
  try {
    const room = await joinRoom(location.origin, { room: name, environment: network.environment, ...(token && { token }) })
    show('call')
    watchEnd(room)
    watchStatus(room)
    watchTimeline(room)
    watchChat(room)
    network.watch(room)
    const marks = watchMarks(room)
    const stage = watchStage(room, marks)
    watchScreen(room, marks, stage)
    await new Media(room, marks, stage).start({ audio: true, video: true })
  } catch (error) {
    show('lobby')
    say('You are in no room.')
    complain('room', error, { label: 'Try again', act: () => join(name) })
  }
}

/** @param {import('/sdk.js').Room} room */
function watchEnd(room) {
  button('leave').onclick = () => room.leave()
  room.on('status', ({ status, error }) => {
    if (status === 'left') show('lobby')
    if (status !== 'failed') return
    // The server has said it before it closed.
    settle('error')
    const again = () => {
      room.leave()
      void join(room.id)
    }
    complain('room', error, { label: 'Join again', act: again })
  })
}
