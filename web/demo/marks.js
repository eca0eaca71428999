// @ts-check
/** What media alone does not tell the others: who is muted, and which stream is a screen. It goes over a data channel of its own. */

/**
 * @import { Peer, Room } from '/sdk.js'
 * @typedef {{ muted: boolean, screen: string | null }} Mark
 * @typedef {ReturnType<typeof watchMarks>} Marks
 */

/** @param {Room} room */
export function watchMarks(room) {
  const channel = room.channel('marks')
  /** @type {WeakMap<Peer, Mark>} */
  const theirs = new WeakMap()
  /** @type {Set<(peer: Peer) => void>} */
  const listeners = new Set()
  /** @type {Mark} */
  let ours = { muted: true, screen: null }
  // Whoever comes later has to be told as well.
  channel.on('open', ({ peer }) => channel.send(JSON.stringify(ours), { to: peer }))
  channel.on('message', ({ data, from }) => {
    theirs.set(from, parse(String(data)))
    for (const listener of listeners) listener(from)
  })
  return {
    /** @param {(peer: Peer) => void} listener */
    onChange: (listener) => void listeners.add(listener),
    /** @param {Peer} peer */
    of: (peer) => theirs.get(peer) ?? { muted: false, screen: null },
    /** @param {Partial<Mark>} changed */
    set(changed) {
      ours = { ...ours, ...changed }
      channel.send(JSON.stringify(ours))
    },
  }
}

/**
 * Another page may say anything.
 *
 * @param {string} text
 * @returns {Mark}
 */
function parse(text) {
  try {
    const { muted, screen } = JSON.parse(text)
    return { muted: muted === true, screen: typeof screen === 'string' ? screen : null }
  } catch {
    return { muted: false, screen: null }
  }
}
