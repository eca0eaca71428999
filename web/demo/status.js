// @ts-check
/** How the connection to the server is. Calls go on whatever it is. */

import { complain, count, say, settle } from './notice.js'

/** @param {import('/sdk.js').Room} room */
export function watchStatus(room) {
  const joined = () => {
    const others = room.peers.size
    say(`In the room “${room.id}”, ${others === 0 ? 'alone: open a second tab.' : `with ${others} more.`}`, 'good')
  }
  const counted = () => {
    if (room.status === 'joined') joined()
  }
  room.on('peer-joined', counted)
  room.on('peer-left', counted)
  room.on('status', ({ status, error, retryInMs }) => {
    switch (status) {
      case 'joined':
        return joined()
      case 'reconnecting':
        say(`Reconnecting to the server. ${error?.message ?? ''} What runs between the browsers goes on.`, 'busy')
        if (retryInMs !== undefined) count('Next try in', retryInMs, 'Trying …')
        return
      case 'left':
        return say('You left the room.')
      case 'failed':
        return say('The connection to the server is over. What runs between the browsers goes on.', 'bad')
    }
  })
  // What failed and nobody waited for; it concerns one peer, and may pass.
  room.on('error', ({ error, peer }) => complain(peer?.id ?? 'error', error))
  room.on('peer-left', ({ peer }) => settle(peer.id))
  room.on('peer-state', ({ peer, state }) => {
    if (state === 'connected') settle(peer.id)
  })
  joined()
}
