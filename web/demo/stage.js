// @ts-check
/** The videos: a tile for everybody, and one more for a screen that they share. */

import { button, copyOf, element, inside, nameOf } from './dom.js'

/**
 * @import { Peer, PeerState, Room } from '/sdk.js'
 * @import { Marks } from './marks.js'
 * @typedef {{ name: string, kind: 'me' | 'other' | 'screen', tracks: MediaStreamTrack[], muted?: boolean, state?: string }} Picture
 * @typedef {ReturnType<typeof watchStage>} Stage
 */

const stage = element('stage', HTMLElement)
/** @type {Map<string, HTMLElement>} */
const tiles = new Map()
/** @type {Set<HTMLVideoElement>} those that play without sound until the user clicks */
const silenced = new Set()
const soundHint = element('hint-sound', HTMLParagraphElement)

/** @type {{ readonly [state in PeerState]: string }} */
const STATES = {
  new: 'not called yet',
  connecting: 'connecting …',
  connected: 'connected',
  interrupted: 'interrupted',
  failed: 'no way found, trying again',
  closed: 'the call has ended',
}

/**
 * @param {Room} room
 * @param {Marks} marks
 */
export function watchStage(room, marks) {
  for (const key of [...tiles.keys()]) hide(key)

  /** @param {Peer} peer */
  const draw = (peer) => {
    if (!room.peers.has(peer.id)) return
    const { muted, screen } = marks.of(peer)
    const name = nameOf(peer)
    const away = peer.presence === 'away' ? ', but out of the server’s reach' : ''
    const person = peer.streams.filter(({ id }) => id !== screen).flatMap((stream) => stream.getTracks())
    const shared = peer.streams.find(({ id }) => id === screen)?.getTracks() ?? []
    show(peer.id, { name, kind: 'other', tracks: person, muted, state: STATES[peer.state] + away })
    showOrHide(`${peer.id}/screen`, { name: `${name}’s screen`, kind: 'screen', tracks: shared })
  }

  room.on('peer-joined', ({ peer }) => draw(peer))
  room.on('peer-updated', ({ peer }) => draw(peer))
  room.on('peer-state', ({ peer }) => draw(peer))
  room.on('track', ({ peer }) => draw(peer))
  room.on('track-removed', ({ peer }) => draw(peer))
  room.on('peer-left', ({ peer }) => {
    hide(peer.id)
    hide(`${peer.id}/screen`)
  })
  room.on('status', ({ status }) => {
    if (status === 'left') for (const key of [...tiles.keys()]) hide(key)
  })
  marks.onChange(draw)
  for (const peer of room.peers.values()) draw(peer)

  return {
    /**
     * @param {MediaStreamTrack[]} tracks
     * @param {boolean} muted
     */
    drawMe: (tracks, muted) => show('me', { name: `${nameOf(room.me)} (you)`, kind: 'me', tracks, muted }),
    /** @param {MediaStreamTrack[]} tracks */
    drawMyScreen: (tracks) => showOrHide('me/screen', { name: 'Your screen', kind: 'screen', tracks }),
  }
}

/**
 * @param {string} key
 * @param {Picture} picture
 */
function showOrHide(key, picture) {
  if (picture.tracks.length > 0) show(key, picture)
  else hide(key)
}

/**
 * @param {string} key
 * @param {Picture} picture
 */
function show(key, { name, kind, tracks, muted = false, state = '' }) {
  const tile = tiles.get(key) ?? open(key, kind)
  inside(tile, '.name').textContent = name
  inside(tile, '.muted').hidden = !muted
  inside(tile, '.state').textContent = state
  inside(tile, '.initial').textContent = initialOf(name)
  const video = videoOf(tile)
  video.setAttribute('aria-label', `Video of ${name}`)
  video.hidden = !tracks.some((track) => track.kind === 'video')
  const shown = video.srcObject instanceof MediaStream ? video.srcObject.getTracks() : []
  if (shown.length === tracks.length && shown.every((track) => tracks.includes(track))) return
  video.srcObject = tracks.length > 0 ? new MediaStream(tracks) : null
  if (tracks.length > 0) void play(video)
}

/** @param {string} name of “guest-x1y2”, what tells it from another guest */
function initialOf(name) {
  return (name.replace(/^guest-/, '')[0] ?? '').toUpperCase()
}

/** @param {string} key */
function hide(key) {
  const tile = tiles.get(key)
  if (tile === undefined) return
  tile.remove()
  tiles.delete(key)
  silenced.delete(videoOf(tile))
  soundHint.hidden = silenced.size === 0
}

/**
 * @param {string} key
 * @param {Picture['kind']} kind
 */
function open(key, kind) {
  const tile = copyOf('tile')
  tile.dataset['kind'] = kind
  // Nobody wants to hear themselves.
  videoOf(tile).muted = key.startsWith('me')
  tiles.set(key, tile)
  // Oneself comes first.
  if (key === 'me') stage.prepend(tile)
  else stage.append(tile)
  return tile
}

/** @param {HTMLElement} tile */
function videoOf(tile) {
  return /** @type {HTMLVideoElement} */ (inside(tile, 'video'))
}

/** @param {HTMLVideoElement} video */
async function play(video) {
  try {
    await video.play()
  } catch (error) {
    // Anything else means that it got something new to play meanwhile.
    if (!(error instanceof DOMException && error.name === 'NotAllowedError') || video.muted) return
    // Without sound a browser lets it begin.
    video.muted = true
    silenced.add(video)
    soundHint.hidden = false
    void play(video)
  }
}

button('listen').onclick = () => {
  soundHint.hidden = true
  for (const video of silenced) {
    video.muted = false
    void play(video)
  }
  silenced.clear()
}
